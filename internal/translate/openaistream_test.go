package translate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// checkOpenAIStream holds a stream, or the beginning of one, against what OpenAI's clients rely on: one data line an
// event, all chunks of one completion, the role first, calls numbered without gaps and each begun once with id and
// name, one finish_reason behind which only the usage comes, arguments that are JSON unless the answer was cut by its
// limit. It reports whether the stream is complete: [DONE] was told.
func checkOpenAIStream(t testing.TB, stream []byte, includeUsage bool) (complete bool) {
	t.Helper()
	r := openAIReader{includeUsage: includeUsage}
	if err := r.read(stream); err != nil {
		t.Fatalf("%v in\n%s", err, stream)
	}
	return r.done
}

// soundOpenAIStream is checkOpenAIStream for what nobody has ever asked a backend for: blocks whose arguments are no
// JSON, or calls without a name, are the backend's own.
func soundOpenAIStream(stream []byte, includeUsage bool) error {
	r := openAIReader{includeUsage: includeUsage, anyCall: true}
	return r.read(stream)
}

type openAIReader struct {
	includeUsage bool
	anyCall      bool // what the calls say is not looked at
	id, model    string
	calls        []string // arguments
	finish       string
	usage, done  bool
}

type openAIChunk struct {
	ID, Object, Model string
	Created           *int64
	Choices           []struct {
		Index        int
		Delta        openAIDelta
		FinishReason string `json:"finish_reason"`
	}
	Usage json.RawMessage
}

type openAIDelta struct {
	Role             string
	Content, Refusal *string
	Reasoning        *string          `json:"reasoning_content"`
	Calls            []openAICallPart `json:"tool_calls"`
}

type openAICallPart struct {
	Index    int
	ID, Type string
	Function struct {
		Name      string
		Arguments *string
	}
}

func (r *openAIReader) read(stream []byte) error {
	if len(stream) == 0 {
		return nil
	}
	whole, ok := strings.CutSuffix(string(stream), "\n\n")
	if !ok {
		return fmt.Errorf("the last event is not whole")
	}
	for text := range strings.SplitSeq(whole, "\n\n") {
		if err := r.event(text); err != nil {
			return fmt.Errorf("%w, at %s", err, text)
		}
	}
	return nil
}

func (r *openAIReader) event(text string) error {
	if text == ": ping" {
		return nil
	}
	data, ok := strings.CutPrefix(text, "data: ")
	switch {
	case !ok || strings.Contains(data, "\n"):
		return fmt.Errorf("not one data line")
	case r.done:
		return fmt.Errorf("it goes on behind [DONE]")
	case data == "[DONE]":
		r.done = true
		if r.finish == "" || r.usage != r.includeUsage {
			return fmt.Errorf("[DONE] comes too early")
		}
		return nil
	}
	var c openAIChunk
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		return err
	}
	first := r.id == ""
	if first {
		r.id, r.model = c.ID, c.Model
	}
	switch {
	case c.ID == "" || c.ID != r.id || c.Model == "" || c.Model != r.model || c.Created == nil || c.Object != "chat.completion.chunk":
		return fmt.Errorf("a chunk of another completion")
	case len(c.Choices) == 0:
		return r.takeUsage(c.Usage)
	case len(c.Choices) > 1 || c.Choices[0].Index != 0:
		return fmt.Errorf("more than one choice")
	case r.finish != "":
		return fmt.Errorf("it goes on behind the finish_reason")
	case r.includeUsage != (string(c.Usage) == "null"):
		return fmt.Errorf("usage has to be null where the client asked for it, and not there where it did not")
	case first != (c.Choices[0].Delta.Role == "assistant"):
		return fmt.Errorf("the role has to come first, and once")
	}
	if r.finish = c.Choices[0].FinishReason; r.finish != "" {
		return r.finished()
	}
	return r.delta(c.Choices[0].Delta)
}

func (r *openAIReader) takeUsage(raw json.RawMessage) error {
	var usage struct {
		Prompt     *int `json:"prompt_tokens"`
		Completion *int `json:"completion_tokens"`
		Total      *int `json:"total_tokens"`
	}
	err := json.Unmarshal(raw, &usage)
	switch {
	case err != nil || usage.Prompt == nil || usage.Completion == nil || usage.Total == nil || *usage.Total != *usage.Prompt+*usage.Completion:
		return fmt.Errorf("usage is not whole: %w", err)
	case !r.includeUsage || r.usage || r.finish == "":
		return fmt.Errorf("usage is not wanted here")
	}
	r.usage = true
	return nil
}

func (r *openAIReader) delta(d openAIDelta) error {
	if len(d.Calls) == 0 && d.Content == nil && d.Reasoning == nil {
		return fmt.Errorf("an empty delta")
	}
	for _, call := range d.Calls {
		begins := call.Index == len(r.calls)
		switch {
		case call.Index > len(r.calls) || call.Function.Arguments == nil:
			return fmt.Errorf("call %d is expected, with arguments", len(r.calls))
		case !r.anyCall && begins != (call.ID != "" && call.Type == "function" && call.Function.Name != ""):
			return fmt.Errorf("id, type and name belong to the beginning of a call")
		case begins:
			r.calls = append(r.calls, "")
		}
		r.calls[call.Index] += *call.Function.Arguments
	}
	return nil
}

func (r *openAIReader) finished() error {
	for i, arguments := range r.calls {
		if r.finish != "length" && !r.anyCall && !json.Valid([]byte(arguments)) {
			return fmt.Errorf("the arguments of call %d are no JSON: %q", i, arguments)
		}
	}
	return nil
}
