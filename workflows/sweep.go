package workflows

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
)

// SweepInput says how patient a [Sweep] is.
type SweepInput struct {
	Recheck time.Duration // a frontend is closed when it is found dead twice, this far apart
}

// Swept is what a [Sweep] found to do.
type Swept struct {
	Closed   int64 // requests that a dead frontend left open
	Released int   // reservations that nobody was going to settle
	Dropped  int64 // rows that were staged a second time
}

// Sweep cleans up after processes that died. A step that fails does not keep the others from being done, and the
// next sweep does it again: the error of a sweep is there to be seen.
//
// All steps are local activities, so a sweep that finds nothing is one workflow task and a dozen events.
func Sweep(ctx workflow.Context, in SweepInput) (Swept, error) {
	s := sweep{recheck: in.Recheck}
	ctx = workflow.WithLocalActivityOptions(ctx, once())
	closing := s.closeAbandoned(ctx)
	releasing := s.releaseLeaked(ctx)
	tidying := s.tidy(ctx)
	for _, err := range []error{closing, releasing, tidying} {
		if err != nil {
			return s.found, err
		}
	}
	return s.found, nil
}

// sweep is the state of a Sweep workflow.
type sweep struct {
	recheck time.Duration
	found   Swept
	steps   *activities.Maintenance // nil: only the names of its methods are used
}

// closeAbandoned ends the requests of frontends that are dead. One whose lease could not be renewed for a moment is
// not, so it looks twice.
func (s *sweep) closeAbandoned(ctx workflow.Context) error {
	suspects, err := s.abandoned(ctx)
	if err != nil || len(suspects) == 0 {
		return err
	}
	if err := workflow.Sleep(ctx, s.recheck); err != nil {
		return err
	}
	still, err := s.abandoned(ctx)
	if err != nil {
		return err
	}
	dead := slices.DeleteFunc(still, func(id uuid.UUID) bool { return !slices.Contains(suspects, id) })
	if len(dead) == 0 {
		return nil
	}
	return workflow.ExecuteLocalActivity(ctx, s.steps.CloseAbandoned, dead).Get(ctx, &s.found.Closed)
}

func (s *sweep) abandoned(ctx workflow.Context) (frontends []uuid.UUID, err error) {
	err = workflow.ExecuteLocalActivity(ctx, s.steps.Abandoned).Get(ctx, &frontends)
	return frontends, err
}

func (s *sweep) releaseLeaked(ctx workflow.Context) error {
	return workflow.ExecuteLocalActivity(ctx, s.steps.ReleaseLeaked).Get(ctx, &s.found.Released)
}

func (s *sweep) tidy(ctx workflow.Context) error {
	return workflow.ExecuteLocalActivity(ctx, s.steps.Tidy).Get(ctx, &s.found.Dropped)
}
