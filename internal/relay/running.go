package relay

import (
	"context"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

// maxShown is how many running requests are given a workflow in one go.
const maxShown = 200

// showLongRunning gives requests that run for long a workflow that waits for their end, until ctx ends.
func (t *term) showLongRunning(ctx context.Context) {
	for ctx.Err() == nil {
		t.showSome(ctx)
		pause(ctx, look)
	}
}

func (t *term) showSome(ctx context.Context) {
	limit := maxShown
	if !t.health.good() {
		limit = 1 // to see whether Temporal is back
	}
	if t.health.wait() > 0 {
		return
	}
	entries, err := t.outbox.LongRunning(ctx, t.cfg.LongRunningAfter, t.delayed.ids(), limit)
	if err != nil {
		return // the outbox is read elsewhere too, and it is told there
	}
	for _, e := range entries {
		if limit > 1 && !t.health.good() || !acquire(ctx, t.starts) {
			return
		}
		t.flying.Go(func() {
			defer release(t.starts)
			t.show(ctx, e)
		})
	}
}

func (t *term) show(ctx context.Context, e gateway.Entry) {
	// Remembered before it is true: if the request ends right now, its signal starts the workflow.
	t.delayed.add(t.cfg.LongRunningDeadline, e.ID)
	options := t.options(e, false)
	options.StartDelay = t.cfg.LongRunningDeadline
	err := t.execute(ctx, kindRunning, options, workflows.Request, workflows.RequestInput{ID: e.ID, Running: true})
	if err != nil && !isStarted(err) && !isRefused(err) {
		t.delayed.remove(e.ID)
	}
}
