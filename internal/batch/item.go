package batch

import (
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/jsonscan"
	"github.com/openova-io/llm-gateway/internal/pace"
)

const (
	firstPause = 250 * time.Millisecond // before an item that failed is sent again

	sentBefore = "The worker that sent the request died, or gave up; whether it was answered is not known."
)

// identify is the request's id: that of the one that is on record, or a new one.
func identify(item *gateway.WaitingItem) uuid.UUID {
	if item.Begun == nil {
		return uuid.Must(uuid.NewV7())
	}
	if item.Begun.Reason == "" {
		item.Begun.Reason = sentBefore
	}
	return item.Begun.ID
}

// item works on one item until it has ended or no more may be started. What is on record of it then is what the next piece
// of work goes on from.
func (w *work) item(item gateway.WaitingItem) {
	id := identify(&item)
	_, target := w.destination(item, id)
	at, pause := target.Backend, firstPause
	for failures := 0; ; {
		turn, err := w.pace.Enter(w.starting, at, w.batch.Principal.Subject)
		if err != nil {
			return
		}
		try := w.send(item, id)
		turn.Leave(try.report)
		switch try.verdict {
		case failed:
			if failures++; failures >= w.Attempts {
				try.verdict = final
				break
			}
			w.rest(&pause)
		case pushed:
			if until := w.pace.Until(at); until.After(w.deadline) {
				w.hold(gateway.Wait{Reason: gateway.WaitBackend, Until: until})
			}
		case final, unsent:
		}
		if try.verdict == final || try.verdict == unsent {
			w.conclude(item, id, try)
			return
		}
		item.Begun = try.begun
	}
}

// conclude puts the item's end on record, if the try is one.
func (w *work) conclude(item gateway.WaitingItem, id uuid.UUID, t try) {
	if t.verdict != final {
		return
	}
	result := w.resultOf(item, id, t)
	if err := w.journal.end(w.lasting, t.ended, result); err == nil {
		w.ended(item.N, result.State)
	}
}

// rest pauses before a request that failed is sent again, each time for longer.
func (w *work) rest(pause *time.Duration) {
	select {
	case <-time.After(*pause/2 + rand.N(*pause)): //nolint:gosec // it only spreads load
	case <-w.starting.Done():
	}
	*pause *= 2
}

// destination is where the item will most likely be sent, and the rule that says so; the zero values if nowhere.
func (w *work) destination(item gateway.WaitingItem, id uuid.UUID) (gateway.Rule, gateway.Target) {
	body, release, err := w.read(item)
	if err != nil {
		return gateway.Rule{}, gateway.Target{}
	}
	defer release()
	scan, err := jsonscan.Scan(body)
	if err != nil {
		return gateway.Rule{}, gateway.Target{}
	}
	rule, target, _ := w.service.Table().First(w.batch.Principal.Tier, scan.Model, id.String())
	return rule, target
}

// read is the item's body, for as long as it is not released. It waits until there is room for it.
func (w *work) read(item gateway.WaitingItem) (body []byte, release func(), err error) {
	size := min(max(item.Body.Size, 1), openBytes)
	if err := w.memory.Acquire(w.running, size); err != nil {
		return nil, nil, err
	}
	body, err = w.compressor.Open(nil, item.Body)
	if err != nil {
		w.memory.Release(size)
		return nil, nil, err
	}
	return body, func() { w.memory.Release(size) }, nil
}

// verdict is what a try means for its item.
type verdict int

const (
	final  verdict = iota // the item has ended with it
	failed                // it may do better another time
	pushed                // the backend has no room, or is away: that is not the item's fault
	unsent                // it was not sent, or was cut off by our own end
)

// try is one exchange of an item.
type try struct {
	verdict verdict
	report  pace.Report
	ended   ended          // with the outcome, if it was admitted
	begun   *gateway.Begun // what is on record of it then
	answer  *reply         // what its client would have been given
	refusal *gateway.Error // where the answer is the gateway's own error

	canceled bool // the backend was told not to run it
}

// send makes one exchange of the item.
func (w *work) send(item gateway.WaitingItem, id uuid.UUID) try {
	body, release, err := w.read(item)
	if err != nil {
		return w.unreadable(item, err)
	}
	defer release()
	t := try{answer: newReply()}
	err = w.service.Serve(w.running, w.request(item, id, body), t.answer)
	if err != nil {
		t.refusal = gateway.AsError(err)
	}
	var admitted bool
	if t.ended, admitted = w.journal.take(id); admitted {
		t.begun = t.ended.goOn()
		t.verdict, t.report = t.judge()
		return t
	}
	t.report = pace.Report{Result: pace.Unsent}
	t.verdict = w.refused(t.refusal)
	if t.verdict == final && item.Begun != nil {
		t.ended = w.lost(body, item.Begun, t.refusal)
	}
	return t
}

// request is the item as a request.
func (w *work) request(item gateway.WaitingItem, id uuid.UUID, body []byte) *exchange.Request {
	return &exchange.Request{
		ID: id, Principal: w.batch.Principal, Endpoint: w.batch.Endpoint, Header: w.header, Body: backend.NewBody(body),
		Item: gateway.ItemRef{Batch: item.Batch, N: item.N}, Begun: item.Begun,
	}
}

// refused is what it means for an item that it was not admitted.
func (w *work) refused(why *gateway.Error) verdict {
	switch why.Code {
	case gateway.QuotaSpent:
		w.hold(gateway.Wait{Reason: gateway.WaitQuota, Until: time.Now().Add(why.RetryAfter)})
		return unsent
	case gateway.Overloaded, gateway.Internal:
		w.log.Warn("an item could not be admitted", "batch", w.batch.ID, "error", why)
		return unsent
	}
	return final
}

// goOn is what an admitted request goes on from, if it has not ended.
func (e ended) goOn() *gateway.Begun {
	return &gateway.Begun{ID: e.outcome.ID, At: e.intent.AdmittedAt, Sent: e.outcome.Attempts, Status: e.outcome.HTTPStatus, Reason: e.outcome.Error}
}

// lost is the end of a request that was sent by a worker that died and cannot be sent again.
func (w *work) lost(body []byte, begun *gateway.Begun, why *gateway.Error) ended {
	charge := gateway.Charge{Requests: w.batch.Endpoint.Charged(), Tokens: gateway.EstimateTokens(len(body))}
	return ended{outcome: &gateway.Outcome{
		ID: begun.ID, Status: gateway.Interrupted, Attempts: begun.Sent, EndedAt: time.Now(), Charge: charge,
		Error: sentBefore + " It is not sent again: " + why.Message, Usage: gateway.Usage{Input: charge.Tokens, Estimated: true},
	}}
}

// unreadable is an item whose stored body is not what it was when it came.
func (w *work) unreadable(item gateway.WaitingItem, err error) try {
	if w.running.Err() != nil {
		return try{verdict: unsent, report: pace.Report{Result: pace.Unsent}}
	}
	w.log.Error("an item cannot be read", "batch", item.Batch, "n", item.N, "error", err)
	return try{
		verdict: final, report: pace.Report{Result: pace.Unsent}, answer: newReply(),
		refusal: &gateway.Error{Code: gateway.Internal, Cause: err, Message: "The stored item is damaged and was not sent. Submit it again in another batch; tell the gateway's operator the ids of the batch and the item."},
	}
}
