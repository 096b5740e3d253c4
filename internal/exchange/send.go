package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// maxAnswer bounds an answer that is not streamed and so is held in memory as a whole.
const maxAnswer = 64 << 20

var errIdle = errors.New("the backend fell silent")

// send sends the request, which is on record, and relays the answer.
func (x *exchange) send(ctx context.Context) error {
	upstream, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	res, err := x.s.Backends[x.intent.Target.Backend].Send(upstream, backend.Call{
		ID: x.intent.ID.String(), Path: x.req.Path, Query: x.req.Query, Header: x.req.Header, Body: x.req.Body.Hold(),
	})
	if err != nil {
		return x.unanswered(ctx, err)
	}
	defer res.Body.Close()
	backend.CopyResponseHeader(x.client.Header(), res.Header)
	x.tape = x.s.Compressor.Tape()
	watch := newWatch(x.client, x.s.Options, func() { cancel(errIdle) })
	defer watch.stop()
	if res.StatusCode == http.StatusOK && strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		x.stream(ctx, upstream, res, watch)
		return nil
	}
	return x.whole(ctx, upstream, res, watch)
}

// unanswered ends a request to which no answer began.
func (x *exchange) unanswered(ctx context.Context, cause error) error {
	out := x.outcome()
	if ctx.Err() != nil {
		out.Status, out.Error = gateway.Cancelled, "The client left before the backend answered."
		out.Usage, out.Charge = x.estimate(0), x.intent.Charge
	} else {
		out.Status, out.Error = gateway.Failed, "The backend did not answer."
	}
	failure := &gateway.Error{
		Code: gateway.BackendFailed, Cause: cause,
		Message: fmt.Sprintf("The backend %q cannot be reached. Nothing was charged. Try again in a moment; if it stays, tell the gateway's operator.", x.intent.Target.Backend),
	}
	if timeout, ok := errors.AsType[net.Error](cause); ok && timeout.Timeout() {
		failure.Code = gateway.BackendTimeout
		failure.Message = fmt.Sprintf("The backend %q did not answer in time. Nothing was charged. Try again, or ask for a shorter answer.", x.intent.Target.Backend)
	}
	return x.fail(ctx, out, failure)
}

// whole relays an answer that is not a stream: a JSON answer, or an error in place of a stream.
func (x *exchange) whole(ctx, upstream context.Context, res *http.Response, watch *watch) error {
	body, err := x.readAll(res.Body, watch)
	watch.stop()
	x.tape.Write(body)
	out := x.outcome()
	out.UpstreamID, out.HTTPStatus, out.Body = backend.UpstreamID(res.Header), res.StatusCode, x.tape.Body()
	answer := anthropic.ReadAnswer(body)
	switch {
	case ctx.Err() != nil:
		out.Status, out.Error = gateway.Cancelled, "The client left before the answer was whole."
		out.Usage, out.Charge = x.estimate(int64(len(body))), x.intent.Charge
		return x.fail(ctx, out, &gateway.Error{Code: gateway.Internal, Cause: ctx.Err()})
	case err != nil:
		out.Status, out.Error = gateway.Failed, "The backend broke off its answer."
		return x.fail(ctx, out, x.broken(upstream, err))
	case x.intent.Endpoint == gateway.CountTokens && lacksCounting(res.StatusCode):
		body = fmt.Appendf(nil, `{"input_tokens":%d}`, gateway.EstimateTokens(len(x.req.Body.Bytes())))
		x.client.Header().Set("Content-Type", "application/json")
		out.Status, out.HTTPStatus, out.Error = gateway.Completed, http.StatusOK, "The backend does not count tokens; the gateway estimated them."
	case res.StatusCode == http.StatusUnauthorized:
		out.Status, out.Error = gateway.Failed, "The backend refused the gateway's credential."
		return x.fail(ctx, out, &gateway.Error{
			Code: gateway.BackendFailed, NoRetry: true,
			Message: fmt.Sprintf("The backend %q refused the gateway's own credential; yours is fine. Nothing was charged. Tell the gateway's operator.", x.intent.Target.Backend),
		})
	case res.StatusCode < 200 || res.StatusCode > 299:
		out.Status, out.Error = gateway.Failed, strings.TrimSpace(fmt.Sprintf("The backend answered %d %s", res.StatusCode, answer.ErrorType))
	default:
		out.Status, out.StopReason = gateway.Completed, answer.StopReason
		out.Usage = x.usage(answer, int64(len(body)), true)
		out.Charge = x.charge(out.Usage)
	}
	if err := x.finish(ctx, out); err != nil {
		return err
	}
	x.client.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.client.Begin(out.HTTPStatus)
	if err := x.client.Write(body); err != nil {
		x.s.Log.Debug("the client left while it was given the answer", "request", x.intent.ID, "error", err)
	}
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

// broken is what a client is told of an answer that ended too early.
func (x *exchange) broken(upstream context.Context, cause error) *gateway.Error {
	if errors.Is(context.Cause(upstream), errIdle) {
		return &gateway.Error{
			Code: gateway.BackendTimeout, Cause: cause,
			Message: fmt.Sprintf("The backend %q sent nothing for %s, so its answer was given up. Try again.", x.intent.Target.Backend, x.s.IdleTimeout.Round(time.Second)),
		}
	}
	return &gateway.Error{
		Code: gateway.BackendFailed, Cause: cause,
		Message: fmt.Sprintf("The backend %q broke off in the midst of its answer. What you have is not the whole answer. Try again.", x.intent.Target.Backend),
	}
}
