package relay

import (
	"context"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

const (
	// maxBatches is how many SettleBacklog run at a time.
	maxBatches = 3
	// batchPatience is how long such a workflow is waited for. It goes on without us.
	batchPatience = 5 * time.Minute
)

// divide picks the requests that can be settled together. One that may have a workflow waiting for it cannot: that
// would not be told. It may if it ran for long, by clocks that may differ.
func (t *term) divide(entries []gateway.Entry) (together []uuid.UUID, rest []gateway.Entry) {
	for _, e := range entries {
		if t.delayed.has(e.ID) || e.EndedAt.Sub(e.AdmittedAt) > t.cfg.LongRunningAfter/2 {
			rest = append(rest, e)
		} else {
			together = append(together, e.ID)
		}
	}
	return together, rest
}

// stray gives up on a workflow of its own for the request: it is settled together with others.
func (t *term) stray(id uuid.UUID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.strays = append(t.strays, id)
}

func (t *term) takeStrays() []uuid.UUID {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.strays
	t.strays = nil
	return taken
}

// settleTogether settles requests with one workflow, and returns when that is started.
func (t *term) settleTogether(ctx context.Context, ids []uuid.UUID) {
	if len(ids) == 0 || !acquire(ctx, t.batches) {
		return
	}
	t.together.add(batchPatience, ids...)
	options := t.common("backlog-" + ids[0].String())
	options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	options.EnableEagerStart = true
	begun := time.Now()
	bounded, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	run, err := t.starter.ExecuteWorkflow(bounded, options, workflows.SettleBacklog, workflows.SettleBacklogInput{IDs: ids})
	t.report(ctx, begun, kindBacklog, err)
	switch {
	case isStarted(err): // the answer of its start was lost, so look again when it may have ended
		t.together.add(patience, ids...)
	case err != nil:
		t.together.remove(ids...)
	}
	if err != nil {
		release(t.batches)
		return
	}
	t.flying.Go(func() {
		defer release(t.batches)
		defer t.together.remove(ids...)
		done, cancel := context.WithTimeout(ctx, batchPatience)
		defer cancel()
		if err := run.Get(done, nil); err != nil && ctx.Err() == nil {
			t.log.Warn("a workflow that settles many requests does not end", "workflow", options.ID, "error", err)
		}
	})
}
