package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// Batches is the batch API that a service has of its own. The backends of services of kind http have it; whether there
// is one behind it is known when it is asked. It is of the dialect of the endpoint at which every item is a request.
//
// What the service answers with a status other than 2xx is a *BatchError in the chain. Any other error leaves open what
// the service did. Nothing is asked twice, and how long an answer may take is for ctx to say.
type Batches interface {
	// SubmitBatch hands items to the service and returns the service's id of the batch. h is the client's header that
	// goes with each item. The items, one at least, are of one model; their bodies must not change afterwards, for the
	// transport may still be reading them. Every error but a *BatchError of a status below 500 leaves open whether
	// there is a batch.
	SubmitBatch(ctx context.Context, at gateway.Endpoint, h http.Header, items []BatchItem) (id string, err error)
	// BatchEnded reports whether the service has done with every item.
	BatchEnded(ctx context.Context, at gateway.Endpoint, id string) (bool, error)
	// BatchResults hands over the result of each item that has one, in the service's order, a line in memory at a time.
	// An item of a batch that was cancelled may have none. An error of each ends it and is in the chain; so is a
	// *BatchError where the service refused the whole batch after it had taken it. Unless the error is nil, there may be
	// more results than were handed over. What the service keeps of the batch, its files too, stays there.
	BatchResults(ctx context.Context, at gateway.Endpoint, id string, each func(BatchResult) error) error
	// CancelBatch asks the service to start no more items of the batch. One that has ended it refuses to cancel.
	CancelBatch(ctx context.Context, at gateway.Endpoint, id string) error
}

// BatchItem is a request of a batch.
type BatchItem struct {
	ID   string // ours; the service gives it back with the result
	Body []byte // well-formed JSON, as the endpoint would be sent it
}

// BatchFate is what became of an item at the service.
type BatchFate string

// The fates of items.
const (
	Answered BatchFate = "answered" // also with an error
	Canceled BatchFate = "canceled" // with its batch, before it was run
	Expired  BatchFate = "expired"  // its batch's time was over before it was run
)

// BatchResult is the result of an item. It is the receiver's to keep.
type BatchResult struct {
	ID     string // the item's
	Fate   BatchFate
	Status int         // that the endpoint would have answered with; 0 unless it is Answered, as is what follows
	Header http.Header // with the service's own id of the request, where it names one
	Body   []byte      // that the endpoint would have answered with
}

// BatchError is a refusal of the batch API.
type BatchError struct {
	Status  int         // of HTTP
	Kind    string      // in the service's word: "rate_limit_error"; "" if it gave none
	Header  http.Header // of the answer: it may say when to try again
	Message string      // the service's; for the owner of the items, since it may quote them, and not for a log
}

func (e *BatchError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the batch API refused with the status %d %s", e.Status, e.Kind))
}

// maxResult bounds one line of results.
const maxResult = 64 << 20

// SubmitBatch implements Batches.
func (s *service) SubmitBatch(ctx context.Context, at gateway.Endpoint, h http.Header, items []BatchItem) (id string, err error) {
	header, bodies := s.batchItems(at, h, items)
	if at.Dialect() == gateway.Anthropic {
		id, err = s.submitMessages(ctx, at, header, items, bodies)
	} else {
		id, err = s.submitFile(ctx, at, header, items, bodies)
	}
	if err != nil {
		return "", fmt.Errorf("backend %s: a batch of %d items: %w", s.name, len(items), err)
	}
	return id, nil
}

// BatchEnded implements Batches.
func (s *service) BatchEnded(ctx context.Context, at gateway.Endpoint, id string) (bool, error) {
	object, err := s.batch(ctx, at, id)
	if err != nil {
		return false, fmt.Errorf("backend %s: batch %s: %w", s.name, id, err)
	}
	return hasEnded(at, object), nil
}

// BatchResults implements Batches.
func (s *service) BatchResults(ctx context.Context, at gateway.Endpoint, id string, each func(BatchResult) error) error {
	read := s.fileResults
	if at.Dialect() == gateway.Anthropic {
		read = s.messageResults
	}
	if err := read(ctx, at, id, each); err != nil {
		return fmt.Errorf("backend %s: the results of batch %s: %w", s.name, id, err)
	}
	return nil
}

// CancelBatch implements Batches.
func (s *service) CancelBatch(ctx context.Context, at gateway.Endpoint, id string) error {
	if _, err := s.askObject(ctx, batchCall{at: at, method: http.MethodPost, path: batchPath(at) + "/" + id + "/cancel"}); err != nil {
		return fmt.Errorf("backend %s: cancelling batch %s: %w", s.name, id, err)
	}
	return nil
}

// batchPath is where a service has its batches.
func batchPath(at gateway.Endpoint) string {
	if at.Dialect() == gateway.Anthropic {
		return "/v1/messages/batches"
	}
	return "/v1/batches"
}

// batch is the service's object of a batch. It says how far the batch has come.
func (s *service) batch(ctx context.Context, at gateway.Endpoint, id string) (gjson.Result, error) {
	object, err := s.askObject(ctx, batchCall{at: at, method: http.MethodGet, path: batchPath(at) + "/" + id})
	if err == nil && batchStatus(at, object) == "" {
		err = errors.New("the answer does not say how far the batch has come")
	}
	return object, err
}

