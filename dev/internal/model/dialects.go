package model

import "net/http"

// anthropic is the dialect of the Messages API.
type anthropic struct{ sse }

func (anthropic) identify(x *exchange) {
	header := x.w.Header()
	header.Set("request-id", "req_01"+x.seed())
	header.Set("anthropic-organization-id", "00000000-0000-4000-8000-000000000000")
	for _, limit := range []string{"requests", "tokens", "input-tokens", "output-tokens"} {
		header.Set("anthropic-ratelimit-"+limit+"-limit", "4000000")
		header.Set("anthropic-ratelimit-"+limit+"-remaining", "3999000")
		header.Set("anthropic-ratelimit-"+limit+"-reset", "2030-01-01T00:00:00Z")
	}
}

func (anthropic) envelope(x *exchange, status int, message string) []byte {
	return anthropicError(anthropicErrorType(status), message, x.w.Header().Get("request-id"))
}

func (d anthropic) failure(x *exchange) []byte {
	return concat("event: error\ndata: ", string(d.envelope(x, statusOverloaded, "Overloaded")), "\n\n")
}

// anthropicError is the error envelope of the Anthropic dialect.
func anthropicError(kind, message, requestID string) []byte {
	return marshal(map[string]any{
		"type":       "error",
		"error":      map[string]any{"type": kind, "message": message},
		"request_id": requestID,
	})
}

// anthropicErrorType is the error type that belongs to a status.
func anthropicErrorType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	case statusOverloaded:
		return "overloaded_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}

// openai is the dialect of Chat Completions and what goes with it.
type openai struct{ sse }

func (openai) identify(x *exchange) {
	header := x.w.Header()
	header.Set("x-request-id", "req_"+x.seed())
	header.Set("openai-processing-ms", "1")
	header.Set("openai-version", "2020-10-01")
}

func (openai) envelope(_ *exchange, status int, message string) []byte {
	return marshal(map[string]any{"error": openaiError(status, message)})
}

func (d openai) failure(x *exchange) []byte {
	return concat("data: ", string(d.envelope(x, http.StatusServiceUnavailable, "Overloaded")), "\n\n")
}

// openaiError is the error object of the OpenAI dialect.
func openaiError(status int, message string) map[string]any {
	kind, code := "invalid_request_error", any(nil)
	switch {
	case status == http.StatusUnauthorized:
		code = "invalid_api_key"
	case status == http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
	case status >= http.StatusInternalServerError:
		kind = "server_error"
	}
	return map[string]any{"message": message, "type": kind, "param": nil, "code": code}
}

// responses is the dialect of the Responses API: OpenAI's, but for its streams.
type responses struct{ openai }

func (responses) failure(*exchange) []byte {
	return concat("event: error\ndata: ", string(marshal(map[string]any{
		"type": "error", "code": "server_error", "message": "Overloaded", "param": nil,
	})), "\n\n")
}
