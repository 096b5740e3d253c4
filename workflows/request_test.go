package workflows_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

// environment runs a workflow against the store, with the clock skipping what is waited for.
func environment(t *testing.T, s *store) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	env := newEnvironment()
	env.RegisterActivity(&activities.Requests{Ledger: s, Quota: s})
	env.SetWorkflowRunTimeout(24 * time.Hour)
	return env
}

func newEnvironment() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return suite.NewTestWorkflowEnvironment()
}

func requireSettledOnce(t *testing.T, env *testsuite.TestWorkflowEnvironment, s *store) {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var charge gateway.Charge
	require.NoError(t, env.GetWorkflowResult(&charge))
	require.Equal(t, gateway.Charge{Requests: 1, Tokens: 10}, charge)
	require.Equal(t, map[uuid.UUID]int{requestID(): 1}, s.written)
	require.Equal(t, s.written, s.settled)
}

func ended() workflows.RequestInput { return workflows.RequestInput{ID: requestID()} }
func running() workflows.RequestInput {
	return workflows.RequestInput{ID: requestID(), Running: true}
}

func TestRequestWritesTheLedgerAndSettles(t *testing.T) {
	s := newStore()
	env := environment(t, s)
	env.ExecuteWorkflow(workflows.Request, ended())
	requireSettledOnce(t, env, s)
}

func TestRequestWaitsOutAQuotaThatIsAway(t *testing.T) {
	s := newStore()
	s.failures = 14 // the first few within the workflow's task, then ever further apart
	env := environment(t, s)
	begun := env.Now()
	env.ExecuteWorkflow(workflows.Request, ended())
	requireSettledOnce(t, env, s)
	require.Equal(t, 15, s.calls)
	require.Greater(t, env.Now().Sub(begun), 2*time.Minute)
}

func TestRequestIsSettledThoughItIsCancelled(t *testing.T) {
	s := newStore()
	s.failures = 10
	env := environment(t, s)
	env.RegisterDelayedCallback(env.CancelWorkflow, 20*time.Second)
	env.ExecuteWorkflow(workflows.Request, ended())
	requireSettledOnce(t, env, s)
}

func TestRunningRequestWaitsForItsEnd(t *testing.T) {
	outcome := workflows.Outcome{Status: gateway.Failed, Details: "it failed"}
	for name, c := range map[string]struct {
		after time.Duration // when the signal comes
		times int
	}{
		"signalled before it runs":     {0, 1},
		"signalled later":              {time.Minute, 1},
		"signalled after many looks":   {2*time.Hour + time.Minute, 1},
		"signalled ten times":          {time.Minute, 10},
		"signalled ten times, at once": {0, 10},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			s.running = true
			env := environment(t, s)
			env.RegisterDelayedCallback(func() {
				s.end()
				for range c.times {
					env.SignalWorkflow(workflows.OutcomeSignal, outcome)
				}
			}, c.after)
			begun := env.Now()
			env.ExecuteWorkflow(workflows.Request, running())
			requireSettledOnce(t, env, s)
			require.InDelta(t, c.after, env.Now().Sub(begun), float64(time.Second))
			require.Equal(t, outcome.Details, currentDetails(t, env))
		})
	}
}

// currentDetails asks the workflow for what the Web UI shows.
func currentDetails(t *testing.T, env *testsuite.TestWorkflowEnvironment) string {
	t.Helper()
	answer, err := env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(t, err)
	var metadata sdk.WorkflowMetadata
	require.NoError(t, answer.Get(&metadata))
	return metadata.GetCurrentDetails()
}

func TestRunningRequestWhoseSignalIsLostFindsItInTheLedger(t *testing.T) {
	s := newStore()
	s.running = true
	env := environment(t, s)
	env.RegisterDelayedCallback(s.end, time.Hour)
	begun := env.Now()
	env.ExecuteWorkflow(workflows.Request, running())
	requireSettledOnce(t, env, s)
	require.LessOrEqual(t, env.Now().Sub(begun), 75*time.Minute)
}

func TestCancellingARunningRequestEndsTheWait(t *testing.T) {
	s := newStore()
	s.running = true
	env := environment(t, s)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(workflows.Request, running())
	require.ErrorContains(t, env.GetWorkflowError(), "canceled")
	require.Empty(t, s.written)
}

func TestSettleBacklogSettlesEachOnce(t *testing.T) {
	s := newStore()
	s.failures = 3
	env := environment(t, s)
	var ids []uuid.UUID
	for range 250 {
		ids = append(ids, uuid.New())
	}
	env.ExecuteWorkflow(workflows.SettleBacklog, workflows.SettleBacklogInput{IDs: ids})
	require.NoError(t, env.GetWorkflowError())
	var settled int
	require.NoError(t, env.GetWorkflowResult(&settled))
	require.Equal(t, len(ids), settled)
	require.Len(t, s.settled, len(ids))
	require.Equal(t, 4, s.calls)
}

func TestARunningRequestThatEndsShowsWhereItWasLastSent(t *testing.T) {
	status, backend, routed := temporal.NewSearchAttributeKeyKeyword("RequestStatus"), temporal.NewSearchAttributeKeyKeyword("Backend"), temporal.NewSearchAttributeKeyKeyword("RoutedModel")
	for name, c := range map[string]struct {
		target gateway.Target
		want   temporal.SearchAttributes
	}{
		"told by this version": {
			gateway.Target{Backend: "bedrock", Model: "us.claude"},
			temporal.NewSearchAttributes(status.ValueSet("completed"), routed.ValueSet("us.claude"), backend.ValueSet("bedrock")),
		},
		"told by a version that sent every request once": {gateway.Target{}, temporal.NewSearchAttributes(status.ValueSet("completed"))},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			env := environment(t, s)
			env.OnUpsertTypedSearchAttributes(c.want).Return(nil).Once()
			env.RegisterDelayedCallback(func() {
				env.SignalWorkflow(workflows.OutcomeSignal, workflows.Outcome{Status: gateway.Completed, Target: c.target})
			}, time.Minute)
			env.ExecuteWorkflow(workflows.Request, running())
			requireSettledOnce(t, env, s)
			env.AssertExpectations(t)
		})
	}
}
