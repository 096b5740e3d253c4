package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/translate"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// relay is a stream on its way from a backend to the client.
type relay struct {
	x     *exchange
	from  io.Reader
	tap   wire.Tap         // reads it in the backend's dialect and holds back its end
	stage translate.Stream // what it goes through then; nil where it passes unchanged
	watch *watch
	buf   []byte // what is read into
	told  []byte // what the stage makes of it
}

// stream relays an event stream: each read from the backend is one write to the client, at once, but for the event
// that completes the answer. That one waits until the outcome is on record. Until the first byte is here, another
// target may still do better.
func (x *exchange) stream(ctx, upstream context.Context, res *http.Response, watch *watch, begun func() bool) (*failure, error) {
	buf := x.s.buffer()
	defer x.s.buffers.Put(buf)
	r := &relay{x: x, from: res.Body, tap: x.call.format.NewTap(), stage: x.call.stage(), watch: watch, buf: *buf}
	n, err := r.firstRead()
	inTime := begun()
	if n == 0 || !inTime && errors.Is(context.Cause(upstream), errSlow) {
		return x.unbegun(ctx, upstream, err), nil
	}
	x.first = time.Now()
	passed := r.take(n)
	if kind := r.tap.Said().ErrorType; kind != "" && x.trip.More() {
		x.s.Health.Failed(x.call.target)
		return &failure{kind: "error", again: true, status: res.StatusCode, reason: "The backend began its answer with " + kind + ".", err: &gateway.Error{
			Code: gateway.BackendFailed, Message: fmt.Sprintf("The backend %q answered with %s. Nothing was charged. Try again.", x.call.target.Backend, kind),
		}}, nil
	}
	x.s.Metrics.Attempted(x.call.target.Backend, "answered")
	x.answerHeader(res.Header)
	x.client.Header().Set("X-Accel-Buffering", "no") // proxies between here and the client must not collect events
	x.client.Begin(res.StatusCode)
	left, err := r.pump(passed, err)
	watch.stop()
	r.end(ctx, upstream, res, left, err)
	return nil, nil
}

// unbegun is a stream that ended, or was given up, before its first byte.
func (x *exchange) unbegun(ctx, upstream context.Context, cause error) *failure {
	if ctx.Err() != nil {
		return x.left("The client left before the answer began.", false)
	}
	x.s.Health.Failed(x.call.target)
	if cause == nil {
		cause = io.ErrUnexpectedEOF
	}
	kind := "cut"
	if context.Cause(upstream) != nil {
		kind = "timeout"
	}
	return &failure{kind: kind, again: true, status: http.StatusOK, reason: "The backend broke off before the first byte of its answer.", err: x.broken(upstream, cause)}
}

// firstRead reads until there is a byte or an error.
func (r *relay) firstRead() (n int, err error) {
	for n == 0 && err == nil {
		n, err = r.from.Read(r.buf)
	}
	return n, err
}

// take notes the n bytes that were read and returns those of them that may go on.
func (r *relay) take(n int) []byte {
	r.x.tape.Write(r.buf[:n])
	return r.tap.Pass(r.buf[:n])
}

// pump relays until the stream ends, beginning with bytes that are here already and the error that came with them.
// left is the error of a write: the client is gone. err is why reading ended; nil at a clean end.
func (r *relay) pump(passed []byte, err error) (left, _ error) {
	for {
		out, stageErr := r.translated(passed)
		if left := r.watch.pass(out, r.stage != nil || r.tap.AtBoundary()); left != nil {
			return left, nil
		}
		switch {
		case stageErr != nil:
			return nil, stageErr
		case errors.Is(err, io.EOF), err != nil && r.tap.Finished(): // whatever follows the end is no part of the answer
			return nil, nil
		case err != nil:
			return nil, err
		case r.tap.Finished():
			r.watch.linger()
		}
		var n int
		n, err = r.from.Read(r.buf)
		passed = r.take(n)
	}
}

// translated is what the client is sent for bytes of the backend's.
func (r *relay) translated(p []byte) ([]byte, error) {
	if r.stage == nil || len(p) == 0 {
		return p, nil
	}
	var err error
	r.told, err = r.stage.Next(r.told[:0], p)
	return r.told, err
}

// end puts the outcome on record and then ends the client's stream: with the event that was held back, or with an
// error.
func (r *relay) end(ctx, upstream context.Context, res *http.Response, left, err error) {
	x, said := r.x, r.tap.Said()
	out := x.outcome()
	out.UpstreamID, out.HTTPStatus, out.StopReason = backend.UpstreamID(res.Header), res.StatusCode, said.StopReason
	var last []byte // what the client is given once the outcome is on record
	if err == nil && r.tap.Finished() {
		last, err = r.translated(r.tap.Held())
	}
	switch {
	case said.ErrorType != "" && !x.call.translated: // the client has been told, and may have left because of it
		out.Status, out.Error = gateway.Failed, "The backend ended its answer with "+said.ErrorType+"."
		last = nil
		x.s.Health.Failed(x.call.target)
	case left != nil || ctx.Err() != nil:
		out.Status, out.Error = gateway.Cancelled, "The client left."
	case err == nil && r.tap.Finished():
		out.Status = gateway.Completed
		x.s.Health.Succeeded(x.call.target) // not before: a backend may begin every answer and end none
	default:
		if err == nil {
			err = io.ErrUnexpectedEOF // it ended, but not with its final event
		}
		failure := x.broken(upstream, err)
		out.Status, out.Error = gateway.Failed, failure.Message
		if _, told := errors.AsType[*gateway.Error](err); told {
			// The backend's words may quote the prompt: they are in the body on record, and nowhere else.
			err, out.Error = nil, "The backend ended its answer with an error, or with what cannot be translated."
		}
		if last = x.format.ErrorEvent(failure, x.intent.ID.String()); r.stage == nil {
			last = x.format.BreakOff(r.tap, failure, x.intent.ID.String())
		}
		x.s.Health.Failed(x.call.target)
		x.s.Log.Warn("a stream broke off", "request", x.intent.ID, "backend", x.call.target.Backend, "reason", out.Error, "error", err)
	}
	x.account(out, x.usage(said, said.Streamed, r.tap.Finished()))
	if failure := x.finish(ctx, out); failure != nil {
		last = x.format.ErrorEvent(gateway.AsError(failure), x.intent.ID.String())
	}
	if len(last) > 0 && out.Status != gateway.Cancelled {
		if err := x.client.Write(last); err != nil {
			x.s.Log.Debug("the client left before the end of its answer", "request", x.intent.ID, "error", err)
		}
	}
}
