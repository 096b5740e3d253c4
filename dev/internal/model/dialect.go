package model

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
)

// dialect is the wire format of an endpoint.
type dialect int

const (
	openai dialect = iota
	anthropic
)

// seed is what ids are made of: different requests have different ones.
func (x *exchange) seed() string { return hex.EncodeToString(x.sum[:11]) }

// identify sets the headers that every answer of the dialect has.
func (x *exchange) identify() {
	header := x.w.Header()
	if x.dialect == openai {
		header.Set("x-request-id", "req_"+x.seed())
		header.Set("openai-processing-ms", "1")
		header.Set("openai-version", "2020-10-01")
		return
	}
	header.Set("request-id", "req_01"+x.seed())
	header.Set("anthropic-organization-id", "00000000-0000-4000-8000-000000000000")
	for _, limit := range []string{"requests", "tokens", "input-tokens", "output-tokens"} {
		header.Set("anthropic-ratelimit-"+limit+"-limit", "4000000")
		header.Set("anthropic-ratelimit-"+limit+"-remaining", "3999000")
		header.Set("anthropic-ratelimit-"+limit+"-reset", "2030-01-01T00:00:00Z")
	}
}

// refuse answers with a status and the error envelope of the dialect.
func (x *exchange) refuse(status int, message string) error {
	kind := anthropicErrorType(status)
	if message == "" {
		message = defaultMessage(status)
	}
	header := x.w.Header()
	if x.switches.RetryAfter > 0 {
		header.Set("retry-after", strconv.Itoa(x.switches.RetryAfter))
	}
	header.Set("content-type", "application/json")
	x.w.WriteHeader(status)
	envelope := anthropicError(kind, message, header.Get("request-id"))
	if x.dialect == openai {
		envelope = openaiError(status, message)
	}
	if _, err := x.w.Write(envelope); err != nil {
		return errClientLeft
	}
	return errInjected
}

// anthropicError is the error envelope of the Anthropic dialect.
func anthropicError(kind, message, requestID string) []byte {
	return marshal(map[string]any{
		"type":       "error",
		"error":      map[string]any{"type": kind, "message": message},
		"request_id": requestID,
	})
}

// openaiError is the error envelope of the OpenAI dialect.
func openaiError(status int, message string) []byte {
	kind, code := "invalid_request_error", any(nil)
	switch {
	case status == http.StatusUnauthorized:
		code = "invalid_api_key"
	case status == http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
	case status >= http.StatusInternalServerError:
		kind = "server_error"
	}
	return marshal(map[string]any{
		"error": map[string]any{"message": message, "type": kind, "param": nil, "code": code},
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

// statusOverloaded is Anthropic's own status for a service under too much load.
const statusOverloaded = 529

func defaultMessage(status int) string {
	switch status {
	case statusOverloaded:
		return "Overloaded"
	case http.StatusTooManyRequests:
		return "Number of requests has exceeded your rate limit"
	case http.StatusInternalServerError:
		return "Internal server error"
	}
	return http.StatusText(status)
}

// marshal encodes a value that cannot fail to encode.
func marshal(value any) []byte {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err) // a mistake in this package
	}
	return content
}
