package anthropic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// maxQuote is how many bytes of an answer that is none of the API's are quoted in the error that stands for it.
const maxQuote = 500

type resultLine struct {
	CustomID string `json:"custom_id"`
	Result   result `json:"result"`
}

type result struct {
	Type    gateway.ItemState `json:"type"`
	Message json.RawMessage   `json:"message,omitempty"`
	Error   json.RawMessage   `json:"error,omitempty"`
}

// ResultLine is an item's line in the results of its batch, without a newline. body is the message of an item that
// succeeded, and the error of one that failed, with the HTTP status it came with; white space between its tokens is
// left out, all else stays as it is. An answer that the API never gives, such as a proxy's page, is told in an
// api_error, as an item that failed.
func ResultLine(state gateway.ItemState, customID string, status int, body []byte, requestID string) []byte {
	r := result{Type: state}
	known := true
	switch state {
	case gateway.ItemSucceeded:
		r.Message, known = body, isObject(body)
	case gateway.ItemErrored:
		r.Error, known = body, isEnvelope(body)
	case gateway.ItemCanceled, gateway.ItemExpired:
	}
	if known {
		if line, err := encodeLine(resultLine{customID, r}); err == nil {
			return line
		} // else the body is no JSON
	}
	line, err := encodeLine(resultLine{customID, result{Type: gateway.ItemErrored, Error: unknownAnswer(status, body, requestID)}})
	if err != nil { // our own error always marshals
		panic(err)
	}
	return line
}

// ErrorKind is the type of an error body, such as "overloaded_error"; "" where it is none.
func ErrorKind(body []byte) string { return gjson.GetBytes(body, "error.type").Str }

func isObject(body []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) }

func isEnvelope(body []byte) bool {
	return gjson.GetBytes(body, "type").Str == "error" && gjson.GetBytes(body, "error").IsObject()
}

// unknownAnswer is the error that stands for an answer which the API never gives.
func unknownAnswer(status int, body []byte, requestID string) []byte {
	message := fmt.Sprintf("The backend answered with the status %d and nothing that the Messages API would say: %q. "+
		"Send the item again in a new batch; if it stays, tell the gateway's operator the request id.",
		status, strings.ToValidUTF8(string(body[:min(len(body), maxQuote)]), ""))
	return marshal(envelope{"error", errorObject{Type: "api_error", Message: message}, requestID})
}

// encodeLine is json.Marshal that leaves the characters of HTML as they are.
func encodeLine(v any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), err
}
