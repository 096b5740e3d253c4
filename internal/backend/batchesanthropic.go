package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// submitMessages makes a message batch. The items go out from where they are, without being copied into one body.
func (s *service) submitMessages(ctx context.Context, at gateway.Endpoint, header http.Header, items []BatchItem, bodies [][]byte) (id string, err error) {
	body := make(net.Buffers, 0, 2*len(items)+1)
	before := `{"requests":[`
	for i, item := range items {
		body = append(body, fmt.Appendf(nil, `%s{"custom_id":%s,"params":`, before, quote(item.ID)), bodies[i])
		before = "},"
	}
	body = append(body, []byte("}]}"))
	return s.askID(ctx, batchCall{
		at: at, method: http.MethodPost, path: batchPath(at), header: header, contentType: "application/json", body: body,
	})
}

// messageResults reads the results of a message batch. Where the batch says they are does not matter: the credential
// is for the service that is configured, and for no other that an answer names.
func (s *service) messageResults(ctx context.Context, at gateway.Endpoint, id string, each func(BatchResult) error) error {
	res, err := s.ask(ctx, batchCall{at: at, method: http.MethodGet, path: batchPath(at) + "/" + id + "/results"})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return readResults(res.Body, parseMessageResult, each)
}

// messageResult is a line of the results of a message batch.
type messageResult struct {
	CustomID string `json:"custom_id"`
	Result   struct {
		Type    string          `json:"type"`
		Message json.RawMessage `json:"message"` // of one that succeeded
		Error   json.RawMessage `json:"error"`   // of one that failed: the body of the error
	} `json:"result"`
}

func parseMessageResult(line []byte) (BatchResult, error) {
	var l messageResult
	if err := json.Unmarshal(line, &l); err != nil {
		return BatchResult{}, err
	}
	r := BatchResult{ID: l.CustomID, Fate: Answered, Header: http.Header{}}
	switch l.Result.Type {
	case "succeeded":
		r.Status, r.Body = http.StatusOK, l.Result.Message
	case "errored":
		r.Status, r.Body = messageStatus(anthropic.ErrorKind(l.Result.Error)), l.Result.Error
		if id := gjson.GetBytes(r.Body, "request_id").Str; id != "" {
			r.Header.Set("Request-Id", id)
		}
	case "canceled":
		r.Fate = Canceled
	case "expired":
		r.Fate = Expired
	default:
		return BatchResult{}, errors.New("it does not say in a known word what became of the item")
	}
	if r.ID == "" || r.Fate == Answered && !bytes.HasPrefix(r.Body, []byte("{")) {
		return BatchResult{}, errors.New("it has no custom_id, or no answer")
	}
	return r, nil
}

// messageStatus is the HTTP status that the Messages API gives to an error of a type.
func messageStatus(kind string) int {
	switch kind {
	case "invalid_request_error":
		return http.StatusBadRequest
	case "authentication_error":
		return http.StatusUnauthorized
	case "billing_error":
		return http.StatusPaymentRequired
	case "permission_error":
		return http.StatusForbidden
	case "not_found_error":
		return http.StatusNotFound
	case "request_too_large":
		return http.StatusRequestEntityTooLarge
	case "rate_limit_error":
		return http.StatusTooManyRequests
	case "timeout_error":
		return http.StatusGatewayTimeout
	case "overloaded_error":
		return anthropic.StatusOverloaded
	}
	return http.StatusInternalServerError
}
