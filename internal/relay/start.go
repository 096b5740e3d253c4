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

// startTimeout bounds one call: the client retries silently until then, while Temporal is away or too busy.
const startTimeout = 5 * time.Second

// start gives a request that has ended to a workflow of its own.
func (t *term) start(ctx context.Context, e gateway.Entry) {
	if t.delayed.has(e.ID) {
		t.signal(ctx, e)
		return
	}
	err := t.execute(ctx, kindRequest, t.options(e, true), workflows.Request, workflows.RequestInput{ID: e.ID})
	switch {
	case isStarted(err):
		// By a leader before, when the request ran for long; or by us, and the answer was lost.
		t.signal(ctx, e)
	case isRefused(err):
		t.log.Error("Temporal refuses a request's workflow; the request is settled with others", "request", e.ID, "error", err)
		t.stray(e.ID)
	case err != nil:
		t.underway.remove(e.ID)
	}
}

// signal tells a waiting workflow that its request has ended, which ends its start delay too. If the workflow is
// closed though the request is not on record, somebody terminated it.
func (t *term) signal(ctx context.Context, e gateway.Entry) {
	begun := time.Now()
	bounded, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	options := t.options(e, false)
	_, err := t.starter.SignalWithStartWorkflow(bounded, options.ID, workflows.OutcomeSignal,
		workflows.Outcome{Status: e.Status, Target: e.Target, Details: workflows.Details(e)}, options,
		workflows.Request, workflows.RequestInput{ID: e.ID, Running: true})
	t.report(ctx, begun, kindSignal, err)
	switch {
	case err == nil:
		t.delayed.remove(e.ID)
	case isStarted(err), isRefused(err):
		t.delayed.remove(e.ID)
		t.stray(e.ID)
	default:
		t.underway.remove(e.ID)
	}
}

// execute starts a workflow and keeps count.
func (t *term) execute(ctx context.Context, kind string, options client.StartWorkflowOptions, workflow, input any) error {
	begun := time.Now()
	bounded, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	_, err := t.starter.ExecuteWorkflow(bounded, options, workflow, input)
	t.report(ctx, begun, kind, err)
	return err
}

// options are those of a request's workflow.
func (t *term) options(e gateway.Entry, eager bool) client.StartWorkflowOptions {
	options := t.common(e.ID.String())
	options.EnableEagerStart = eager
	options.TypedSearchAttributes = workflows.Attributes(e)
	options.StaticSummary = workflows.Summary(e)
	options.StaticDetails = workflows.Details(e)
	return options
}

func (t *term) common(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: id, TaskQueue: t.cfg.TaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
}

// report counts a call and notes whether Temporal is there.
func (t *term) report(ctx context.Context, begun time.Time, kind string, err error) {
	switch {
	case err == nil, isStarted(err):
		t.metrics.count(kind, err)
		if t.health.ok() {
			t.log.Info("Temporal is back")
		}
	case isRefused(err):
		t.metrics.count(kind, err)
	case ctx.Err() != nil:
		// It is we who stopped the call.
	default:
		t.metrics.count(kind, err)
		if t.health.fail(begun) {
			t.log.Warn("Temporal does not start workflows; requests wait in the outbox", "error", err)
		}
	}
}

// isStarted tells that a workflow with the id exists, running or closed.
func isStarted(err error) bool {
	_, ok := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err)
	return ok
}

// isRefused tells that Temporal will never accept the call, however often it is made.
func isRefused(err error) bool {
	_, ok := errors.AsType[*serviceerror.InvalidArgument](err)
	return ok
}
