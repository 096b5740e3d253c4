// Package anthropic is the Anthropic dialect on the wire: its error envelope, the usage in its answers, and its
// event stream as it passes by.
package anthropic

import (
	"encoding/json"
	"net/http"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

type envelope struct {
	Type      string      `json:"type"`
	Error     errorObject `json:"error"`
	RequestID string      `json:"request_id,omitempty"`
}

type errorObject struct {
	Type    string   `json:"type"`
	Message string   `json:"message"`
	Details *details `json:"details,omitempty"`
}

// details tell a client, by its SDK, which feature it has to go on without.
type details struct {
	ErrorCode   string   `json:"error_code"` // "thread_unsupported_request"
	Unsupported []string `json:"unsupported"`
}

// ErrorBody is an error as the Messages API words it: the HTTP status and the JSON body.
func ErrorBody(e *gateway.Error, requestID string) (status int, body []byte) {
	status, kind := classify(e.Code)
	object := errorObject{Type: kind, Message: e.Message}
	if len(e.Lacks) > 0 {
		object.Details = &details{e.Lacks[0] + "_unsupported_request", e.Lacks}
	}
	return status, marshal(envelope{"error", object, requestID})
}

// ErrorEvent is an error in the midst of a stream: the event that tells the client its answer is not whole.
func ErrorEvent(e *gateway.Error, requestID string) []byte {
	_, body := ErrorBody(e, requestID)
	return append(append([]byte("event: error\ndata: "), body...), "\n\n"...)
}

// StatusOverloaded is the API's own HTTP status for a service under too much load.
const StatusOverloaded = 529

// Ping is the event that tells a waiting client the stream is alive.
func Ping() []byte { return []byte("event: ping\ndata: {\"type\": \"ping\"}\n\n") }

func classify(code gateway.Code) (status int, kind string) {
	switch code {
	case gateway.Invalid:
		return http.StatusBadRequest, "invalid_request_error"
	case gateway.Unauthenticated:
		return http.StatusUnauthorized, "authentication_error"
	case gateway.Forbidden:
		return http.StatusForbidden, "permission_error"
	case gateway.NotFound, gateway.Missing:
		return http.StatusNotFound, "not_found_error"
	case gateway.Conflict:
		return http.StatusConflict, "invalid_request_error"
	case gateway.TooLarge:
		return http.StatusRequestEntityTooLarge, "request_too_large"
	case gateway.QuotaSpent, gateway.RateLimited:
		return http.StatusTooManyRequests, "rate_limit_error"
	case gateway.Overloaded:
		return http.StatusServiceUnavailable, "overloaded_error"
	case gateway.BackendFailed:
		return http.StatusBadGateway, "api_error"
	case gateway.BackendTimeout:
		return http.StatusGatewayTimeout, "timeout_error"
	case gateway.Internal:
	}
	return http.StatusInternalServerError, "api_error"
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // structs of strings always marshal
		panic(err)
	}
	return b
}
