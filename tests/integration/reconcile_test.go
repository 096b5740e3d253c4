package integration

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.temporal.io/sdk/client"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/tests/proof"
)

// An operator who doubts the quota has it compared at once.
func TestATriggeredReconcilePutsRedisRight(t *testing.T) {
	w := stack(t)
	if a := w.ask(t.Context(), "pro", "/v1/messages", message("claude-haiku-5-5", "hi", false)); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	if _, err := proof.Wait(t.Context(), w.Stack, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	var before api.Quota
	w.get(t, "pro", w.Gateway+"/quota", &before)
	plant(t, w, &before, 5)
	var planted, after api.Quota
	w.get(t, "pro", w.Gateway+"/quota", &planted)
	if planted.Requests.Used != before.Requests.Used+5 {
		t.Fatalf("%d used before, %d with 5 planted", before.Requests.Used, planted.Requests.Used)
	}

	c := w.temporal(t)
	schedule := c.ScheduleClient().GetHandle(t.Context(), "reconcile")
	if err := schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the drift repaired", func() bool {
		w.get(t, "pro", w.Gateway+"/quota", &after)
		return after.Requests.Used == before.Requests.Used
	})
	eventually(t, 30*time.Second, "the repair told", func() bool {
		d, err := schedule.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(d.Info.RecentActions, func(a client.ScheduleActionResult) bool {
			var found activities.Reconciled
			run := a.StartWorkflowResult
			if err := c.GetWorkflow(t.Context(), run.WorkflowID, run.FirstExecutionRunID).Get(t.Context(), &found); err != nil {
				t.Fatal(err)
			}
			return found.Repaired == 1 && found.Requests == 5
		})
	})
}

// plant adds to what Redis has of a window.
func plant(t *testing.T, w *world, q *api.Quota, requests int64) {
	t.Helper()
	options, err := redis.ParseURL(w.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	store := redis.NewClient(options)
	defer store.Close()
	key := fmt.Sprintf("quota:{%s}:%s", url.QueryEscape(q.Subject), q.Window.Start.UTC().Format("20060102T1504Z"))
	if err := store.HIncrBy(t.Context(), key, "requests", requests).Err(); err != nil {
		t.Fatal(err)
	}
}
