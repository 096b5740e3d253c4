package exchange

import (
	"context"
	"errors"
	"fmt"
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
	if x.req.Begun != nil {
		return x.resume(ctx)
	}
	return x.admit(ctx, limits)
}

// describe makes the request's record, but for what is found out on the way.
func (x *exchange) describe() {
	x.intent = gateway.Intent{
		ID: x.req.ID, Instance: x.s.Instance, AdmittedAt: x.began, Principal: x.req.Principal,
		Endpoint: x.req.Endpoint, Dialect: x.req.Endpoint.Dialect(), Stream: x.scan.Stream,
		ModelRequested: x.asked, Target: x.call.target, Session: x.req.Session,
		Window: gateway.DayWindow(x.began, x.s.Zone), Item: x.req.Item,
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
func (x *exchange) admit(ctx context.Context, limits gateway.Limits) error {
	if err := x.reserve(ctx, limits); err != nil {
		return err
	}
	x.intent.Body = x.s.Compressor.Body(x.req.Body.Bytes())
	if err := x.s.Recorder.Admit(ctx, &x.intent); err != nil {
		// If the record may have been committed, its outcome will settle the reservation; else it is given back here.
		if !errors.Is(err, gateway.ErrFateUnknown) {
			x.release(ctx)
		}
		return err
	}
	x.s.Metrics.Admitted(&x.intent)
	return nil
}

// reserve takes the request out of its window. A free call takes nothing and asks nobody.
func (x *exchange) reserve(ctx context.Context, limits gateway.Limits) error {
	in := &x.intent
	if in.Charge.Requests == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, x.s.QuotaTimeout)
	defer cancel()
	used, refusal, err := x.s.Quota.Reserve(ctx, in.Principal.Subject, in.Window, limits, in.ID, in.Charge)
	unlimited := limits.Requests < 0 && limits.Tokens < 0
	switch {
	case err != nil && !unlimited:
		return &gateway.Error{
			Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Cause: err,
			Message: "Your quota cannot be checked right now, so your request was not sent. Nothing was charged. Try again in a few seconds.",
		}
	case err != nil:
		x.s.Log.Warn("quota: a request of an unlimited tier goes on without a reservation", "request", in.ID, "error", err)
		return nil
	case refusal != gateway.Admitted:
		quotaHeader(x.client.Header(), in, limits, used)
		return spent(in, limits, refusal)
	}
	in.Reserved = true
	quotaHeader(x.client.Header(), in, limits, used)
	return nil
}

// release gives back the reservation of a request that is not on record. Where that fails, the sweep finds it.
func (x *exchange) release(ctx context.Context) {
	in := &x.intent
	if !in.Reserved {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.s.QuotaTimeout)
	defer cancel()
	err := x.s.Quota.Settle(ctx, gateway.Settlement{ID: in.ID, Subject: in.Principal.Subject, Window: in.Window, Reserved: true})
	if err != nil {
		x.s.Log.Warn("quota: a reservation is left to the sweep", "request", in.ID, "error", err)
	}
}

// spent is the refusal of a request that its window has no room for.
func spent(in *gateway.Intent, limits gateway.Limits, refusal gateway.Refusal) error {
	limit := limits.Requests
	if refusal == gateway.NoTokens {
		limit = limits.Tokens
	}
	wait := in.Window.Reset.Sub(in.AdmittedAt)
	return &gateway.Error{
		Code: gateway.QuotaSpent, RetryAfter: wait, NoRetry: true,
		Message: fmt.Sprintf("You have used today's %d %s of your %s subscription. The limit resets at %s, in %s. GET /quota shows your use; ask your operator for a larger subscription if you need more.",
			limit, refusal, in.Principal.Tier, in.Window.Reset.UTC().Format(time.RFC3339), wait.Round(time.Minute)),
	}
}
