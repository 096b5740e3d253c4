package exchange

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/translate"
)

// failure is an attempt that gave the client nothing.
type failure struct {
	kind   string // for the metric
	reason string // for the record
	again  bool   // another target, or another time, may do better
	left   bool   // it is the client that left
	unsent bool   // nothing was sent at all
	seen   int64  // bytes of an answer that came nevertheless

	err *gateway.Error // what the client is told; nil where it is given the backend's own error:

	status int // 0 if the backend answered nothing
	header http.Header
	body   []byte
}

// left is an attempt whose client is gone.
func (x *exchange) left(reason string, unsent bool) *failure {
	return &failure{
		kind: "cancelled", reason: reason, left: true, unsent: unsent,
		err: &gateway.Error{Code: gateway.Internal, Cause: context.Canceled, Message: reason},
	}
}

// report ends a request that no target answered: it is put on record, and its client told what the last target said.
func (x *exchange) report(ctx context.Context, f *failure) error {
	out := x.outcome()
	out.Status, out.Error, out.HTTPStatus = gateway.Failed, f.reason, f.status
	if f.left {
		out.Status = gateway.Cancelled
		if !f.unsent {
			x.account(out, x.estimate(f.seen))
			out.Charge = x.intent.Charge
		}
	}
	if err := x.finish(ctx, out); err != nil {
		return err
	}
	if f.err != nil {
		x.modelHeader()
		return f.err
	}
	x.answerHeader(f.header)
	x.write(f.status, x.errorBody(f))
	return nil
}

// errorBody is a backend's error in the client's dialect.
func (x *exchange) errorBody(f *failure) []byte {
	if !x.call.translated {
		return f.body
	}
	x.client.Header().Set("Content-Type", "application/json")
	return translate.Error(x.call.endpoint.Dialect(), f.status, f.body, x.intent.ID.String())
}

// write answers with a whole body.
func (x *exchange) write(status int, body []byte) {
	x.client.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.client.Begin(status)
	if err := x.client.Write(body); err != nil {
		x.s.Log.Debug("the client left while it was given the answer", "request", x.req.ID, "error", err)
	}
}

// judge tells the backends' health of an answer's status, and whether another target may do better.
func (x *exchange) judge(res *http.Response) (kind string, again bool) {
	target := x.call.target
	status := res.StatusCode
	switch {
	case status == http.StatusTooManyRequests:
		kind, again = "rate_limited", true
	case status >= 500 || status == http.StatusRequestTimeout || status == http.StatusUnauthorized && !x.call.backend.WantsLogin():
		kind, again = "error", true
		x.s.Health.Failed(target)
	case status >= 400:
		kind = "refused"
		x.s.Health.Succeeded(target)
	default:
		kind = "answered"
		x.s.Health.Succeeded(target)
	}
	if wait := RetryAfter(res.Header, time.Now()); again && wait > 0 {
		x.s.Health.Wait(target, wait)
		x.trip.Asked(wait)
	}
	return kind, again
}
