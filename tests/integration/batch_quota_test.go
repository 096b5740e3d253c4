package integration

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/converter"

	"github.com/openova-io/llm-gateway/internal/api"
)

// dayEnds has the quota's day end after a while, and answers when.
func (w *world) dayEnds(t *testing.T, after time.Duration) time.Time {
	t.Helper()
	midnight := time.Now().Add(after).Truncate(time.Second)
	if err := w.zone.midnightAt(midnight); err != nil {
		t.Fatal(err)
	}
	// They read it when they start.
	var killed [3]error
	var all sync.WaitGroup
	for i, name := range []string{"frontend", "frontend-2", "worker"} {
		all.Go(func() { killed[i] = w.Do(t.Context(), "kill/"+name+"?wait=true") })
	}
	all.Wait()
	if err := errors.Join(killed[:]...); err != nil {
		t.Fatal(err)
	}
	return midnight
}

// The tier "fifteen" has a quota that a test can use up.
const fifteen = `tiers.fifteen={requests_per_day: 15, routes: [{match: "*", backend: internal, model: internal}]}`

func aLargeBatchWaits(t *testing.T, w *world, midnight time.Time) {
	o := w.owner(t, "fifteen")
	for range 5 {
		o.want(t, http.StatusOK, nil, http.MethodPost, "/v1/messages", message("internal", "hello", false))
	}
	id := o.submit(t, "internal", items(25, "hello")) // 10 are left
	b := o.until(t, id, time.Until(midnight), "the batch waits", func(b api.Batch) bool { return b.Waiting != nil && b.Counts.Succeeded == 10 })
	if b.Waiting.Reason != "quota" || b.Waiting.Until.Sub(midnight).Abs() > time.Second || !strings.Contains(b.Waiting.Message, o.name()+"'s daily quota") {
		t.Errorf("it waits %+v, want for the quota until %s", b.Waiting, midnight)
	}
	if b.State != "running" || b.Counts.Errored != 0 || b.Counts.Waiting != 15 || b.Counts.Running != 0 {
		t.Errorf("while it waits: %s %+v", b.State, b.Counts)
	}
	o.seenWaiting(t, id)

	b = o.ended(t, id)
	o.provedAs(t, b, "completed", 25, 0)
	rows, err := w.db(t, "auditor").Query(t.Context(), `
		SELECT window_start, count(*)::int, sum(charge_requests)::int FROM ledger WHERE batch_id = $1 GROUP BY 1 ORDER BY 1`, batchID(t, id))
	if err != nil {
		t.Fatal(err)
	}
	type window struct {
		Start     time.Time
		Requests  int
		ChargedTo int
	}
	windows, err := pgx.CollectRows(rows, pgx.RowToStructByPos[window])
	if err != nil || len(windows) != 2 {
		t.Fatalf("windows %+v, %v: want two", windows, err)
	}
	first, second := windows[0], windows[1]
	if first.Requests != 10 || first.ChargedTo != 10 || second.Requests != 15 || second.ChargedTo != 15 || !second.Start.Equal(midnight) {
		t.Errorf("windows %+v: want 10 and, from %s, 15", windows, midnight)
	}
}

// seenWaiting holds what an operator sees in the Temporal Web UI of a batch that waits for its quota.
func (o *owner) seenWaiting(t *testing.T, id string) {
	t.Helper()
	temporal := o.temporal(t)
	run, err := temporal.DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	found := run.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()
	for name, want := range map[string]string{"RequestStatus": "waiting", "User": o.name(), "Tier": "fifteen"} {
		var got string
		if err := converter.GetDefaultDataConverter().FromPayload(found[name], &got); err != nil || got != want {
			t.Errorf("%s is %q, %v: want %q", name, got, err, want)
		}
	}
	answer, err := temporal.QueryWorkflow(t.Context(), id, "", "__temporal_workflow_metadata")
	if err != nil {
		t.Fatal(err)
	}
	var about sdk.WorkflowMetadata
	if err := answer.Get(&about); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"for the quota of " + o.name(), "10 of 25 have ended", o.name() + " (fifteen)"} {
		if !strings.Contains(about.GetCurrentDetails(), part) {
			t.Errorf("the details do not have %q:\n%s", part, about.GetCurrentDetails())
		}
	}
}
