package workflows_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

// submission is what somebody starts a batch with.
func submission(o *office, change func(*activities.Submission)) workflows.BatchInput {
	o.batch.State = gateway.BatchUploading // that is: there is none yet
	s := activities.Submission{Token: "good", Endpoint: "/v1/messages", Items: inline("a", "b", "c")}
	change(&s)
	return workflows.BatchInput{Submission: s}
}

// started runs a batch that somebody started through Temporal with its own id.
func (o *office) started(env *testsuite.TestWorkflowEnvironment, in workflows.BatchInput) {
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: o.batch.PublicID()})
	env.ExecuteWorkflow(workflows.Batch, in)
}

func TestBatchStartedThroughTemporal(t *testing.T) {
	o := newOffice(0)
	env := o.environment()
	o.started(env, submission(o, func(s *activities.Submission) { s.Metadata = map[string]string{"job": "7"} }))
	s := summary(t, env)
	require.Equal(t, "msgbatch_0195d000000070008000000000000001", s.ID)
	require.Equal(t, activities.BatchCounts{Total: 3, Succeeded: 3}, s.Counts)
	require.Equal(t, []string{"a", "b", "c"}, o.items)
	require.Equal(t, gateway.Principal{Subject: "s-1", User: "petra", Tier: "pro"}, o.batch.Principal)
	require.Equal(t, map[string]string{"job": "7"}, o.batch.Metadata)
	require.Equal(t, map[string]any{"User": "petra", "Tier": "pro", "RequestStatus": "completed"}, o.found)
}

func TestBatchThatIsNotPermittedFailsAndLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*activities.Submission)
		err    string
	}{
		"a bad token":         {func(s *activities.Submission) { s.Token = "bad" }, "token: The token is not good."},
		"an unknown endpoint": {func(s *activities.Submission) { s.Endpoint = "/v1/nothing" }, `batches cannot be made for "/v1/nothing"`},
		"another dialect's id": {
			func(s *activities.Submission) { s.Endpoint = "/v1/chat/completions" }, "Start the workflow with that id.",
		},
		"no items":               {func(s *activities.Submission) { s.Items = nil }, "items: the batch has none."},
		"an item without a name": {func(s *activities.Submission) { s.Items[1].CustomID = "" }, "items[1]: "},
		"two items of one name":  {func(s *activities.Submission) { s.Items[2].CustomID = "a" }, `items[2].custom_id: "a" is another item's.`},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(0)
			env := o.environment()
			o.started(env, submission(o, c.change))
			require.ErrorContains(t, env.GetWorkflowError(), c.err)
			require.Equal(t, gateway.BatchUploading, o.batch.State, "none was made")
			require.Empty(t, o.items)
			require.LessOrEqual(t, o.asked, 1, "it is not tried again")
		})
	}
}

// update sends an update and answers what came of it.
type update struct {
	rejected, failed error
	total            int
}

func (u *update) callbacks() *testsuite.TestUpdateCallback {
	return &testsuite.TestUpdateCallback{
		OnReject: func(err error) { u.rejected = err },
		OnComplete: func(answer any, err error) {
			u.failed = err
			if total, ok := answer.(int); ok {
				u.total = total
			}
		},
	}
}

func TestOpenBatchTakesItemsUntilItIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		close func(*testsuite.TestWorkflowEnvironment)
	}{
		"with a signal": {func(env *testsuite.TestWorkflowEnvironment) { env.SignalWorkflow(workflows.CloseSignal, nil) }},
		"with an update": {func(env *testsuite.TestWorkflowEnvironment) {
			env.UpdateWorkflow(workflows.AddItemsUpdate, "last", new(update).callbacks(), workflows.MoreItems{Close: true})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(0)
			o.flaky = true
			env := o.environment()
			begun := env.Now()
			var first, second, double, none, late update
			var between workflows.BatchProgress
			send := func(after time.Duration, id string, u *update, more workflows.MoreItems) {
				env.RegisterDelayedCallback(func() { env.UpdateWorkflow(workflows.AddItemsUpdate, id, u.callbacks(), more) }, after)
			}
			send(0, "0", &first, workflows.MoreItems{Items: inline("d", "e")}) // before the batch has begun
			send(time.Hour, "1", &double, workflows.MoreItems{Items: inline("f", "e")})
			send(time.Hour, "2", &second, workflows.MoreItems{Items: inline("f", "g")})
			send(time.Hour, "3", &none, workflows.MoreItems{})
			env.RegisterDelayedCallback(func() { between = progress(t, env) }, 2*time.Hour)
			env.RegisterDelayedCallback(func() { c.close(env) }, 3*time.Hour)
			send(3*time.Hour, "4", &late, workflows.MoreItems{Items: inline("z")})
			o.started(env, submission(o, func(s *activities.Submission) { s.Open = true }))

			require.Equal(t, activities.BatchCounts{Total: 7, Succeeded: 7}, summary(t, env).Counts)
			require.InDelta(t, 3*time.Hour, env.Now().Sub(begun), float64(time.Minute))
			require.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g"}, o.items)
			require.NoError(t, first.failed)
			require.Equal(t, 5, first.total)
			require.ErrorContains(t, double.failed, `items[1].custom_id: "e" is another item's. None of the items was added.`)
			require.NoError(t, second.failed)
			require.Equal(t, 7, second.total)
			require.ErrorContains(t, none.rejected, "there are no items")
			require.True(t, between.Open)
			require.Equal(t, activities.BatchCounts{Total: 7, Succeeded: 7}, between.Counts)
			require.Equal(t, gateway.WaitItems, between.Wait.Reason)
			require.Error(t, errors.Join(late.rejected, late.failed))
			require.False(t, o.batch.Open)
			require.True(t, slices.ContainsFunc(o.waits, func(w gateway.Wait) bool { return w.Reason == gateway.WaitItems }))
		})
	}
}

func TestBatchThatIsNotOpenTakesNoItems(t *testing.T) {
	o := newOffice(25)
	env := o.environment()
	o.spent(10, env.Now().Add(6*time.Hour))
	var u update
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(workflows.AddItemsUpdate, "1", u.callbacks(), workflows.MoreItems{Items: inline("d")})
	}, time.Hour)
	o.run(t, env)
	require.ErrorContains(t, u.rejected, "not started with open")
}

func TestOpenBatchThatNobodyClosesExpires(t *testing.T) {
	o := newOffice(0)
	env := o.environment()
	o.started(env, submission(o, func(s *activities.Submission) { s.Open = true }))
	s := summary(t, env)
	require.Equal(t, gateway.BatchExpired, s.End)
	require.Equal(t, activities.BatchCounts{Total: 3, Succeeded: 3}, s.Counts)
}

func TestBatchThatIsCanceledWhileItemsAreAddedMarksThem(t *testing.T) {
	o := newOffice(0)
	env := o.environment()
	var during, after update
	tries := 0
	env.RegisterDelayedCallback(func() {
		o.set(func() {
			o.adding = func() error {
				if tries++; tries < 4 {
					return errAway
				}
				return nil
			}
		})
		env.UpdateWorkflow(workflows.AddItemsUpdate, "1", during.callbacks(), workflows.MoreItems{Items: inline("d", "e")})
	}, time.Hour)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.CancelSignal, nil) }, time.Hour+2*time.Second)
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(workflows.AddItemsUpdate, "2", after.callbacks(), workflows.MoreItems{Items: inline("f")})
	}, time.Hour+4*time.Second)
	o.started(env, submission(o, func(s *activities.Submission) { s.Open = true }))
	require.Equal(t, activities.BatchCounts{Total: 5, Succeeded: 3, Canceled: 2}, summary(t, env).Counts)
	require.Equal(t, 5, during.total)
	require.ErrorContains(t, after.rejected, "it is being closed")
}

func TestUpdateOfABatchThatIsRefusedIsAnswered(t *testing.T) {
	o := newOffice(0)
	o.batch.InputFile = requestID()
	env := o.environment()
	var u update
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(workflows.AddItemsUpdate, "1", u.callbacks(), workflows.MoreItems{Items: inline("d")})
	}, 0)
	env.ExecuteWorkflow(workflows.Batch, workflows.BatchInput{ID: o.batch.ID, Submission: activities.Submission{Open: true}})
	require.Equal(t, gateway.BatchRefused, summary(t, env).End)
	require.ErrorContains(t, u.failed, "takes no more items")
}
