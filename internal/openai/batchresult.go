package openai

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// maxQuote is how many bytes of an answer that is no JSON are quoted in the error that stands for it.
const maxQuote = 500

type resultLine struct {
	ID       *string       `json:"id"` // null for an item that never was sent
	CustomID string        `json:"custom_id"`
	Response *itemResponse `json:"response"`
	Error    *itemError    `json:"error"` // of an item that has no response
}

type itemResponse struct {
	StatusCode int             `json:"status_code"`
	RequestID  string          `json:"request_id"`
	Body       json.RawMessage `json:"body"`
}

type itemError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// ResultLine is an item's line in the output or error file of its batch, without a newline. body is the answer of an
// item that had one, with its HTTP status; white space between its tokens is left out, all else stays as it is. An
// answer that is no JSON, such as a proxy's page, is told in an error object. An item without an answer has the status
// 0, and a code and message that say why; for one that was canceled or has expired they are known.
func ResultLine(state gateway.ItemState, customID string, requestID uuid.UUID, status int, body []byte, code, message string) []byte {
	line := resultLine{CustomID: customID}
	if requestID != uuid.Nil {
		line.ID = optional("batch_req_" + hex.EncodeToString(requestID[:]))
	}
	switch {
	case state == gateway.ItemCanceled:
		line.Error = &itemError{"batch_cancelled", "The batch was cancelled before this request was sent."}
	case state == gateway.ItemExpired:
		line.Error = &itemError{"batch_expired", "This request could not be sent before the batch's completion window was over."}
	case status == 0:
		line.Error = &itemError{code, message}
	default:
		line.Response = &itemResponse{status, requestID.String(), body}
		if whole, err := encodeLine(line); err == nil && len(body) > 0 {
			return whole
		} // else the body is no JSON
		line.Response.Body = unknownAnswer(status, body)
	}
	whole, err := encodeLine(line)
	if err != nil { // our own words always marshal
		panic(err)
	}
	return whole
}

// ErrorKind is the type of an error body, or its code where it has no type; "" where it is none.
func ErrorKind(body []byte) string { return errorType(gjson.GetBytes(body, "error")) }

// unknownAnswer is the error that stands for an answer which the API never gives.
func unknownAnswer(status int, body []byte) []byte {
	return marshal(envelope{errorObject{Type: "server_error", Message: fmt.Sprintf(
		"The backend answered with the status %d and no JSON: %q. Send the request again in a new batch; if it stays, tell the gateway's operator the request id.",
		status, strings.ToValidUTF8(string(body[:min(len(body), maxQuote)]), ""))}})
}

// encodeLine is json.Marshal that leaves the characters of HTML as they are.
func encodeLine(v any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), err
}
