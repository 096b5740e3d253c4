package workflows_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

// desk is an office that a real server works with.
type desk struct {
	*office
	recorder
}

func newDesk(t *testing.T, c client.Client, items int) desk {
	t.Helper()
	o := newOffice(items)
	o.now = time.Now
	o.batch.ID = uuid.Must(uuid.NewV7())
	o.batch.WorkflowID, o.batch.ExpiresAt = o.batch.PublicID(), time.Now().Add(time.Hour)
	return desk{o, startRecorder(t, c, func(queue string, w worker.Registry) {
		o.queue = queue
		w.RegisterActivity(o.activities())
	})}
}

func (d desk) begin(t *testing.T, change func(*workflows.BatchInput)) string {
	t.Helper()
	in := workflows.BatchInput{ID: d.batch.ID}
	change(&in)
	options := client.StartWorkflowOptions{
		ID: d.batch.WorkflowID, TaskQueue: d.office.queue, TypedSearchAttributes: workflows.BatchAttributes(&d.batch), StaticSummary: workflows.BatchTitle(&d.batch),
	}
	run, err := d.client.ExecuteWorkflow(t.Context(), options, workflows.Batch, in)
	require.NoError(t, err)
	return run.GetID()
}

func asItIs(*workflows.BatchInput) {}

// waits lets some items succeed; the rest wait until the time.
func (d desk) waits(reason gateway.WaitReason, until time.Time) {
	d.work = func(c gateway.Chunk) (int, gateway.Wait, error) {
		if time.Now().Before(until) && c.From == 0 {
			return 3, gateway.Wait{Reason: reason, Until: until}, nil
		}
		return 10, gateway.Wait{}, nil
	}
}

// TestRecordBatchHistories is TestRecordHistories for batches.
func TestRecordBatchHistories(t *testing.T) {
	c := dial(t)
	t.Run("batch_completed", func(t *testing.T) {
		d := newDesk(t, c, 65)
		d.save(t, d.begin(t, asItIs))
	})
	for name, reason := range map[string]gateway.WaitReason{"batch_waited_for_quota": gateway.WaitQuota, "batch_put_off_native": gateway.WaitNative} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, c, 25)
			d.waits(reason, time.Now().Add(3*time.Second))
			d.save(t, d.begin(t, asItIs))
		})
	}
	t.Run("batch_expired", func(t *testing.T) {
		d := newDesk(t, c, 25)
		d.batch.ExpiresAt = time.Now().Add(3 * time.Second)
		d.waits(gateway.WaitQuota, time.Now().Add(time.Hour))
		d.save(t, d.begin(t, asItIs))
		require.Equal(t, gateway.BatchExpired, d.batch.End)
	})
	for name, cancel := range map[string]func(ctx context.Context, d desk) error{
		"batch_canceled": func(ctx context.Context, d desk) error {
			return c.SignalWorkflow(ctx, d.batch.WorkflowID, "", workflows.CancelSignal, nil)
		},
		"batch_workflow_cancelled": func(ctx context.Context, d desk) error { return c.CancelWorkflow(ctx, d.batch.WorkflowID, "") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, c, 45)
			running := make(chan struct{}, 4)
			d.linger = true
			d.work = func(gateway.Chunk) (int, gateway.Wait, error) {
				running <- struct{}{}
				return 4, gateway.Wait{}, nil
			}
			id := d.begin(t, asItIs)
			for range 4 {
				<-running
			}
			require.NoError(t, cancel(t.Context(), d))
			d.save(t, id)
			// The chunks were told, finished what they had, and said so.
			require.Equal(t, gateway.ItemCounts{Succeeded: 16, Canceled: 29}, d.batch.Counts)
		})
	}
	t.Run("batch_canceled_too_late", func(t *testing.T) {
		d := newDesk(t, c, 35)
		running := make(chan struct{}, 4)
		d.linger = true
		d.work = func(gateway.Chunk) (int, gateway.Wait, error) {
			running <- struct{}{}
			return 10, gateway.Wait{}, nil
		}
		id := d.begin(t, asItIs)
		for range 4 {
			<-running
		}
		require.NoError(t, c.SignalWorkflow(t.Context(), id, "", workflows.CancelSignal, nil))
		d.save(t, id)
		require.Equal(t, gateway.BatchCompleted, d.batch.End)
	})
	t.Run("batch_refused", func(t *testing.T) {
		d := newDesk(t, c, 0)
		d.batch.InputFile = requestID()
		d.save(t, d.begin(t, asItIs))
	})
	t.Run("batch_open", func(t *testing.T) {
		d := newDesk(t, c, 0)
		id := d.begin(t, func(in *workflows.BatchInput) {
			d.batch.State = gateway.BatchUploading
			*in = workflows.BatchInput{Submission: activities.Submission{Token: "good", Endpoint: "/v1/messages", Items: inline("a", "b"), Open: true}}
		})
		for i, name := range []string{"c", "d"} {
			answer, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
				WorkflowID: id, UpdateName: workflows.AddItemsUpdate, WaitForStage: client.WorkflowUpdateStageCompleted,
				Args: []any{workflows.MoreItems{Items: inline(name)}},
			})
			require.NoError(t, err)
			var total int
			require.NoError(t, answer.Get(t.Context(), &total))
			require.Equal(t, 3+i, total)
		}
		require.NoError(t, c.SignalWorkflow(t.Context(), id, "", workflows.CloseSignal, nil))
		d.save(t, id)
		require.Equal(t, gateway.ItemCounts{Succeeded: 4}, d.batch.Counts)
	})
	t.Run("batch_resumed", func(t *testing.T) {
		d := newDesk(t, c, 65)
		d.batch.State = gateway.BatchRunning
		for n := range 28 {
			d.results[n] = gateway.ItemSucceeded
		}
		d.save(t, d.begin(t, func(in *workflows.BatchInput) {
			require.NoError(t, json.Unmarshal([]byte(`{"next":30,"done":{"Succeeded":20},"status":"running",
				"waiting":[{"from":20,"to":30,"counts":{"Succeeded":8}}]}`), &in.Resume))
		}))
		require.Equal(t, gateway.ItemCounts{Succeeded: 65}, d.batch.Counts)
	})
}
