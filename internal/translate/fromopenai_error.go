package translate

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func errorFromOpenAI(status int, body []byte, id string) []byte {
	text := string(body)
	var message string
	if isJSON(text) {
		message = errorMessage(gjson.Parse(text))
	}
	if message == "" {
		message = fmt.Sprintf("The backend answered with status %d, and not with an error of its dialect. It begins with %s.",
			status, strconv.Quote(text[:min(len(text), 200)]))
	}
	dst := append([]byte(`{"type":"error","error":{"type":"`), errorType(status)...)
	dst = gjson.AppendJSONString(append(dst, `","message":`...), message)
	dst = gjson.AppendJSONString(append(dst, `},"request_id":`...), id)
	return append(dst, '}')
}

// errorType is Anthropic's type of an error with the status.
func errorType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return "timeout_error"
	case http.StatusServiceUnavailable, anthropic.StatusOverloaded:
		return "overloaded_error"
	}
	if status < http.StatusInternalServerError {
		return "invalid_request_error"
	}
	return "api_error"
}

// isError reports whether a body or a chunk is an error in place of an answer.
func isError(root gjson.Result) bool {
	return root.Get("error").Type != gjson.Null || root.Get("object").String() == "error"
}

// errorIn is the error that came in place of an answer.
func errorIn(root gjson.Result) error {
	message := errorMessage(root)
	if message == "" {
		message = "The backend ended its answer with an error. Try again."
	}
	return &gateway.Error{Code: gateway.BackendFailed, Message: message, Cause: errors.New("the backend sent an error in place of an answer")}
}

// errorMessage finds the message of an error in the shapes that services give it: OpenAI's envelope, in an array from
// Google, the object alone from older vLLM, a lone string from Ollama, FastAPI's detail. It is "" if there is none.
func errorMessage(root gjson.Result) string {
	if root.IsArray() {
		root = root.Get("0")
	}
	for _, path := range [...]string{"error.message", "message", "error", "detail", "detail.0.msg"} {
		if message := root.Get(path); says(message) {
			return clientWords(message.Str, root.Get("error.code").String())
		}
	}
	return ""
}

// clientWords is the message of an error in the words that Anthropic has for a conversation that outgrew the model:
// clients know them, and shorten the conversation, or lower max_tokens. Any other message stays as it is.
func clientWords(message, code string) string {
	limit := number(message, `(?i)(?:maximum context length (?:is|of)|context length is only|configured limit of|maximum model length of|`+
		`maximum number of tokens allowed|context size|model's context length|model with) \(?(\d+)`)
	output := number(message, `(?i)(\d+) (?:in the (?:completion|output)|output tokens|tokens for the completion)`, `(?i)too large: (\d+)`)
	input := number(message, `(?i)(\d+) input tokens`, `(?i)(?:input|request) \((\d+) tokens\)`, `(?i)input token count \((\d+)\)`,
		`(?i)prompt (?:contains|\(length) (\d+)`)
	if input == 0 {
		total := number(message, `(?i)(?:requested|resulted in)(?: about| a total of)? (\d+) tokens`)
		input = max(total-output, 0)
	}
	switch {
	case limit > 0 && input >= limit:
		return fmt.Sprintf("prompt is too long: %d tokens > %d maximum", input, limit)
	case limit > 0 && output > 0 && input+output > limit:
		return fmt.Sprintf("input length and `max_tokens` exceed context limit: %d + %d > %d, decrease input length or `max_tokens` and try again",
			input, output, limit)
	case code == "context_length_exceeded" && !strings.Contains(message, "prompt is too long"):
		return "prompt is too long: " + message
	}
	return message
}

// number is the number that the first of the patterns to match finds; 0 if none does.
func number(text string, patterns ...string) int64 {
	for _, pattern := range patterns {
		if match := regexp.MustCompile(pattern).FindStringSubmatch(text); match != nil {
			n, err := strconv.ParseInt(match[1], 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}
