package relay

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	// patience is how long a start is believed in. Then the request is still in the outbox, and started again.
	patience = 30 * time.Second
	// look is how often the relay counts the backlog and looks for requests that run for long.
	look = time.Second
)

// term is the time that a relay leads.
type term struct {
	*Relay
	health  health
	backlog atomic.Int64  // requests in the outbox
	starts  chan struct{} // a slot for each start in flight
	batches chan struct{} // a slot for each SettleBacklog that runs
	flying  sync.WaitGroup

	mu     sync.Mutex
	strays []uuid.UUID // not to be settled by a workflow of their own
}

// empty starts what has ended, until ctx ends.
func (t *term) empty(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := t.round(ctx)
		if err != nil && ctx.Err() == nil {
			t.log.Warn("the outbox cannot be read", "error", err)
			pause(ctx, time.Second)
		}
		if !more {
			pause(ctx, t.cfg.Interval)
		}
	}
}

// round looks into the outbox once, and reports whether there is more in it. While Temporal is away it tries with a
// single request.
func (t *term) round(ctx context.Context) (more bool, err error) {
	if wait := t.health.wait(); wait > 0 {
		pause(ctx, wait)
		return true, nil
	}
	underway := t.underway.ids()
	exclude := append(t.together.ids(), underway...)
	limit, deep := t.cfg.Concurrency-len(underway), t.deep(len(exclude))
	switch {
	case !t.health.good():
		limit, deep = 1, false
	case deep:
		limit = t.cfg.BacklogChunk
	}
	if limit <= 0 {
		return false, nil
	}
	entries, err := t.outbox.Pending(ctx, exclude, limit)
	if err != nil {
		return false, err
	}
	more = len(entries) == limit
	together := t.takeStrays()
	if deep {
		var many []uuid.UUID
		many, entries = t.divide(entries)
		together = append(together, many...)
	}
	t.startEach(ctx, entries)
	t.settleTogether(ctx, together)
	return more, nil
}

// deep tells that more wait than can be started singly, beside those that are underway.
func (t *term) deep(underway int) bool {
	return t.backlog.Load()-int64(underway) > int64(t.cfg.BacklogThreshold)
}

// startEach starts the workflows of requests, each as soon as there is a slot. It stops when Temporal does not answer.
func (t *term) startEach(ctx context.Context, entries []gateway.Entry) {
	single := !t.health.good()
	for _, e := range entries {
		if !single && !t.health.good() || !acquire(ctx, t.starts) {
			return
		}
		t.underway.add(patience, e.ID)
		run := func() {
			defer release(t.starts)
			t.start(ctx, e)
		}
		if single {
			run()
			continue
		}
		t.flying.Go(run)
	}
}

// measure keeps the gauges and what is underway, until ctx ends.
func (t *term) measure(ctx context.Context) {
	for ctx.Err() == nil {
		if n, oldest, err := t.outbox.Backlog(ctx); err == nil {
			t.backlog.Store(n)
			t.metrics.pending.Set(float64(n))
			t.metrics.oldest.Set(oldest.Seconds())
		}
		t.forgetSettled(ctx)
		pause(ctx, look)
	}
}

// forgetSettled finds out what other processes have settled: what is underway and not in the outbox any more.
func (t *term) forgetSettled(ctx context.Context) {
	underway := t.underway.ids()
	if len(underway) == 0 {
		return
	}
	entries, err := t.outbox.Pending(ctx, t.together.ids(), len(underway))
	if err != nil {
		return
	}
	waiting := make(map[uuid.UUID]bool, len(entries))
	for _, e := range entries {
		waiting[e.ID] = true
	}
	for _, id := range underway {
		// The outbox answers in the order of the ids: of those after the last it has said nothing.
		answered := len(entries) < len(underway) || bytes.Compare(id[:], entries[len(entries)-1].ID[:]) <= 0
		if answered && !waiting[id] {
			t.underway.remove(id)
		}
	}
}

func acquire(ctx context.Context, slots chan<- struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func release(slots <-chan struct{}) { <-slots }
