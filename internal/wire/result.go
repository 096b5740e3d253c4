package wire

import (
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// ResultLine is the line of an item in the results of its batch, without a newline. request is zero if the item was never
// admitted; status and body are what its endpoint answered, nothing for one that was not sent.
func ResultLine(d gateway.Dialect, state gateway.ItemState, customID string, request uuid.UUID, status int, body []byte) []byte {
	if d == gateway.OpenAI {
		return openai.ResultLine(state, customID, request, status, body, "", "")
	}
	return anthropic.ResultLine(state, customID, status, body, request.String())
}

// ErrorKind is the type that an error's body names, in the words of its dialect; "" if it names none.
func ErrorKind(d gateway.Dialect, body []byte) string {
	if d == gateway.OpenAI {
		return openai.ErrorKind(body)
	}
	return anthropic.ErrorKind(body)
}
