package relay

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

const (
	// maxUnended is how many batches are looked after, the oldest.
	maxUnended = 10_000
	// batchTrust is how long a batch's workflow is believed to run, and to have heard that it is to stop.
	batchTrust = time.Minute
)

// runBatches sees to it that every batch that has not ended has a workflow, until ctx ends.
func (t *term) runBatches(ctx context.Context) {
	for ctx.Err() == nil {
		t.lookAfterBatches(ctx)
		pause(ctx, look)
	}
}

func (t *term) lookAfterBatches(ctx context.Context) {
	batches, err := t.outbox.UnendedBatches(ctx, maxUnended)
	if err != nil {
		if ctx.Err() == nil {
			t.log.Warn("the batches cannot be read", "error", err)
		}
		return
	}
	t.metrics.unended.Set(float64(len(batches)))
	single := !t.health.good() // to see whether Temporal is back
	for _, b := range batches {
		start := !t.begun.has(b.ID)
		cancel := !b.CancelRequestedAt.IsZero() && !t.canceled.has(b.ID)
		if !start && !cancel {
			continue
		}
		if t.health.wait() > 0 || !acquire(ctx, t.starts) {
			return
		}
		if start {
			t.begun.add(batchTrust, b.ID)
		}
		drive := func() {
			defer release(t.starts)
			if (!start || t.startBatch(ctx, &b)) && cancel {
				t.cancelBatch(ctx, &b)
			}
		}
		if single {
			drive()
			return
		}
		t.flying.Go(drive)
	}
}

// startBatch starts a batch's workflow, and reports whether there is one now.
func (t *term) startBatch(ctx context.Context, b *gateway.Batch) bool {
	err := t.execute(ctx, kindBatch, t.batchOptions(b), workflows.Batch, workflows.BatchInput{ID: b.ID})
	switch {
	case err == nil, isStarted(err):
		return true
	case isRefused(err):
		t.log.Error("Temporal refuses a batch's workflow; it is tried again in a minute", "batch", b.ID, "error", err)
	default:
		t.begun.remove(b.ID)
	}
	return false
}

// cancelBatch tells a batch's workflow to stop. If there is none, because somebody terminated it, the next one will know.
func (t *term) cancelBatch(ctx context.Context, b *gateway.Batch) {
	t.canceled.add(batchTrust, b.ID)
	begun := time.Now()
	bounded, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := t.starter.SignalWorkflow(bounded, b.WorkflowID, "", workflows.CancelSignal, nil)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		t.begun.remove(b.ID)
		err = nil
	}
	t.report(ctx, begun, kindCancel, err)
	if err != nil {
		t.canceled.remove(b.ID)
	}
}

// batchOptions are those of a batch's workflow. One with its id that has closed does not stand in its way: the batch has
// not ended, so that one was terminated.
func (t *term) batchOptions(b *gateway.Batch) client.StartWorkflowOptions {
	options := t.common(b.WorkflowID)
	options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	options.TypedSearchAttributes = workflows.BatchAttributes(b)
	options.StaticSummary = workflows.BatchTitle(b)
	return options
}