func batchStatus(at gateway.Endpoint, object gjson.Result) string {
	if at.Dialect() == gateway.Anthropic {
		return object.Get("processing_status").Str
	}
	return object.Get("status").Str
}

func hasEnded(at gateway.Endpoint, object gjson.Result) bool {
	switch batchStatus(at, object) {
	case "ended": // at Anthropic
		return true
	case "completed", "failed", "expired", "cancelled":
		return true
	}
	return false
}

// batchItems are the header of a batch and the bodies of its items as they go to the service: what the backend refuses
// of the first one's model is left out of all, and so is what asks for a stream, which a batch cannot give.
func (s *service) batchItems(at gateway.Endpoint, h http.Header, items []BatchItem) (header http.Header, bodies [][]byte) {
	bodies = make([][]byte, len(items))
	for i, item := range items {
		c := Call{Endpoint: at, Header: h, Model: gjson.GetBytes(items[0].Body, "model").Str, Body: NewBody(item.Body)}
		var gone []string
		header, gone = s.batchHeader(c)
		bodies[i] = c.Body.edit(append(gone, "stream", "stream_options"), "").Bytes()
	}
	return header, bodies
}

// batchHeader is the header that a call's batch goes with, and the paths of the fields to leave out of the call's body.
func (s *service) batchHeader(c Call) (header http.Header, gone []string) {
	header = requestHeader(c)
	header.Del("X-Gateway-Request-Id") // a batch is many requests
	header.Del("Content-Type")         // and its body is no item's
	gone = s.leaveOut(c, header)
	s.putIn(c, header)
	return header, gone
}

// batchCall is one request to the batch API.
type batchCall struct {
	at          gateway.Endpoint
	method      string
	path        string
	header      http.Header // nil for one that goes with no client's
	contentType string
	body        net.Buffers // nil if it has none
}

// ask makes a request and returns its answer, a 2xx, whose body the caller closes.
func (s *service) ask(ctx context.Context, c batchCall) (*http.Response, error) {
	if _, own := s.credential.(callers); own {
		return nil, errors.New("a service that is reached with each caller's own login takes no batches; leave batch out of its route, or give the backend a credential of its own")
	}
	if c.header == nil {
		c.header, _ = s.batchHeader(Call{Endpoint: c.at, Body: NewBody(nil)})
	}
	if err := s.credential.Authorize(c.header, nil); err != nil {
		return nil, err
	}
	target := *s.base
	target.Path += c.path
	req := &http.Request{
		Method: c.method, URL: &target, Host: target.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: c.header,
	}
	if c.body != nil {
		c.header.Set("Content-Type", c.contentType)
		for _, piece := range c.body {
			req.ContentLength += int64(len(piece))
		}
		req.Body = io.NopCloser(&c.body)
	}
	res, err := s.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, newBatchError(c.at, res)
	}
	return res, nil
}

// askObject makes a request that is answered with a JSON object. Of anything else that is JSON the object has no members.
func (s *service) askObject(ctx context.Context, c batchCall) (gjson.Result, error) {
	res, err := s.ask(ctx, c)
	if err != nil {
		return gjson.Result{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxError))
	if err != nil {
		return gjson.Result{}, err
	}
	if !gjson.ValidBytes(body) {
		return gjson.Result{}, fmt.Errorf("the answer, of the status %d, is no JSON", res.StatusCode)
	}
	return gjson.ParseBytes(body), nil
}

// askID makes a request that makes something at the service, and returns the id of that.
func (s *service) askID(ctx context.Context, c batchCall) (string, error) {
	made, err := s.askObject(ctx, c)
	if err != nil {
		return "", err
	}
	id := made.Get("id").Str
	if id == "" {
		return "", errors.New("the answer names no id")
	}
	return id, checkID(id)
}

// checkID checks an id of the service's: it becomes a part of paths, and must not lead to another.
func checkID(id string) error {
	if url.PathEscape(id) != id || strings.Trim(id, ".") == "" {
		return errors.New("the answer names an id that does not fit into a path")
	}
	return nil
}

func newBatchError(at gateway.Endpoint, res *http.Response) *BatchError {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxError)) // an error that is cut is told as far as it came
	f := readFailure(res.StatusCode, "", body)
	kind := openai.ErrorKind(body)
	if at.Dialect() == gateway.Anthropic {
		kind = anthropic.ErrorKind(body)
	}
	return &BatchError{Status: res.StatusCode, Kind: kind, Header: res.Header, Message: f.message}
}

// readResults hands over the results that stand in lines. A line that is not understood is an error, since the item
// it belongs to would be lost otherwise.
func readResults(lines io.Reader, parse func(line []byte) (BatchResult, error), each func(BatchResult) error) error {
	split := openai.NewLines(maxResult, openai.Position{}, func(n int, line []byte) error {
		r, err := parse(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		return each(r)
	})
	_, err := io.Copy(split, lines)
	if err == nil {
		err = split.Close()
	}
	if long, ok := errors.AsType[*openai.LineTooLong](err); ok {
		return fmt.Errorf("line %d: longer than %d bytes", long.Line, maxResult)
	}
	return err
}
