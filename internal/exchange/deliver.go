package exchange

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/routing"
)

var (
	errIdle = errors.New("the backend fell silent")
	errSlow = errors.New("the backend did not begin its answer in time")
)

// deliver sends the request, which is on record, to one target after the other until one answers it, and relays the
// answer.
func (x *exchange) deliver(ctx context.Context) error {
	for {
		failed, err := x.attempt(ctx)
		if failed == nil {
			return err
		}
		x.s.Metrics.Attempted(x.call.target.Backend, failed.kind)
		if !x.next(ctx, failed) {
			return x.report(ctx, failed)
		}
		x.s.Log.Info("sent again", "request", x.intent.ID, "attempt", x.sent+1, "backend", x.call.target.Backend, "after", failed.reason)
	}
}

// next makes the call for the next target and puts it on record; false if there is none, or it cannot be.
func (x *exchange) next(ctx context.Context, failed *failure) bool {
	// Without a lease others may have closed the request already.
	if !failed.again || !x.s.Lease.Valid() {
		return false
	}
	present := x.call
	if found, _ := x.take(ctx); !found {
		return false
	}
	if err := x.recordAttempt(ctx, failed.status, failed.reason); err != nil {
		x.s.Log.Warn("an attempt cannot be put on record, so it is not made", "request", x.intent.ID, "backend", x.call.target.Backend, "error", err)
		x.call = present
		return false
	}
	return true
}

// pause waits; false if the client left meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt sends the present call once. It answers a failure where the client has been given nothing; else the answer
// has been relayed, and error is Serve's.
func (x *exchange) attempt(ctx context.Context) (*failure, error) {
	c := &x.call
	x.sent++
	x.tape, x.first = nil, time.Time{}
	if err := c.backend.Gate.Enter(ctx); err != nil {
		return x.kept(ctx, err), nil
	}
	defer c.backend.Gate.Leave()
	upstream, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begun := x.hurry(func() { cancel(errSlow) })
	defer begun()
	res, err := c.backend.Send(upstream, x.outgoing())
	if err != nil {
		return x.unanswered(ctx, upstream, err), nil
	}
	defer res.Body.Close()
	x.tape = x.s.Compressor.Tape()
	watch := newWatch(x.client, x.format.Ping, x.s.Options, func() { cancel(errIdle) })
	defer watch.stop()
	if res.StatusCode == http.StatusOK && strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return x.stream(ctx, upstream, res, watch, begun)
	}
	begun()
	return x.whole(ctx, upstream, res, watch)
}

// hurry bounds the wait for a streamed answer to begin, where another target could give it instead. begun ends the
// wait, and reports whether it was in time.
func (x *exchange) hurry(giveUp func()) (begun func() bool) {
	if !x.scan.Stream || !x.trip.More() {
		return func() bool { return true } // the backend's own timeouts hold
	}
	return time.AfterFunc(x.s.FirstByteTimeout, giveUp).Stop
}

// kept is an attempt that did not get a place at its backend.
func (x *exchange) kept(ctx context.Context, err error) *failure {
	if !errors.Is(err, routing.ErrBusy) {
		return x.left("The client left before its turn came.", x.sent == 1)
	}
	return &failure{
		kind: "busy", again: true, reason: "The backend had as many requests as it may.",
		err: &gateway.Error{
			Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Cause: errors.Join(err, ctx.Err()),
			Message: fmt.Sprintf("The backend %q has as many requests as it may. Nothing was charged. Try again in a few seconds.", x.call.target.Backend),
		},
	}
}

// unanswered is an attempt to which no answer began.
func (x *exchange) unanswered(ctx, upstream context.Context, cause error) *failure {
	if ctx.Err() != nil {
		return x.left("The client left before the backend answered.", false)
	}
	// The backend may refuse to send at all: without the caller's own login, for one. That is the caller's to mend.
	if refused, ok := errors.AsType[*gateway.Error](cause); ok {
		return &failure{kind: "unsent", err: refused, reason: refused.Message}
	}
	x.s.Health.Failed(x.call.target)
	if timeout, ok := errors.AsType[net.Error](cause); ok && timeout.Timeout() || errors.Is(context.Cause(upstream), errSlow) {
		return &failure{
			kind: "timeout", again: true, reason: "The backend did not answer in time.",
			err: &gateway.Error{
				Code: gateway.BackendTimeout, Cause: cause,
				Message: fmt.Sprintf("The backend %q did not answer in time. Nothing was charged. Try again, or ask for a shorter answer.", x.call.target.Backend),
			},
		}
	}
	return &failure{
		kind: "unreachable", again: true, reason: "The backend did not answer.",
		err: &gateway.Error{
			Code: gateway.BackendFailed, Cause: cause,
			Message: fmt.Sprintf("The backend %q cannot be reached. Nothing was charged. Try again in a moment; if it stays, tell the gateway's operator.", x.call.target.Backend),
		},
	}
}

// broken is what is told of an answer that ended too early.
func (x *exchange) broken(upstream context.Context, cause error) *gateway.Error {
	if failure, ok := errors.AsType[*gateway.Error](cause); ok {
		return failure // the backend's own error event, translated
	}
	if silence := context.Cause(upstream); errors.Is(silence, errIdle) || errors.Is(silence, errSlow) {
		limit := x.s.IdleTimeout
		if errors.Is(silence, errSlow) {
			limit = x.s.FirstByteTimeout
		}
		return &gateway.Error{
			Code: gateway.BackendTimeout, Cause: cause,
			Message: fmt.Sprintf("The backend %q sent nothing for %s, so its answer was given up. Try again.", x.call.target.Backend, limit.Round(time.Second)),
		}
	}
	return &gateway.Error{
		Code: gateway.BackendFailed, Cause: cause,
		Message: fmt.Sprintf("The backend %q broke off in the midst of its answer. What you have is not the whole answer. Try again.", x.call.target.Backend),
	}
}
