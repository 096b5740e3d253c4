package openai

import (
	"encoding/json"
	"net/http"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

type envelope struct {
	Error errorObject `json:"error"`
}

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// ErrorBody is an error as the OpenAI API words it: the HTTP status and the JSON body.
func ErrorBody(e *gateway.Error) (status int, body []byte) {
	status, kind, code := classify(e.Code)
	object := errorObject{Message: e.Message, Type: kind}
	if code != "" {
		object.Code = &code
	}
	body, err := json.Marshal(envelope{object})
	if err != nil { // a struct of strings always marshals
		panic(err)
	}
	return status, body
}

func classify(c gateway.Code) (status int, kind, code string) {
	switch c {
	case gateway.Invalid:
		return http.StatusBadRequest, "invalid_request_error", ""
	case gateway.Unauthenticated:
		return http.StatusUnauthorized, "invalid_request_error", "invalid_api_key"
	case gateway.Forbidden:
		return http.StatusForbidden, "invalid_request_error", "permission_denied"
	case gateway.NotFound:
		return http.StatusNotFound, "invalid_request_error", "model_not_found"
	case gateway.Missing:
		return http.StatusNotFound, "invalid_request_error", "not_found"
	case gateway.Conflict:
		return http.StatusConflict, "invalid_request_error", "conflict"
	case gateway.TooLarge:
		return http.StatusRequestEntityTooLarge, "invalid_request_error", "request_too_large"
	case gateway.QuotaSpent:
		return http.StatusTooManyRequests, "insufficient_quota", "insufficient_quota"
	case gateway.RateLimited:
		return http.StatusTooManyRequests, "requests", "rate_limit_exceeded"
	case gateway.Overloaded:
		return http.StatusServiceUnavailable, "server_error", "overloaded"
	case gateway.BackendFailed:
		return http.StatusBadGateway, "server_error", ""
	case gateway.BackendTimeout:
		return http.StatusGatewayTimeout, "server_error", "timeout"
	case gateway.Internal:
	}
	return http.StatusInternalServerError, "server_error", ""
}
