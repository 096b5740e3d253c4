package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/translate"
)

// maxAnswer bounds an answer that is not streamed and so is held in memory as a whole.
const maxAnswer = 64 << 20

// whole relays an answer that is not a stream: a JSON answer, or an error in place of a stream.
func (x *exchange) whole(ctx, upstream context.Context, res *http.Response, watch *watch) (*failure, error) {
	x.first = time.Now()
	body, err := x.readAll(res.Body, watch)
	watch.stop()
	x.tape.Write(body)
	answer := x.call.format.ReadAnswer(body)
	switch {
	case ctx.Err() != nil:
		f := x.left("The client left before the answer was whole.", false)
		f.seen = int64(len(body))
		return f, nil
	case err != nil:
		x.s.Health.Failed(x.call.target)
		broken := x.broken(upstream, err)
		return &failure{kind: "cut", again: true, status: res.StatusCode, reason: "The backend broke off its answer.", err: broken}, nil
	case x.intent.Endpoint == gateway.CountTokens && lacksCounting(res.StatusCode):
		return nil, x.estimated(ctx, res)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return x.refused(res, body, answer), nil
	}
	return x.answered(ctx, res, body, answer)
}

// answered gives the client an answer.
func (x *exchange) answered(ctx context.Context, res *http.Response, body []byte, answer gateway.Answer) (*failure, error) {
	told := body
	if x.call.translated {
		var err error
		if told, err = x.tell(body); err != nil {
			return x.untold(res, gateway.AsError(err)), nil
		}
	}
	kind, _ := x.judge(res)
	x.s.Metrics.Attempted(x.call.target.Backend, kind)
	out := x.outcome()
	out.Status, out.HTTPStatus, out.StopReason, out.UpstreamID = gateway.Completed, res.StatusCode, answer.StopReason, backend.UpstreamID(res.Header)
	x.account(out, x.usage(answer, int64(len(body)), true))
	if err := x.finish(ctx, out); err != nil {
		return nil, err
	}
	x.answerHeader(res.Header)
	if x.call.translated {
		x.client.Header().Set("Content-Type", "application/json")
	}
	x.write(res.StatusCode, told)
	return nil, nil
}

// tell is the answer in the client's dialect. The error is a *gateway.Error.
func (x *exchange) tell(body []byte) ([]byte, error) {
	if x.scan.Stream {
		return nil, &gateway.Error{Code: gateway.BackendFailed, Message: fmt.Sprintf(
			"The backend %q did not stream its answer, as was asked for. Nothing was charged. Try again; if it stays, tell the gateway's operator.", x.call.target.Backend)}
	}
	return translate.Whole(x.call.endpoint.Dialect(), body, x.call.reply)
}

// untold is an attempt whose answer cannot be told in the client's dialect. Where that is the request's own doing,
// another target would do no better, and the backend is not to blame.
func (x *exchange) untold(res *http.Response, reason *gateway.Error) *failure {
	if !reason.NoRetry {
		x.s.Health.Failed(x.call.target)
	}
	return &failure{kind: "error", again: !reason.NoRetry, status: res.StatusCode, reason: "The backend's answer cannot be translated.", err: reason}
}

// refused is an attempt that the backend answered with an error.
func (x *exchange) refused(res *http.Response, body []byte, answer gateway.Answer) *failure {
	kind, again := x.judge(res)
	f := &failure{
		kind: kind, again: again, status: res.StatusCode, header: res.Header, body: body,
		reason: strings.TrimSpace(fmt.Sprintf("The backend answered %d %s", res.StatusCode, answer.ErrorType)),
	}
	switch {
	case res.StatusCode == http.StatusUnauthorized && !x.call.backend.WantsLogin():
		f.reason = "The backend refused the gateway's credential."
		f.err = &gateway.Error{
			Code: gateway.BackendFailed, NoRetry: true,
			Message: fmt.Sprintf("The backend %q refused the gateway's own credential; yours is fine. Nothing was charged. Tell the gateway's operator.", x.call.target.Backend),
		}
	case res.StatusCode == http.StatusBadRequest && x.learns(body):
		x.trip.Again(x.call.target)
		f.again = true
	}
	return f
}

// learns has the backend learn from a refusal what it must leave out.
func (x *exchange) learns(answer []byte) bool {
	learning := x.outgoing()
	defer learning.Body.Release()
	return x.call.backend.Learn(learning, answer)
}

// estimated answers a request to count tokens whose backend cannot.
func (x *exchange) estimated(ctx context.Context, res *http.Response) error {
	out := x.outcome()
	out.Status, out.HTTPStatus, out.UpstreamID = gateway.Completed, http.StatusOK, backend.UpstreamID(res.Header)
	out.Error = "The backend does not count tokens; the gateway estimated them."
	if err := x.finish(ctx, out); err != nil {
		return err
	}
	x.answerHeader(res.Header)
	x.client.Header().Set("Content-Type", "application/json")
	x.write(http.StatusOK, estimate(len(x.req.Body.Bytes())))
	return nil
}

// readAll reads an answer to its end.
func (x *exchange) readAll(r io.Reader, watch *watch) ([]byte, error) {
	var body []byte
	buf := x.s.buffer()
	defer x.s.buffers.Put(buf)
	for {
		n, err := r.Read(*buf)
		body = append(body, (*buf)[:n]...)
		watch.heard()
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return body, err
		case len(body) > maxAnswer:
			return body, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
		}
	}
}

// lacksCounting reports whether a backend's status says that it has no such endpoint.
func lacksCounting(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}
