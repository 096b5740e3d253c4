package anthropic

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/sse"
)

// Tap watches a stream of the Messages API as it passes, reads what it says of itself and holds back message_stop.
type Tap struct {
	*sse.Tap

	answer gateway.Answer
}

// NewTap returns a tap at the start of a stream.
func NewTap() *Tap {
	t := &Tap{}
	t.Tap = sse.NewTap(t.read,
		"event: message_stop", "event:message_stop",
		`data: {"type":"message_stop"`, `data:{"type":"message_stop"`) // where a backend sends no event lines
	return t
}

// Said is what the answer has said of itself so far.
func (t *Tap) Said() gateway.Answer { return t.answer }

// read takes in one data line.
func (t *Tap) read(data []byte) {
	a := &t.answer
	a.Streamed += max(0, int64(len(data))-contentFrame)
	switch {
	case bytes.Contains(data, []byte(`"usage"`)):
		event := gjson.GetManyBytes(data, "type", "message.usage", "usage", "delta.stop_reason")
		switch event[0].Str {
		case "message_start":
			takeUsage(a, event[1])
		case "message_delta":
			takeUsage(a, event[2])
			a.StopReason = event[3].String()
		}
	case bytes.Contains(data, []byte(`"error"`)) && gjson.GetBytes(data, "type").Str == "error":
		a.ErrorType = gjson.GetBytes(data, "error.type").String()
		if a.ErrorType == "" {
			a.ErrorType = "error"
		}
	}
}

// contentFrame is about what a content event weighs besides its text.
const contentFrame = int64(len(` {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`))
