package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// enter brings the request to where it may be sent: admitted, or on record once more. After an error nothing was
// charged that was not charged before.
func (x *exchange) enter(ctx context.Context, limits gateway.Limits) error {
	if !x.s.Lease.Valid() {
		return &gateway.Error{Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Message: "The gateway has lost touch with its database and takes no new requests. Nothing was sent or charged. Try again in a few seconds."}
	}
	x.describe()
	x.limits = limits
	if x.req.Begun != nil {
		return x.resume(ctx)
	}
	if x.req.Item != (gateway.ItemRef{}) {
		x.limits = limits.OfBatches()
	}
	return x.admit(ctx)
}

// describe makes the request's record, but for what is found out on the way.
func (x *exchange) describe() {
	x.intent = gateway.Intent{
		ID: x.req.ID, Instance: x.s.Instance, AdmittedAt: x.began, Principal: x.req.Principal,
		Endpoint: x.req.Endpoint, Dialect: x.req.Endpoint.Dialect(), Stream: x.scan.Stream,
		ModelRequested: x.asked, Target: x.call.target, Session: x.req.Session,
		Window: gateway.DayWindow(x.began, x.s.Zone), Class: x.table.Classes.Of(gateway.ParseModel(x.call.target.Model)), Item: x.req.Item,
		Charge: gateway.Charge{Requests: x.req.Endpoint.Charged()},
	}
	if x.intent.Charge.Requests > 0 {
		x.intent.Charge.Tokens = gateway.EstimateTokens(len(x.req.Body.Bytes()))
	}
	x.intent.Cost = x.cost(gateway.Usage{Input: x.intent.Charge.Tokens})
}

// resume puts on record that a request that was admitted before is sent again. Its reservation, its window and its
// first record are as they were.
func (x *exchange) resume(ctx context.Context) error {
	return x.recordAttempt(ctx, x.req.Begun.Status, x.req.Begun.Reason)
}

// recordAttempt puts on record that the request is about to be sent once more, and what came of the attempt before.
func (x *exchange) recordAttempt(ctx context.Context, status int, reason string) error {
	return x.s.Recorder.Attempt(ctx, &gateway.Attempt{
		Request: x.intent.ID, N: x.sent + 1, At: time.Now(), Target: x.call.target, Status: status, Reason: reason,
	})
}

// admit reserves the request's quota and puts it on record. After a nil error it may be sent; after any other nothing
// was charged.
func (x *exchange) admit(ctx context.Context) error {
	if err := x.reserve(ctx); err != nil {
		return err
	}
	x.intent.Body = x.s.Compressor.Body(x.req.Body.Bytes())
	if err := x.s.Recorder.Admit(ctx, &x.intent); err != nil {
		// If the record may have been committed, its outcome will settle the reservation; else it is given back here.
		if !errors.Is(err, gateway.ErrFateUnknown) {
			x.release(ctx)
		}
		x.leave(ctx)
		return err
	}
	if err := x.confirm(ctx); err != nil {
		x.leave(ctx)
		return err
	}
	x.s.Metrics.Admitted(&x.intent)
	return nil
}
