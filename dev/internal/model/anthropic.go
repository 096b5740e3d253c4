package model

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

// messages answers POST /v1/messages.
func (m *Model) messages(x *exchange) error {
	if err := x.needs("model"); err != nil {
		return err
	}
	return m.claude(x, x.fields["model"].Str, x.fields["stream"].Bool())
}

// claude answers a request in the fields of the Messages API, whoever's endpoint
// it came to.
func (m *Model) claude(x *exchange, model string, stream bool) error {
	if err := x.needs("messages", "max_tokens"); err != nil {
		return err
	}
	// What came before in a thread is with the service, so its calls are not in the request.
	if message := checkMessages(x.fields["messages"]); message != "" && x.fields["thread"].Get("type").Str != "continue" {
		return x.refuse(http.StatusBadRequest, message)
	}
	kind := x.fields["thinking"].Get("type").Str
	schema := x.fields["output_config"].Get("format.schema")
	if !schema.Exists() {
		schema = x.fields["output_format"].Get("schema") // its name while in beta
	}
	a := m.compose(x, ask{
		model:     model,
		tools:     x.fields["tools"],
		choice:    x.fields["tool_choice"],
		schema:    schema,
		stops:     x.fields["stop_sequences"],
		thinking:  kind == "enabled" || kind == "adaptive",
		maxTokens: int(x.fields["max_tokens"].Int()),
	})
	if stream {
		return x.streamMessage(a)
	}
	return x.writeJSON(marshal(x.message(a)))
}

// needs refuses a body without one of the fields.
func (x *exchange) needs(fields ...string) error {
	for _, field := range fields {
		if !x.fields[field].Exists() {
			return x.refuse(http.StatusBadRequest, field+": Field required")
		}
	}
	return nil
}

// countTokens answers POST /v1/messages/count_tokens.
func (m *Model) countTokens(x *exchange) error {
	count := estimateTokens(x.body)
	x.note(http.StatusOK, usage{input: count})
	return x.writeJSON(marshal(map[string]int{"input_tokens": count}))
}

// anthropicUsage is the usage object of a message.
type anthropicUsage struct {
	InputTokens              int           `json:"input_tokens"`
	CacheCreationInputTokens int           `json:"cache_creation_input_tokens"`
	CacheReadInputTokens     int           `json:"cache_read_input_tokens"`
	CacheCreation            cacheCreation `json:"cache_creation"`
	OutputTokens             int           `json:"output_tokens"`
	ServiceTier              string        `json:"service_tier"`
}

type cacheCreation struct {
	FiveMinutes int `json:"ephemeral_5m_input_tokens"`
	OneHour     int `json:"ephemeral_1h_input_tokens"`
}

// anthropicMessage is a complete message, or the shell that opens a stream.
type anthropicMessage struct {
	Model        string           `json:"model"`
	ID           string           `json:"id"`
	Type         string           `json:"type"`
	Role         string           `json:"role"`
	Content      []map[string]any `json:"content"`
	StopReason   *string          `json:"stop_reason"`
	StopSequence *string          `json:"stop_sequence"`
	Usage        anthropicUsage   `json:"usage"`
}

// shell is the message before it has content.
func (x *exchange) shell(a answer) anthropicMessage {
	return anthropicMessage{
		Model: a.model, ID: "msg_01" + x.seed(), Type: "message", Role: "assistant", Content: []map[string]any{},
		Usage: anthropicUsage{
			InputTokens:              a.usage.input,
			CacheCreationInputTokens: a.usage.cacheCreation,
			CacheReadInputTokens:     a.usage.cacheRead,
			CacheCreation:            cacheCreation{FiveMinutes: a.usage.cacheCreation},
			OutputTokens:             1, // what a real stream starts with
			ServiceTier:              "standard",
		},
	}
}

// message is the complete message.
func (x *exchange) message(a answer) anthropicMessage {
	message := x.shell(a)
	if len(a.thinking) > 0 {
		message.Content = append(message.Content, map[string]any{
			"type": "thinking", "thinking": join(a.thinking), "signature": a.signature,
		})
	}
	for i, call := range a.tools {
		message.Content = append(message.Content, map[string]any{
			"type": "tool_use", "id": x.toolUseID(i), "name": call.name, "input": json.RawMessage(call.arguments),
		})
	}
	if len(a.tools) == 0 {
		message.Content = append(message.Content, map[string]any{"type": "text", "text": join(a.text)})
	}
	reason := a.stopReason()
	message.StopReason, message.StopSequence = &reason, a.stopSequence()
	message.Usage.OutputTokens = a.usage.output
	return message
}

// stopReason says why the message ends, in Anthropic's words.
func (a answer) stopReason() string {
	switch a.end {
	case toolUse:
		return "tool_use"
	case truncated:
		return "max_tokens"
	case stopped:
		return "stop_sequence"
	case refused:
		return "refusal"
	}
	return "end_turn"
}

// stopSequence is the one that was met, or nil.
func (a answer) stopSequence() *string {
	if a.end != stopped {
		return nil
	}
	return &a.stop
}

func (x *exchange) toolUseID(i int) string { return fmt.Sprintf("toolu_%02d%s", i+1, x.seed()) }

// signature is as long and as opaque as the real ones.
func (x *exchange) signature() string {
	var raw []byte
	for sum := x.sum; len(raw) < 240; sum = sha256.Sum256(sum[:]) {
		raw = append(raw, sum[:]...)
	}
	return base64.StdEncoding.EncodeToString(raw)
}
