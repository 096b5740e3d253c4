package model

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// messages answers POST /v1/messages.
func (m *Model) messages(x *exchange) error {
	for _, field := range []string{"model", "messages", "max_tokens"} {
		if !x.fields[field].Exists() {
			return x.refuse(http.StatusBadRequest, field+": Field required")
		}
	}
	kind := x.fields["thinking"].Get("type").Str
	schema := x.fields["output_config"].Get("format.schema")
	if !schema.Exists() {
		schema = x.fields["output_format"].Get("schema") // its name while in beta
	}
	a := m.compose(x, ask{
		model:     x.fields["model"].Str,
		turn:      lastUserTurn(x.fields["messages"]),
		tools:     x.fields["tools"],
		schema:    schema,
		thinking:  kind == "enabled" || kind == "adaptive",
		maxTokens: int(x.fields["max_tokens"].Int()),
	})
	if x.fields["stream"].Bool() {
		return x.streamMessage(a)
	}
	return x.writeJSON(marshal(x.message(a)))
}

// countTokens answers POST /v1/messages/count_tokens.
func (m *Model) countTokens(x *exchange) error {
	return x.writeJSON(marshal(map[string]int{"input_tokens": estimateTokens(x.body)}))
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
	if a.tool != nil {
		message.Content = append(message.Content, map[string]any{
			"type": "tool_use", "id": x.toolUseID(), "name": a.tool.name, "input": json.RawMessage(a.tool.arguments),
		})
	} else {
		message.Content = append(message.Content, map[string]any{"type": "text", "text": join(a.text)})
	}
	reason := a.stopReason()
	message.StopReason = &reason
	message.Usage.OutputTokens = a.usage.output
	return message
}

// stopReason says why the message ends, in Anthropic's words.
func (a answer) stopReason() string {
	switch {
	case a.tool != nil:
		return "tool_use"
	case a.truncated:
		return "max_tokens"
	}
	return "end_turn"
}

func (x *exchange) toolUseID() string { return "toolu_01" + x.seed() }

// signature is as long and as opaque as the real ones.
func (x *exchange) signature() string {
	var raw []byte
	for sum := x.sum; len(raw) < 240; sum = sha256.Sum256(sum[:]) {
		raw = append(raw, sum[:]...)
	}
	return base64.StdEncoding.EncodeToString(raw)
}
