package batch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// journal is the recorder that the exchanges of items are made with. Admissions and attempts are committed before
// anything is sent. Outcomes are kept until it is known whether the item has ended with them; if it has not, they are
// dropped, and the request goes on.
type journal struct {
	exchange.Metrics
	committer *committer

	mu   sync.Mutex
	kept map[uuid.UUID]ended
}

// ended is how an exchange ended.
type ended struct {
	intent  *gateway.Intent
	outcome *gateway.Outcome
}

func newJournal(c *committer, metrics exchange.Metrics) *journal {
	return &journal{Metrics: metrics, committer: c, kept: map[uuid.UUID]ended{}}
}

// Admit implements exchange.Recorder.
func (j *journal) Admit(ctx context.Context, in *gateway.Intent) error {
	return refuse(j.committer.submit(ctx, &entry{intent: in}))
}

// Attempt implements exchange.Recorder.
func (j *journal) Attempt(ctx context.Context, a *gateway.Attempt) error {
	return refuse(j.committer.submit(ctx, &entry{attempt: a}))
}

// Withdraw implements exchange.Recorder. The item is as it was before, and is sent another time.
func (j *journal) Withdraw(ctx context.Context, in *gateway.Intent, _ string) error {
	return insist(ctx, j.committer.log, func() error { return j.committer.stager.Withdraw(ctx, in.ID) })
}

// Finish implements exchange.Recorder. It keeps the outcome.
func (j *journal) Finish(_ context.Context, out *gateway.Outcome) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.kept[out.ID]
	e.outcome = out
	j.kept[out.ID] = e
	return nil
}

// Ended implements exchange.Metrics: an end is counted when it is one.
func (j *journal) Ended(in *gateway.Intent, out *gateway.Outcome) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.kept[out.ID]
	e.intent = in
	j.kept[out.ID] = e
}

// take is how the exchange of a request ended; ok is false if it ended before the request was admitted.
func (j *journal) take(id uuid.UUID) (e ended, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e, ok = j.kept[id]
	delete(j.kept, id)
	return e, ok && e.outcome != nil
}

// end commits an item's end, however often it takes while ctx lasts.
func (j *journal) end(ctx context.Context, e ended, result gateway.ItemResult) error {
	ending := &gateway.Ending{Result: result, Outcome: e.outcome}
	err := insist(ctx, j.committer.log, func() error { return j.committer.submit(ctx, &entry{ending: ending}) })
	if err == nil && e.intent != nil {
		j.Metrics.Ended(e.intent, e.outcome)
	}
	return err
}

// insist does what has to be on record, again and again while ctx lasts. The error is the last one.
func insist(ctx context.Context, log *slog.Logger, do func() error) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		log.Warn("what became of items of a batch is not on record yet; trying on", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func refuse(err error) error {
	if err == nil {
		return nil
	}
	return &gateway.Error{
		Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Cause: err,
		Message: "The gateway cannot put the item on record right now, so it was not sent. It is tried again by itself.",
	}
}
