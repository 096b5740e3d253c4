package workflows

import (
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
)

// SettleBacklogInput names the requests of a [SettleBacklog]: a few hundred, all of them ended.
type SettleBacklogInput struct {
	IDs []uuid.UUID
}

// SettleBacklog does for many requests what [Request] does for one, and answers for how many.
func SettleBacklog(ctx workflow.Context, in SettleBacklogInput) (int, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 15 * time.Second},
	})
	var (
		steps   *activities.Requests // nil: only the names of its methods are used
		settled int
	)
	err := workflow.ExecuteActivity(ctx, steps.SettleMany, in.IDs).Get(ctx, &settled)
	return settled, err
}
