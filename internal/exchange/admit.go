package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// admit reserves the request's quota and puts it on record. After a nil error it may be sent; after any other nothing
// was charged.
func (x *exchange) admit(ctx context.Context, limits gateway.Limits) error {
	if !x.s.Lease.Valid() {
		return &gateway.Error{Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Message: "The gateway has lost touch with its database and takes no new requests. Nothing was sent or charged. Try again in a few seconds."}
	}
	x.intent = gateway.Intent{
		ID: x.req.ID, Instance: x.s.Instance, AdmittedAt: x.began, Principal: x.req.Principal,
		Endpoint: x.req.Endpoint, Dialect: x.req.Endpoint.Dialect(), Stream: x.scan.Stream,
		ModelRequested: x.asked, Target: x.call.target, Session: x.req.Session,
		Window: gateway.DayWindow(x.began, x.s.Zone),
	}
	if err := x.reserve(ctx, limits); err != nil {
		return err
	}
	x.intent.Cost = x.cost(gateway.Usage{Input: x.intent.Charge.Tokens})
	x.intent.Body = x.s.Compressor.Body(x.req.Body.Bytes())
	if err := x.s.Recorder.Admit(ctx, &x.intent); err != nil {
		// If the record may have been committed, its outcome will settle the reservation; else it is given back here.
		if !errors.Is(err, gateway.ErrFateUnknown) {
			x.release(ctx)
		}
		return err
	}
	return nil
}

// reserve takes the request out of its window. A free call takes nothing and asks nobody.
func (x *exchange) reserve(ctx context.Context, limits gateway.Limits) error {
	in := &x.intent
	in.Charge = gateway.Charge{Requests: in.Endpoint.Charged()}
	if in.Charge.Requests == 0 {
		return nil
	}
	in.Charge.Tokens = gateway.EstimateTokens(len(x.req.Body.Bytes()))
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
