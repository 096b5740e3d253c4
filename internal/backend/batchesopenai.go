package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// submitFile uploads the items as a file and makes a batch of it. Where the second step fails, the file stays with the
// service, and no item is run.
func (s *service) submitFile(ctx context.Context, at gateway.Endpoint, header http.Header, items []BatchItem, bodies [][]byte) (id string, err error) {
	form, contentType, err := newForm(at, items, bodies)
	if err != nil {
		return "", err
	}
	file, err := s.askID(ctx, batchCall{
		at: at, method: http.MethodPost, path: "/v1/files", header: header, contentType: contentType, body: form,
	})
	if err != nil {
		return "", fmt.Errorf("its file: %w", err)
	}
	order := fmt.Appendf(nil, `{"input_file_id":%s,"endpoint":%s,"completion_window":"24h"}`, quote(file), quote(at.Path()))
	return s.askID(ctx, batchCall{
		at: at, method: http.MethodPost, path: batchPath(at), header: header, contentType: "application/json", body: net.Buffers{order},
	})
}

// newForm is the form that an input file is uploaded with. The items go out from where they are.
func newForm(at gateway.Endpoint, items []BatchItem, bodies [][]byte) (form net.Buffers, contentType string, err error) {
	var edge bytes.Buffer // writing to it cannot fail
	w := multipart.NewWriter(&edge)
	_ = w.WriteField("purpose", "batch")
	_, _ = w.CreateFormFile("file", "batch.jsonl")
	head := bytes.Clone(edge.Bytes())
	edge.Reset()
	_ = w.Close()

	form = append(form, head)
	for i, item := range items {
		body, err := onOneLine(bodies[i])
		if err != nil {
			return nil, "", fmt.Errorf("item %s: %w", item.ID, err)
		}
		form = append(form, fmt.Appendf(nil, `{"custom_id":%s,"method":"POST","url":%s,"body":`, quote(item.ID), quote(at.Path())), body, []byte("}\n"))
	}
	return append(form, edge.Bytes()), w.FormDataContentType(), nil
}

// onOneLine is JSON without line breaks.
func onOneLine(body []byte) ([]byte, error) {
	if bytes.IndexByte(body, '\n') < 0 && bytes.IndexByte(body, '\r') < 0 {
		return body, nil
	}
	var line bytes.Buffer
	err := json.Compact(&line, body)
	return line.Bytes(), err
}

// fileResults reads the results of a batch: the file of the items that succeeded, then that of the others.
func (s *service) fileResults(ctx context.Context, at gateway.Endpoint, id string, each func(BatchResult) error) error {
	object, err := s.batch(ctx, at, id)
	if err != nil {
		return err
	}
	output := object.Get("output_file_id").Str
	switch {
	case !hasEnded(at, object):
		return errors.New("the batch has not ended")
	case batchStatus(at, object) == "failed":
		return newInputError(object)
	case output == "" && object.Get("request_counts.completed").Int() > 0:
		return errors.New("the batch has results, but names no file of them")
	}
	for _, file := range [...]string{output, object.Get("error_file_id").Str} {
		if err := s.readFile(ctx, at, file, each); err != nil {
			return fmt.Errorf("file %s: %w", file, err)
		}
	}
	return nil
}

// readFile reads a file of results; "" is none.
func (s *service) readFile(ctx context.Context, at gateway.Endpoint, file string, each func(BatchResult) error) error {
	if file == "" {
		return nil
	}
	if err := checkID(file); err != nil {
		return err
	}
	res, err := s.ask(ctx, batchCall{at: at, method: http.MethodGet, path: "/v1/files/" + file + "/content"})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return readResults(res.Body, parseFileResult, each)
}

// newInputError is the refusal of a batch whose input the service found fault with after it had made the batch. An
// account that has too much waiting already is told so in this way, too.
func newInputError(object gjson.Result) *BatchError {
	mistakes := object.Get("errors.data").Array()
	e := &BatchError{Status: http.StatusBadRequest, Header: http.Header{}}
	var said []string
	for _, m := range mistakes[:min(len(mistakes), 5)] {
		text := m.Get("message").Str
		if line := m.Get("line").Int(); line > 0 {
			text = fmt.Sprintf("line %d: %s", line, text)
		}
		said = append(said, text)
	}
	e.Message = strings.Join(said, "\n")
	if len(mistakes) > 0 {
		e.Kind = mistakes[0].Get("code").Str
	}
	if e.Kind == "token_limit_exceeded" {
		e.Status = http.StatusTooManyRequests
	}
	return e
}

// fileResult is a line of a file of results.
type fileResult struct {
	CustomID string `json:"custom_id"`
	Response *struct {
		StatusCode int             `json:"status_code"`
		RequestID  string          `json:"request_id"`
		Body       json.RawMessage `json:"body"`
	} `json:"response"`
	Error *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"` // of an item that has no response
}

func parseFileResult(line []byte) (BatchResult, error) {
	var l fileResult
	if err := json.Unmarshal(line, &l); err != nil {
		return BatchResult{}, err
	}
	r := BatchResult{ID: l.CustomID, Fate: Answered, Header: http.Header{}}
	switch {
	case r.ID == "":
		return BatchResult{}, errors.New("it has no custom_id")
	case l.Response != nil:
		r.Status, r.Body = l.Response.StatusCode, l.Response.Body
		if l.Response.RequestID != "" {
			r.Header.Set("X-Request-Id", l.Response.RequestID)
		}
		if r.Status < 200 || r.Status > 599 || r.Status < 300 && !bytes.HasPrefix(r.Body, []byte("{")) {
			return BatchResult{}, errors.New("its response has no status, or no answer")
		}
	case l.Error == nil:
		return BatchResult{}, errors.New("it has neither a response nor an error")
	case l.Error.Code == "batch_expired":
		r.Fate = Expired
	case l.Error.Code == "batch_cancelled":
		r.Fate = Canceled
	default: // the service failed at it
		r.Status = http.StatusInternalServerError
		r.Body = fmt.Appendf(nil, `{"error":{"message":%s,"type":"server_error","param":null,"code":%s}}`, quote(l.Error.Message), quote(l.Error.Code))
	}
	return r, nil
}
