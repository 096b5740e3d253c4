package openai

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/sse"
)

// Tap watches a stream as it passes, reads what it says of itself and holds back the event that completes it.
type Tap struct {
	*sse.Tap

	answer gateway.Answer
}

// Said is what the answer has said of itself so far.
func (t *Tap) Said() gateway.Answer { return t.answer }

// NewTap returns a tap at the start of a stream of chat completions, which [DONE] completes.
func NewTap() *Tap {
	t := &Tap{}
	t.Tap = sse.NewTap(t.chunk, "data: [DONE]", "data:[DONE]")
	return t
}

// NewResponseTap returns a tap at the start of a stream of the Responses API.
func NewResponseTap() *Tap {
	t := &Tap{}
	t.Tap = sse.NewTap(t.event,
		"event: response.completed", "event: response.incomplete", "event: response.failed",
		"event:response.completed", "event:response.incomplete", "event:response.failed",
		`data: {"type":"response.completed"`, `data: {"type":"response.incomplete"`, `data: {"type":"response.failed"`)
	return t
}

// chunk takes in one chunk of a chat completion.
func (t *Tap) chunk(data []byte) {
	a := &t.answer
	if bytes.Contains(data, []byte(`"delta"`)) {
		// A piece of content is a token at the least, however much of the chunk is frame.
		a.Streamed += max(leastPiece, int64(len(data))-chunkFrame)
	}
	if bytes.Contains(data, []byte(`"usage":{`)) || bytes.Contains(data, []byte(`"usage": {`)) {
		takeUsage(a, gjson.GetBytes(data, "usage"))
	}
	if bytes.Contains(data, []byte(`"finish_reason"`)) {
		if reason := gjson.GetBytes(data, "choices.0.finish_reason").Str; reason != "" {
			a.StopReason = reason
		}
	}
	t.failure(data, "error")
}

// event takes in one event of a response.
func (t *Tap) event(data []byte) {
	a := &t.answer
	if bytes.Contains(data, []byte(`.delta"`)) {
		a.Streamed += max(leastPiece, int64(len(data))-chunkFrame)
	}
	if bytes.Contains(data, []byte(`"usage"`)) {
		takeUsage(a, gjson.GetBytes(data, "response.usage"))
	}
	switch kind := gjson.GetBytes(data, "type").Str; kind {
	case "response.completed", "response.incomplete", "response.failed":
		a.StopReason = gjson.GetBytes(data, "response.status").Str
		t.failure(data, "response.error")
	case "error":
		a.ErrorType = "error"
		if code := gjson.GetBytes(data, "code").String(); code != "" {
			a.ErrorType = code
		}
	}
}

func (t *Tap) failure(data []byte, path string) {
	if bytes.Contains(data, []byte(`"error"`)) {
		if kind := errorType(gjson.GetBytes(data, path)); kind != "" {
			t.answer.ErrorType = kind
		}
	}
}

const (
	leastPiece = 3
	// chunkFrame is about what a chunk weighs besides its text.
	chunkFrame = int64(len(` {"id":"chatcmpl-0123456789012345678901234567","object":"chat.completion.chunk","created":1700000000,"model":"some-model","choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}`))
)
