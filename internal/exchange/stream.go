package exchange

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// stream relays an event stream: each read from the backend is one write to the client, unchanged and at once, but
// for the event that completes the answer. That one waits until the outcome is on record.
func (x *exchange) stream(ctx, upstream context.Context, res *http.Response, watch *watch) {
	tap := anthropic.NewTap()
	out := x.outcome()
	out.UpstreamID, out.HTTPStatus = backend.UpstreamID(res.Header), res.StatusCode
	x.client.Header().Set("X-Accel-Buffering", "no") // proxies between here and the client must not collect events
	x.client.Begin(res.StatusCode)

	left, err := x.pump(res.Body, tap, watch, out)
	watch.stop()
	out.StopReason, out.Body = tap.StopReason, x.tape.Body()
	var last []byte // what the client is given once the outcome is on record
	switch {
	case left != nil || ctx.Err() != nil:
		out.Status, out.Error = gateway.Cancelled, "The client left."
	case tap.Finished():
		out.Status = gateway.Completed
		last = tap.Held()
	case tap.ErrorType != "":
		out.Status, out.Error = gateway.Failed, "The backend ended its answer with "+tap.ErrorType+"."
		last = tap.Held()
	default:
		failure := x.broken(upstream, err)
		out.Status, out.Error = gateway.Failed, failure.Message
		last = anthropic.ErrorEvent(failure, x.intent.ID.String())
		if !tap.AtBoundary() {
			// An event was cut. End its line but not its block: our event line then replaces its type, so that no
			// client takes the half event for a whole one.
			last = append([]byte("\n"), last...)
		}
		x.s.Log.Warn("a stream broke off", "request", x.intent.ID, "backend", x.intent.Target.Backend, "error", err)
	}
	out.Usage = x.usage(tap.Answer, tap.Streamed, tap.Finished())
	out.Charge = x.charge(out.Usage)
	if out.FirstByteAt.IsZero() && out.Status == gateway.Failed {
		out.Usage, out.Charge = gateway.Usage{}, gateway.Charge{}
	}
	if failure := x.finish(ctx, out); failure != nil {
		last = anthropic.ErrorEvent(gateway.AsError(failure), x.intent.ID.String())
	}
	if len(last) > 0 && out.Status != gateway.Cancelled {
		if err := x.client.Write(last); err != nil {
			x.s.Log.Debug("the client left before the end of its answer", "request", x.intent.ID, "error", err)
		}
	}
}

// pump copies until the stream ends. left is the error of a write: the client is gone. err is why reading ended;
// nil at a clean end.
func (x *exchange) pump(from io.Reader, tap *anthropic.Tap, watch *watch, out *gateway.Outcome) (left, err error) {
	buf := x.s.buffer()
	defer x.s.buffers.Put(buf)
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			if out.FirstByteAt.IsZero() {
				out.FirstByteAt = time.Now()
			}
			x.tape.Write((*buf)[:n])
			if left := watch.pass(tap.Pass((*buf)[:n]), tap.AtBoundary()); left != nil {
				return left, nil
			}
			if tap.Finished() {
				watch.linger()
			}
		}
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
