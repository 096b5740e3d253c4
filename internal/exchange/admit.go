package exchange

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/jsonscan"
)

// admit plans the request, reserves its quota and puts it on record. After a nil error it may be sent; after any
// other nothing was charged.
func (x *exchange) admit(ctx context.Context) error {
	if !x.s.Lease.Valid() {
		return &gateway.Error{Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Message: "The gateway has lost touch with its database and takes no new requests. Nothing was sent or charged. Try again in a few seconds."}
	}
	scanned, err := jsonscan.Scan(x.req.Body.Bytes())
	if err != nil {
		return invalid("The request body is not valid JSON: "+err.Error()+".", err)
	}
	if strings.TrimSpace(scanned.Model) == "" {
		return invalid("model: Field required. Name the model to use; GET /v1/models lists them.", nil)
	}
	plan, err := x.s.Routes.Plan(x.req.Principal.Tier)
	if err != nil {
		return err
	}
	target, err := plan.Target(gateway.ParseModel(scanned.Model))
	if err != nil {
		return err
	}
	x.req.Body.Set(scanned.WithModel(x.req.Body.Bytes(), target.Model))

	now := time.Now()
	x.intent = gateway.Intent{
		ID: x.req.ID, Instance: x.s.Instance, AdmittedAt: now, Principal: x.req.Principal,
		Endpoint: x.req.Endpoint, Dialect: x.req.Dialect, Stream: scanned.Stream,
		ModelRequested: scanned.Model, Target: target, Session: x.req.Session,
		Window: gateway.DayWindow(now, x.s.Zone),
	}
	header := x.client.Header()
	header.Set("X-Gateway-Model-Requested", headerValue(scanned.Model))
	header.Set("X-Gateway-Model-Routed", headerValue(target.Model))
	if err := x.reserve(ctx, plan.Limits); err != nil {
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
		quotaHeader(x.client.Header(), limits, used, in.Window, in.AdmittedAt)
		return spent(in, limits, refusal)
	}
	in.Reserved = true
	quotaHeader(x.client.Header(), limits, used, in.Window, in.AdmittedAt)
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

// quotaHeader tells a client of a limited tier where it stands, in the Anthropic API's words and in the IETF's.
func quotaHeader(h http.Header, l gateway.Limits, used gateway.Used, w gateway.Window, now time.Time) {
	reset := w.Reset.UTC().Format(time.RFC3339)
	for _, q := range []struct {
		unit        string
		limit, used int64
	}{{"requests", l.Requests, used.Requests}, {"tokens", l.Tokens, used.Tokens}} {
		if q.limit < 0 {
			continue
		}
		h.Set("Anthropic-Ratelimit-"+q.unit+"-Limit", strconv.FormatInt(q.limit, 10))
		h.Set("Anthropic-Ratelimit-"+q.unit+"-Remaining", strconv.FormatInt(max(0, q.limit-q.used), 10))
		h.Set("Anthropic-Ratelimit-"+q.unit+"-Reset", reset)
	}
	if l.Requests >= 0 {
		h.Set("RateLimit-Policy", fmt.Sprintf(`"daily";q=%d;w=%d`, l.Requests, int64(w.Reset.Sub(w.Start).Seconds())))
		h.Set("RateLimit", fmt.Sprintf(`"daily";r=%d;t=%d`, max(0, l.Requests-used.Requests), int64(w.Reset.Sub(now).Seconds())))
	}
}

func invalid(message string, cause error) error {
	return &gateway.Error{Code: gateway.Invalid, Message: message, NoRetry: true, Cause: cause}
}

// headerValue keeps a client's text from breaking a header.
func headerValue(s string) string {
	clean := make([]byte, 0, min(len(s), 256))
	for i := 0; i < len(s) && len(clean) < 256; i++ {
		if c := s[i]; c >= ' ' && c < 0x7f {
			clean = append(clean, c)
		}
	}
	return string(clean)
}
