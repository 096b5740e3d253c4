package openai

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/sse"
)

// ErrorEvent is an error in the midst of a stream: a client that reads it knows that its answer is not whole. No
// [DONE] may follow.
func ErrorEvent(e *gateway.Error) []byte {
	_, body := ErrorBody(e)
	return append(append([]byte("data: "), body...), "\n\n"...)
}

// ResponseErrorEvent is ErrorEvent for a stream of the Responses API.
func ResponseErrorEvent(e *gateway.Error) []byte {
	_, body := ErrorBody(e)
	object := gjson.GetBytes(body, "error")
	event := []byte("event: error\ndata: {\"type\":\"error\",\"sequence_number\":0,\"code\":")
	code := object.Get("code").Raw
	if code == "" {
		code = "null"
	}
	event = append(append(event, code...), `,"message":`...)
	event = append(append(event, object.Get("message").Raw...), `,"param":null}`...)
	return append(event, "\n\n"...)
}

// Ping is what tells a waiting client that the stream is alive: a comment, which every reader of event streams passes
// over.
func Ping() []byte { return []byte(": ping\n\n") }

// Unasked leaves the usage out of a stream of chat completions whose client has not asked for it. The gateway asks in
// its place, to be able to count.
type Unasked struct{ events sse.Decoder }

// Next takes the next bytes from the backend and appends what the client is to be sent.
func (u *Unasked) Next(dst, p []byte) ([]byte, error) {
	for event, err := range u.events.Feed(p) {
		if err != nil {
			return dst, err
		}
		if isUsageOnly(event.Data) {
			continue
		}
		if event.Name != "" {
			dst = append(append(append(dst, "event: "...), event.Name...), '\n')
		}
		for line := range bytes.SplitSeq(event.Data, []byte("\n")) {
			dst = append(append(append(dst, "data: "...), line...), '\n')
		}
		dst = append(dst, '\n')
	}
	return dst, nil
}

// isUsageOnly tells the chunk that carries nothing but the usage: its list of choices is empty.
func isUsageOnly(data []byte) bool {
	if !bytes.Contains(data, []byte(`"usage"`)) || !gjson.GetBytes(data, "usage").IsObject() {
		return false
	}
	choices := gjson.GetBytes(data, "choices")
	return choices.IsArray() && len(choices.Array()) == 0
}
