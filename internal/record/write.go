package record

import (
	"context"
	"errors"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// lingering is how much later an asynchronous record is committed, so that others can share its transaction.
const lingering = 10 * time.Millisecond

// write is one writer: it commits what waits until the recorder is closed and the queue empty.
func (r *Recorder) write() {
	for {
		select {
		case it := <-r.queue:
			r.linger()
			r.commit(r.gather(it))
			continue
		case <-r.stop:
		}
		select {
		case it := <-r.queue:
			r.commit(r.gather(it))
		default:
			return
		}
	}
}

// linger lets more records gather where nobody waits for them: a transaction of fifty costs little more than one of two.
func (r *Recorder) linger() {
	if !r.opts.Async || len(r.queue) >= r.opts.BatchRows {
		return
	}
	select {
	case <-time.After(lingering):
	case <-r.stop:
	}
}

// gather takes the first item and all that wait behind it, up to a transaction's size.
func (r *Recorder) gather(first *item) []*item {
	batch := make([]*item, 0, 1+min(len(r.queue), r.opts.BatchRows))
	for it := first; ; {
		if it.take() {
			batch = append(batch, it)
		}
		if len(batch) >= r.opts.BatchRows {
			return batch
		}
		select {
		case it = <-r.queue:
		default:
			return batch
		}
	}
}

// commit stages a batch and tells each waiter. A batch whose fate is unknown is staged again until it is known: it
// may be in the database, so saying "it is not" would be a lie. In async mode nobody is left to be told, so any
// failure is tried again; the bounded queue then holds new requests back.
func (r *Recorder) commit(batch []*item) {
	if len(batch) == 0 {
		return
	}
	unknown := false
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := r.stage(batch)
		if err == nil {
			r.committed(batch)
			return
		}
		if errors.Is(err, gateway.ErrRecordRefused) {
			r.refused(batch, err)
			return
		}
		unknown = unknown || errors.Is(err, gateway.ErrFateUnknown)
		if !unknown && !r.opts.Async {
			for _, it := range batch {
				it.settle(err)
			}
			return
		}
		r.log.Warn("audit: a commit is tried again", "records", len(batch), "fate_unknown", unknown, "error", err)
		select {
		case <-time.After(pause):
		case <-r.stop:
			r.rescue(batch, errors.Join(err, gateway.ErrFateUnknown))
			return
		}
	}
}

func (r *Recorder) stage(batch []*item) error {
	ctx, cancel := context.WithTimeout(context.Background(), stageTimeout)
	defer cancel()
	intents := make([]*gateway.Intent, 0, len(batch))
	outcomes := make([]*gateway.Outcome, 0, len(batch))
	var attempts []*gateway.Attempt // few requests have any
	for _, it := range batch {
		switch {
		case it.intent != nil:
			intents = append(intents, it.intent)
		case it.attempt != nil:
			attempts = append(attempts, it.attempt)
		default:
			outcomes = append(outcomes, it.outcome)
		}
	}
	return r.stager.Stage(ctx, intents, attempts, outcomes)
}

// committed tells the waiters. An intent whose waiter has left was answered with a refusal and never sent; since
// it is on record all the same, an outcome that says so must follow.
func (r *Recorder) committed(batch []*item) {
	var orphans []*item
	for _, it := range batch {
		if !it.settle(nil) && it.intent != nil {
			orphans = append(orphans, &item{outcome: neverSent(it.intent, committedLate), done: make(chan error, 1)})
		}
	}
	if len(orphans) == 0 {
		return
	}
	if err := r.stage(orphans); err != nil {
		r.rescue(orphans, err)
	}
}

// refused finds out which record the store cannot hold, by staging each alone.
func (r *Recorder) refused(batch []*item, err error) {
	if len(batch) > 1 {
		for _, it := range batch {
			r.commit([]*item{it})
		}
		return
	}
	it := batch[0]
	if !it.settle(err) || r.opts.Async {
		r.rescue(batch, err)
	}
}

// rescue spools what can neither be committed nor be given back to a waiter. An attempt that somebody waited for is not
// made, so it need not be on record.
func (r *Recorder) rescue(batch []*item, cause error) {
	for _, it := range batch {
		waited := it.settle(cause)
		if !r.opts.Async && (waited || it.attempt != nil) {
			continue
		}
		err := r.toSpool(it)
		if it.intent != nil && !waited && !r.opts.Async { // async, it may have been sent
			err = errors.Join(err, r.spool.PutOutcome(neverSent(it.intent, committedLate)))
		}
		if err != nil {
			r.log.Error("audit: a record is lost", "intent", it.intent != nil, "error", errors.Join(err, cause))
		}
	}
}

// neverSent is the outcome of a request that was refused although its intent is on record.
const committedLate = "Its record was committed too late."

func neverSent(in *gateway.Intent, why string) *gateway.Outcome {
	return &gateway.Outcome{
		ID: in.ID, Status: gateway.Failed, EndedAt: time.Now(), Error: "The request was refused and never sent. " + why,
	}
}
