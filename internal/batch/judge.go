package batch

import (
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/pace"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// judge is what an exchange means for its item, and what it tells of the backend.
func (t *try) judge() (verdict, pace.Report) {
	out := t.ended.outcome
	switch out.Status {
	case gateway.Completed:
		return final, pace.Report{Result: pace.Answered}
	case gateway.Cancelled: // nobody waits but we, so it was our own end that cut it off
		return unsent, pace.Report{Result: pace.Unsent}
	}
	switch {
	case t.noRoom():
		wait := exchange.RetryAfter(t.answer.header, time.Now())
		if t.refusal != nil {
			wait = max(wait, t.refusal.RetryAfter)
		}
		return pushed, pace.Report{Result: pace.Pushed, RetryAfter: wait}
	case t.passing():
		return failed, pace.Report{Result: pace.Unsent}
	}
	return final, pace.Report{Result: pace.Answered}
}

// noRoom reports whether the backend has too much to do, cannot be reached, or does not know the gateway's credential:
// all of them things that pass, or that the operator mends, and that every other item would meet as well.
func (t *try) noRoom() bool {
	switch status := t.ended.outcome.HTTPStatus; status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, anthropic.StatusOverloaded:
		return true
	case http.StatusUnauthorized:
		return t.refusal != nil && t.refusal.Code == gateway.BackendFailed
	case 0:
		return t.refusal != nil && (t.refusal.Code == gateway.BackendFailed || t.refusal.Code == gateway.Overloaded)
	}
	return false
}

// passing reports whether the failure may be another one, or none, the next time.
func (t *try) passing() bool {
	status := t.ended.outcome.HTTPStatus
	if t.refusal != nil {
		return !t.refusal.NoRetry // it did not answer in time, broke off, or answered what nobody understands
	}
	return status >= 500 || status == http.StatusRequestTimeout
}

// resultOf is what the item's owner is given.
func (w *work) resultOf(item gateway.WaitingItem, id uuid.UUID, t try) gateway.ItemResult {
	d, status, body := w.batch.Endpoint.Dialect(), t.answer.status, t.answer.body
	if t.refusal != nil {
		status, body = wire.ErrorBody(d, t.refusal, id.String())
	}
	r := gateway.ItemResult{ItemRef: gateway.ItemRef{Batch: item.Batch, N: item.N}, CustomID: item.CustomID, State: gateway.ItemSucceeded}
	switch {
	case t.canceled:
		r.State = gateway.ItemCanceled
	case status < 200 || status > 299, !gjson.ParseBytes(body).IsObject(): // what is no object has no place in a line
		r.State = gateway.ItemErrored
	}
	if r.State == gateway.ItemErrored {
		r.Kind = wire.ErrorKind(d, body)
	}
	r.Line = w.compressor.Body(wire.ResultLine(d, r.State, item.CustomID, id, status, body))
	return r
}
