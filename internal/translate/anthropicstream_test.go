package translate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// checkAnthropicStream holds a stream, or the beginning of one, against the protocol that Anthropic's clients rely
// on: message_start first, indexes without gaps, one start and one stop per block, deltas of a block's kind to open
// blocks only, message_delta and message_stop last and only behind closed blocks, tool inputs that are JSON objects
// unless the answer was cut by its limit. It reports whether the stream is complete.
func checkAnthropicStream(t testing.TB, stream []byte) (complete bool) {
	t.Helper()
	var r anthropicReader
	for text := range strings.SplitSeq(strings.TrimSuffix(string(stream), "\n\n"), "\n\n") {
		if len(stream) == 0 {
			return false
		}
		if err := r.event(text); err != nil {
			t.Fatalf("%v, at\n%s\nin\n%s", err, text, stream)
		}
	}
	return r.stopped
}

type anthropicReader struct {
	started, stopped bool
	reason           string // of the message_delta
	blocks           []anthropicBlock
}

type anthropicBlock struct {
	kind, input string
	closed      bool
}

type anthropicEvent struct {
	Type    string
	Index   int
	Message *struct {
		ID, Type, Role, Model string
		Content               []json.RawMessage
		Usage                 anthropicUsage
	}
	Block *struct {
		Type, ID, Name string
		Input          json.RawMessage
	} `json:"content_block"`
	Delta struct {
		Type        string
		Text        *string
		Thinking    *string
		PartialJSON *string `json:"partial_json"`
		StopReason  string  `json:"stop_reason"`
	}
	Usage *anthropicUsage
}

type anthropicUsage struct {
	Input  *int64 `json:"input_tokens"`
	Output *int64 `json:"output_tokens"`
}

func (r *anthropicReader) event(text string) error {
	head, data, ok := strings.Cut(text, "\n")
	name, isEvent := strings.CutPrefix(head, "event: ")
	data, isData := strings.CutPrefix(data, "data: ")
	if !ok || !isEvent || !isData || strings.Contains(data, "\n") {
		return fmt.Errorf("not an event line and a data line")
	}
	var e anthropicEvent
	if err := json.Unmarshal([]byte(data), &e); err != nil || e.Type != name {
		return fmt.Errorf("the data of %s is of type %q: %w", name, e.Type, err)
	}
	switch {
	case name == "ping":
		return nil
	case r.stopped:
		return fmt.Errorf("it goes on behind message_stop")
	case r.started == (name == "message_start"):
		return fmt.Errorf("message_start has to come first, and once")
	case r.reason != "" && name != "message_stop":
		return fmt.Errorf("it goes on behind message_delta")
	}
	switch name {
	case "message_start":
		r.started = true
		if m := e.Message; m == nil || m.ID == "" || m.Type != "message" || m.Role != "assistant" || m.Content == nil || m.Usage.Input == nil || m.Usage.Output == nil {
			return fmt.Errorf("the message is not whole")
		}
		return nil
	case "content_block_start":
		return r.start(&e)
	case "content_block_delta":
		return r.delta(&e)
	case "content_block_stop":
		if e.Index >= len(r.blocks) || r.blocks[e.Index].closed {
			return fmt.Errorf("no such block is open")
		}
		r.blocks[e.Index].closed = true
		return nil
	case "message_delta":
		r.reason = e.Delta.StopReason
		if r.reason == "" || e.Usage == nil || e.Usage.Output == nil {
			return fmt.Errorf("stop_reason and usage are wanted")
		}
		return r.closed()
	case "message_stop":
		r.stopped = true
		if r.reason == "" {
			return fmt.Errorf("message_delta is missing")
		}
		return nil
	}
	return fmt.Errorf("an unknown event")
}

func (r *anthropicReader) start(e *anthropicEvent) error {
	if e.Block == nil || e.Index != len(r.blocks) {
		return fmt.Errorf("block %d is expected", len(r.blocks))
	}
	for _, b := range r.blocks {
		if !b.closed && b.kind != "tool_use" {
			return fmt.Errorf("a block of %s is still open", b.kind)
		}
	}
	if e.Block.Type == "tool_use" && (e.Block.ID == "" || e.Block.Name == "" || string(e.Block.Input) != "{}") {
		return fmt.Errorf("a tool call needs id, name and an empty input")
	}
	r.blocks = append(r.blocks, anthropicBlock{kind: e.Block.Type})
	return nil
}

func (r *anthropicReader) delta(e *anthropicEvent) error {
	if e.Index >= len(r.blocks) || r.blocks[e.Index].closed {
		return fmt.Errorf("no such block is open")
	}
	b := &r.blocks[e.Index]
	switch {
	case b.kind == "text" && e.Delta.Type == "text_delta" && e.Delta.Text != nil:
	case b.kind == "thinking" && e.Delta.Type == "thinking_delta" && e.Delta.Thinking != nil:
	case b.kind == "tool_use" && e.Delta.Type == "input_json_delta" && e.Delta.PartialJSON != nil:
		b.input += *e.Delta.PartialJSON
	default:
		return fmt.Errorf("a %s for a block of %s", e.Delta.Type, b.kind)
	}
	return nil
}

// closed checks the blocks of an answer whose stop reason has come.
func (r *anthropicReader) closed() error {
	tools := false
	for i, b := range r.blocks {
		if !b.closed {
			return fmt.Errorf("block %d is still open", i)
		}
		tools = tools || b.kind == "tool_use"
		object := strings.HasPrefix(strings.TrimSpace(b.input), "{") && json.Valid([]byte(b.input))
		if b.input != "" && !object && r.reason != "max_tokens" {
			return fmt.Errorf("the input of block %d is no JSON object: %s", i, b.input)
		}
	}
	if r.reason == "tool_use" && !tools {
		return fmt.Errorf("stop_reason tool_use without a tool call")
	}
	return nil
}
