package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
)

// Reconcile compares the quota's store with the ledger, window by window, and puts right what is wrong. It answers what
// it found. A schedule starts it; whoever wants to know at once triggers the schedule, or starts it by hand.
func Reconcile(ctx workflow.Context) (activities.Reconciled, error) {
	var (
		found activities.Reconciled
		steps *activities.Maintenance // nil: only the names of its methods are used
	)
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Hour, HeartbeatTimeout: time.Minute,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: time.Minute, MaximumAttempts: 10},
	})
	err := workflow.ExecuteActivity(ctx, steps.Reconcile).Get(ctx, &found)
	return found, err
}
