package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// step runs an activity until it succeeds, however long that takes, and stores its result in out unless that is nil. Its
// error is one that no repetition helps against.
//
// It is tried inside the workflow's own task first, where it costs no more than the work itself. If that does not
// succeed within seconds, because Redis or the database is away, it becomes an ordinary activity: the server retries
// it without holding anything of the worker's, the history does not grow, and the Web UI shows it as pending, with
// its last error and the time of the next attempt.
func step(ctx workflow.Context, out, activity any, args ...any) error {
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, quickly()), activity, args...).Get(ctx, out)
	if said, ok := errors.AsType[*temporal.ApplicationError](err); err == nil || ok && said.NonRetryable() {
		return err
	}
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, forever()), activity, args...).Get(ctx, out)
}

func quickly() workflow.LocalActivityOptions {
	return workflow.LocalActivityOptions{
		StartToCloseTimeout:    5 * time.Second,
		ScheduleToCloseTimeout: 6 * time.Second, // within one workflow task, which may take ten
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 3, MaximumInterval: 2 * time.Second},
	}
}

func forever() workflow.ActivityOptions {
	return workflow.ActivityOptions{
		StartToCloseTimeout: 15 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	}
}

// once is for what will be tried again anyway.
func once() workflow.LocalActivityOptions {
	return workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}
}
