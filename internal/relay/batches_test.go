package relay_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
)

func TestEveryBatchThatHasNotEndedGetsAWorkflow(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, reg *prometheus.Registry) {
		b := w.batch()
		time.Sleep(3 * time.Second)
		require.Equal(t, []call{{kind: "batch", id: b.WorkflowID}}, w.made())
		o := w.started()[0]
		require.Equal(t, "gateway", o.TaskQueue)
		require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, o.WorkflowIDReusePolicy)
		require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, o.WorkflowIDConflictPolicy)
		require.Equal(t, "petra (pro) · batch of 25 · /v1/messages", o.StaticSummary)
		require.Equal(t, 3, o.TypedSearchAttributes.Size())
		require.InDelta(t, 1, gauge(t, reg, "gateway_batches_unended"), 0)
	})
}

func TestABatchWhoseWorkflowWasTerminatedGoesOn(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		b := w.batch()
		time.Sleep(30 * time.Second)
		w.set(func() { delete(w.driven, b.WorkflowID) })
		time.Sleep(35 * time.Second)
		require.Equal(t, 2, w.count("batch"), "a minute after the first start")
		require.True(t, w.isDriven(b))
		time.Sleep(10 * time.Minute)
		require.Equal(t, 12, w.count("batch"), "once a minute, though it runs")
	})
}

func TestACanceledBatchIsSignalled(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		b := w.batch()
		time.Sleep(10 * time.Second)
		w.set(func() { b.CancelRequestedAt = time.Now() })
		time.Sleep(2 * time.Second)
		require.True(t, w.isTold(b))
		require.Equal(t, 1, w.count("Cancel"))
		w.set(func() { delete(w.driven, b.WorkflowID) }) // it is terminated
		time.Sleep(2 * time.Minute)
		require.True(t, w.isDriven(b))
		w.set(func() { w.unended = nil })
		made := len(w.made())
		time.Sleep(5 * time.Minute)
		require.Len(t, w.made(), made, "it has ended")
	})
}

func TestABatchThatIsCanceledWhenItsWorkflowIsGoneGetsAnother(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, reg *prometheus.Registry) {
		b := w.batch()
		time.Sleep(10 * time.Second)
		w.set(func() { delete(w.driven, b.WorkflowID); b.CancelRequestedAt = time.Now() })
		time.Sleep(3 * time.Second)
		require.True(t, w.isDriven(b))
		require.Zero(t, starts(t, reg, "error"), "Temporal was there all the time")
	})
}

func TestABatchThatIsCanceledBeforeItHasAWorkflowGetsBoth(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		b := w.batch()
		w.set(func() { b.CancelRequestedAt = time.Now() })
		time.Sleep(2 * time.Second)
		require.True(t, w.isTold(b))
	})
}

func TestBatchesWaitWhileTemporalIsAwayAndItIsLeftAlone(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		w.set(func() { w.away = true })
		for range 50 {
			w.batch()
		}
		time.Sleep(10 * time.Minute)
		require.Less(t, w.count("away"), 100)
		w.set(func() { w.away = false })
		time.Sleep(20 * time.Second)
		require.Equal(t, 50, w.count("batch"))
	})
}

func TestANewLeaderStartsTheBatchesAgain(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		w.batch()
		time.Sleep(5 * time.Second)
		w.set(func() { close(w.lost); w.lost = make(chan struct{}) })
		time.Sleep(5 * time.Second)
		require.Equal(t, 2, w.count("batch"))
	})
}

// gauge is the value of a gauge.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}
