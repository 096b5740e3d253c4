package exchange

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/jsonscan"
)

// plan reads the request and finds the first target that can take it. Where x.call has no backend after a nil error,
// the request is to count tokens and none of the targets counts.
func (x *exchange) plan(ctx context.Context) (gateway.Plan, error) {
	plan, err := x.read()
	if err != nil {
		return plan, err
	}
	wanted := gateway.ParseModel(gateway.Unalias(x.asked))
	rule, err := plan.Rule(wanted)
	if err != nil {
		return plan, err
	}
	x.trip = x.table.NewTrip(rule, x.pin(), wanted.ID, x.s.Health, x.s.RetryWait)
	return plan, x.choose(ctx, wanted)
}

// read reads the request and finds the plan of its caller.
func (x *exchange) read() (gateway.Plan, error) {
	var err error
	if x.scan, err = jsonscan.Scan(x.req.Body.Bytes()); err != nil {
		return gateway.Plan{}, invalid("The request body is not valid JSON: "+err.Error()+".", err)
	}
	x.asked = x.scan.Model
	if strings.TrimSpace(x.asked) == "" {
		return gateway.Plan{}, invalid("model: Field required. Name the model to use; GET /v1/models lists them.", nil)
	}
	return x.table.Plan(x.req.Principal)
}

// pin is what the order of targets is drawn by: a session stays where its prompt cache is, and where the signatures of
// its thinking are known. A request without a session is drawn for alone.
func (x *exchange) pin() string {
	if x.req.Session == "" {
		return x.req.ID.String()
	}
	return x.req.Principal.Subject + "\x00" + x.req.Session
}

// choose makes the call for the first target that can take it. If none can, the error says why the first cannot.
func (x *exchange) choose(ctx context.Context, wanted gateway.Model) error {
	found, reason := x.take(ctx)
	switch {
	case found, x.req.Endpoint == gateway.CountTokens:
		return nil
	case reason == nil:
		reason = &gateway.Error{Code: gateway.NotFound, NoRetry: true, Message: fmt.Sprintf("model: %s has no backend. Tell the gateway's operator.", wanted.ID)}
	}
	return reason
}

// take makes the call for the next target that can take the request, pausing where the trip says so. Where none is
// left, or the client leaves, found is false, and reason says why the first that was asked cannot.
func (x *exchange) take(ctx context.Context) (found bool, reason error) {
	for {
		target, wait, ok := x.trip.Next()
		if !ok || !pause(ctx, wait) {
			return false, reason
		}
		err := x.prepare(target)
		if err == nil {
			return true, nil
		}
		x.trip.Forget(target)
		if reason == nil {
			reason = err
		}
	}
}

// countHere answers a request to count tokens for a model whose backends cannot. Nothing leaves, so nothing is on
// record.
func (x *exchange) countHere() error {
	x.client.Header().Set("Content-Type", "application/json")
	x.write(http.StatusOK, estimate(len(x.req.Body.Bytes())))
	return nil
}

// estimate is the answer to a request to count the tokens of a body.
func estimate(size int) []byte {
	return fmt.Appendf(nil, `{"input_tokens":%d}`, gateway.EstimateTokens(size))
}

func invalid(message string, cause error) error {
	return &gateway.Error{Code: gateway.Invalid, Message: message, NoRetry: true, Cause: cause}
}
