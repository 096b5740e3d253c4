package model

import (
	"bytes"
	"net/http"
)

// vertex is the wire of Anthropic's models on Vertex AI: what the model says is
// in Anthropic's words, what Google says before it in Google's.
type vertex struct {
	sse

	list bool // Google's errors come in a list, since a stream would be one
}

func (vertex) identify(x *exchange) { x.w.Header().Set("request-id", "req_vrtx_01"+x.seed()) }

func (d vertex) envelope(x *exchange, status int, message string) []byte {
	if status == http.StatusBadRequest || status == statusOverloaded {
		return anthropic{}.envelope(x, status, message)
	}
	if d.list {
		return marshal([]any{googleError(status, message)})
	}
	return marshal(googleError(status, message))
}

// vertexEvent is an event of Google's own, which clients of the Messages API do
// not know.
const vertexEvent = "event: vertex_event\ndata: " + `{"type":"vertex_event","usage":{"input_tokens":9,"output_tokens":1,` +
	`"cache_creation_input_tokens":null,"cache_read_input_tokens":null,"tiers":{"0-to-200000":{"input_tokens":9,"output_tokens":1}}}}` + "\n\n"

// frame adds it before the message.
func (vertex) frame(event []byte) []byte {
	if bytes.HasPrefix(event, []byte("event: message_start\n")) {
		return append([]byte(vertexEvent), event...)
	}
	return event
}

func (vertex) failure(x *exchange) []byte { return anthropic{}.failure(x) }

// gemini is the wire of Vertex AI's endpoint for OpenAI clients.
type gemini struct{ sse }

func (gemini) identify(*exchange) {}

// envelope is Google's, always in a list.
func (gemini) envelope(_ *exchange, status int, message string) []byte {
	return marshal([]any{googleError(status, message)})
}

func (gemini) failure(*exchange) []byte {
	return concat("data: ", string(marshal(googleError(http.StatusServiceUnavailable, "The service is currently unavailable."))), "\n\n")
}

// googleError is the error object of Google's services.
func googleError(status int, message string) map[string]any {
	return map[string]any{"error": map[string]any{"code": status, "message": message, "status": googleStatus(status)}}
}

// googleStatus is the name that Google has for a status.
func googleStatus(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "INVALID_ARGUMENT"
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	}
	return "INTERNAL"
}
