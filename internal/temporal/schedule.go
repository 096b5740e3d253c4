package temporal

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// Schedule is a workflow that is started again and again, never twice at a time.
type Schedule struct {
	ID       string // of the schedule, and the beginning of the workflows'
	Every    time.Duration
	Workflow any    // the function
	Input    any    // nil if it takes none
	Summary  string // one line, for the Web UI
}

// schedules makes the schedules, and changes those that were made by another version or with another configuration.
// It leaves alone whether somebody paused one.
func (s setup) schedules(ctx context.Context) error {
	for _, want := range s.needs.Schedules {
		_, err := s.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID: want.ID, Spec: want.spec(), Action: s.action(want), Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
			CatchupWindow: catchUp, TriggerImmediately: true,
		})
		if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
			err = s.client.ScheduleClient().GetHandle(ctx, want.ID).Update(ctx, client.ScheduleUpdateOptions{
				DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
					schedule := in.Description.Schedule
					spec := want.spec()
					schedule.Spec, schedule.Action = &spec, s.action(want)
					return &client.ScheduleUpdate{Schedule: &schedule}, nil
				},
			})
		}
		if err != nil {
			return wrap("set the schedule "+want.ID, err)
		}
	}
	return nil
}

// catchUp is how late a start may be. What was missed longer ago is not made up for: the next one does it all.
const catchUp = 10 * time.Second

func (w Schedule) spec() client.ScheduleSpec {
	return client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: w.Every}}}
}

func (s setup) action(w Schedule) *client.ScheduleWorkflowAction {
	var args []any
	if w.Input != nil {
		args = []any{w.Input}
	}
	return &client.ScheduleWorkflowAction{
		ID: w.ID, Workflow: w.Workflow, Args: args, TaskQueue: s.cfg.TaskQueue, StaticSummary: w.Summary,
	}
}
