package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// reserve takes the request out of its window. A free call takes nothing and asks nobody.
func (x *exchange) reserve(ctx context.Context) error {
	in := &x.intent
	if in.Charge.Requests == 0 {
		return nil
	}
	use, err := x.ask(ctx)
	if err == nil {
		in.Reserved = true
		quotaHeader(x.client.Header(), in, x.limits, use)
		return nil
	}
	if !x.limits.Open || errors.Is(err, errSpent) {
		return err
	}
	x.s.Log.Warn("quota: a request goes on without a reservation, since its tier allows it", "request", in.ID, "error", gateway.AsError(err).Cause)
	return nil
}

// confirm asks a second time, now that the request is on record. If the quota's store lost the reservation in between, it
// was rebuilt from a record that may not have had the request: then it is reserved again, or it is one too many, and is
// not sent.
func (x *exchange) confirm(ctx context.Context) error {
	if !x.s.Confirm || !x.intent.Reserved || !x.limits.Set() {
		return nil
	}
	_, err := x.ask(ctx)
	if err == nil || x.limits.Open && !errors.Is(err, errSpent) {
		return nil
	}
	if withdrawn := x.s.Recorder.Withdraw(ctx, &x.intent, gateway.AsError(err).Message); withdrawn != nil {
		x.s.Log.Error("quota: a request that is not sent stays on record as running", "request", x.intent.ID, "error", withdrawn)
	}
	if !errors.Is(err, errSpent) { // then it has a reservation, or may have one
		x.release(ctx)
	}
	return err
}

// errSpent is in the chain of ask's error where a limit was met, and not where it is not known.
var errSpent = errors.New("a limit was met")

// ask has the request counted, once, and answers what is used then. A client that is refused is told where it stands.
func (x *exchange) ask(ctx context.Context) (gateway.Use, error) {
	in := &x.intent
	ctx, cancel := context.WithTimeout(ctx, x.s.QuotaTimeout)
	defer cancel()
	use, refusal, err := x.s.Quota.Reserve(ctx, gateway.Ask{
		ID: in.ID, Subject: in.Principal.Subject, Window: in.Window, Class: in.Class, Charge: in.Charge, At: in.AdmittedAt, Limits: x.limits,
	})
	if err != nil {
		return use, &gateway.Error{
			Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Cause: err,
			Message: "Your quota cannot be checked right now, so your request was not sent. Nothing was charged. Try again in a few seconds.",
		}
	}
	if refusal != gateway.Admitted {
		quotaHeader(x.client.Header(), in, x.limits, use)
		return use, spent(in, x.limits, use, refusal)
	}
	return use, nil
}

// release gives back the reservation of a request that is not sent. Where that fails, the sweep finds it.
func (x *exchange) release(ctx context.Context) {
	in := &x.intent
	if !in.Reserved {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.s.QuotaTimeout)
	defer cancel()
	err := x.s.Quota.Settle(ctx, gateway.Settlement{ID: in.ID, Subject: in.Principal.Subject, Window: in.Window, Class: in.Class, Reserved: true})
	if err != nil {
		x.s.Log.Warn("quota: a reservation is left to the sweep", "request", in.ID, "error", err)
	}
}

// leave gives back the request's place among those that run at once.
func (x *exchange) leave(ctx context.Context) {
	if x.limits.Concurrent < 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.s.QuotaTimeout)
	defer cancel()
	if err := x.s.Quota.Leave(ctx, x.intent.ID); err != nil {
		x.s.Log.Warn("quota: the place of a request that has ended is left to lapse", "request", x.intent.ID, "error", err)
	}
}

// spent is the refusal of a request that a limit has no room for.
func spent(in *gateway.Intent, limits gateway.Limits, use gateway.Use, refusal gateway.Refusal) error {
	e := &gateway.Error{Code: gateway.RateLimited, Cause: errSpent}
	switch tier := in.Principal.Tier; refusal {
	case gateway.NoMinute:
		e.RetryAfter = max(time.Second, use.MinuteFree.Sub(in.AdmittedAt))
		e.Message = fmt.Sprintf("Your %s subscription allows %d requests in a minute. Try again in %s.", tier, limits.PerMinute, e.RetryAfter.Round(time.Second))
	case gateway.NoPlace:
		e.RetryAfter = time.Second
		e.Message = fmt.Sprintf("Your %s subscription allows %d requests at once. Try again when one of those that run has ended.", tier, limits.Concurrent)
	default:
		limit, what := dayLimit(limits, in.Class, refusal)
		e.Code = gateway.QuotaSpent
		e.RetryAfter, e.NoRetry = in.Window.Reset.Sub(in.AdmittedAt), true
		e.Message = fmt.Sprintf("You have used today's %d %s of your %s subscription. The limit resets at %s, in %s. GET /quota shows your use; ask your operator for a larger subscription if you need more.",
			limit, what, tier, in.Window.Reset.UTC().Format(time.RFC3339), e.RetryAfter.Round(time.Minute))
	}
	return e
}

// dayLimit is the limit of a day that was met, and what it counts.
func dayLimit(limits gateway.Limits, class string, refusal gateway.Refusal) (limit int64, what string) {
	switch refusal {
	case gateway.NoTokens:
		return limits.Tokens, "tokens"
	case gateway.NoClassRequests:
		return limits.Of(class).Requests, "requests to models of the class " + class
	case gateway.NoClassTokens:
		return limits.Of(class).Tokens, "tokens of models of the class " + class
	}
	return limits.Requests, "requests"
}
