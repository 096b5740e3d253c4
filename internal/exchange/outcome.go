package exchange

import (
	"context"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// outcome begins the record of how the request ended.
func (x *exchange) outcome() *gateway.Outcome {
	return &gateway.Outcome{ID: x.intent.ID, Target: x.call.target, Attempts: x.sent, FirstByteAt: x.first}
}

// finish puts the outcome on record. The error, a *gateway.Error, means that it is on record nowhere: the client
// must not be told that its answer is complete.
func (x *exchange) finish(ctx context.Context, out *gateway.Outcome) error {
	out.EndedAt = time.Now()
	if x.tape != nil {
		out.Body = x.tape.Body()
	}
	x.s.Metrics.Ended(&x.intent, out)
	x.leave(ctx) // before the client has the whole answer, since it may ask again at once
	err := x.s.Recorder.Finish(ctx, out)
	if err == nil {
		return nil
	}
	x.s.Log.Error("an outcome is on record nowhere", "request", out.ID, "error", err)
	return &gateway.Error{Code: gateway.Internal, Cause: err, Message: "The answer could not be put on record, so it cannot be completed. Try again; if it stays, tell the gateway's operator the request id."}
}

// account notes what the answer took, what that takes from the request's window, and what it costs.
func (x *exchange) account(out *gateway.Outcome, u gateway.Usage) {
	if x.intent.Charge.Requests == 0 {
		return
	}
	out.Usage = u
	out.Charge = gateway.Charge{Requests: x.intent.Charge.Requests, Tokens: u.Tokens()}
	out.Cost = x.cost(u)
}

func (x *exchange) cost(u gateway.Usage) gateway.Cost {
	return x.table.Prices.Cost(gateway.ParseModel(x.call.target.Model), u)
}

// usage is what an answer took. Where the backend has not said the last word, it is at least what went by.
func (x *exchange) usage(a gateway.Answer, streamed int64, finished bool) gateway.Usage {
	if !a.HasUsage {
		return x.estimate(streamed)
	}
	usage := a.Usage
	if !finished {
		usage.Output = max(usage.Output, streamed/gateway.BytesPerToken)
		usage.Estimated = true
	}
	return usage
}

func (x *exchange) estimate(streamed int64) gateway.Usage {
	return gateway.Usage{Input: x.intent.Charge.Tokens, Output: streamed / gateway.BytesPerToken, Estimated: true}
}
