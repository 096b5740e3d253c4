package translate

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// backendError is the error that a backend sends in the midst of its stream.
func backendError(object gjson.Result) error {
	e := &gateway.Error{
		Code:    gateway.BackendFailed,
		Message: strings.Clone(cmp.Or(object.Get("message").String(), "The backend broke off its answer. Try again.")),
	}
	if object.Get("type").Str == "overloaded_error" {
		e.Code = gateway.Overloaded
	}
	return e
}

// errorFromAnthropic tells an error of the Messages API in OpenAI's envelope. Its message stays as it is.
func errorFromAnthropic(status int, body []byte) []byte {
	message := quotedBody(body)
	var kind string
	if isJSON(view(body)) {
		object := gjson.GetBytes(body, "error")
		if text := object.Get("message"); text.Type == gjson.String {
			message, kind = text.Raw, object.Get("type").String()
		}
	}
	kind, code := openAIError(status, kind, message)
	dst := append(append([]byte(`{"error":{"message":`), message...), `,"type":"`...)
	dst = append(append(dst, kind...), `","param":null,"code":`...)
	if code == "" {
		return append(dst, `null}}`...)
	}
	return append(append(append(dst, '"'), code...), `"}}`...)
}

// openAIError is what OpenAI calls an error: agents shorten their conversation at context_length_exceeded, and wait at
// rate_limit_exceeded.
func openAIError(status int, anthropicKind, message string) (kind, code string) {
	switch {
	case isTooLong(status, message):
		return "invalid_request_error", "context_length_exceeded"
	case status == http.StatusUnauthorized:
		return "invalid_request_error", "invalid_api_key"
	case status == http.StatusForbidden:
		return "invalid_request_error", "permission_denied"
	case status == http.StatusNotFound:
		return "invalid_request_error", "model_not_found"
	case status == http.StatusPaymentRequired, anthropicKind == "billing_error":
		return "insufficient_quota", "insufficient_quota"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error", "rate_limit_exceeded"
	case status == anthropic.StatusOverloaded, status == http.StatusServiceUnavailable, anthropicKind == "overloaded_error":
		return "server_error", "overloaded"
	case status == http.StatusGatewayTimeout, anthropicKind == "timeout_error":
		return "server_error", "timeout"
	case status >= http.StatusInternalServerError:
		return "server_error", ""
	}
	return "invalid_request_error", ""
}

// isTooLong reports whether the conversation does not fit the model, in the words of Anthropic and of Bedrock.
func isTooLong(status int, message string) bool {
	if status == http.StatusRequestEntityTooLarge {
		return true
	}
	return status == http.StatusBadRequest && (strings.Contains(message, "prompt is too long") ||
		strings.Contains(message, "exceed context limit") || strings.Contains(message, "nput is too long"))
}

// maxQuoted is how much is quoted, in bytes, of a body that is no error of the dialect.
const maxQuoted = 300

// quotedBody is the message for a body that is no error of the dialect, as a JSON string.
func quotedBody(body []byte) string {
	text := "The backend answered with an error that cannot be read, and nothing else."
	if start := strings.TrimSpace(strings.ToValidUTF8(string(body[:min(len(body), maxQuoted)]), "")); start != "" {
		text = "The backend answered with an error that cannot be read. It begins: " + start
	}
	return string(gjson.AppendJSONString(nil, text))
}
