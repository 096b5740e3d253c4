package relay_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/relay"
)

// run lets a relay work in a world whose clock jumps, while during changes it.
func run(t *testing.T, w *world, during func(t *testing.T, reg *prometheus.Registry)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		r := relay.New(w, w, relay.Config{
			TaskQueue: "gateway", Interval: 100 * time.Millisecond, Concurrency: 16, BacklogThreshold: 500, BacklogChunk: 200,
			LongRunningAfter: 10 * time.Second, LongRunningDeadline: time.Hour, Batches: true,
		}, slog.New(slog.DiscardHandler), reg)
		w.set(func() { w.relay, w.lost = r, make(chan struct{}) })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Run(ctx)
		}()
		during(t, reg)
		stop()
		<-done
	})
}

// requireSettled checks that every request is in the ledger once, and that no workflow waits for ever.
func requireSettled(t *testing.T, w *world, ids ...uuid.UUID) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Empty(t, w.staged)
	require.Empty(t, w.waiting)
	for _, id := range ids {
		require.Equal(t, 1, w.ledger[id])
	}
}

func TestEveryEndedRequestGetsOneEagerWorkflow(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, reg *prometheus.Registry) {
		ids := w.ended(300)
		time.Sleep(5 * time.Second)
		requireSettled(t, w, ids...)
		require.Equal(t, 300, w.count("start"))
		require.Len(t, w.made(), 300)
		for _, c := range w.made() {
			require.True(t, c.eager)
		}
		require.InDelta(t, 300, starts(t, reg, "ok"), 0)
	})
}

func TestALongRunningRequestIsShownAndThenSignalled(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		id := w.admit()
		time.Sleep(9 * time.Second)
		require.Empty(t, w.made())
		time.Sleep(3 * time.Second)
		require.Equal(t, []call{{"delay", id.String(), false}}, w.made())
		time.Sleep(3 * time.Hour) // past the start delay
		last := gateway.Target{Backend: "standby", Model: "claude-opus-5-5"}
		w.set(func() { w.staged[id].Target, w.staged[id].Attempts = last, 2 })
		w.end(id)
		time.Sleep(time.Second)
		requireSettled(t, w, id)
		require.Len(t, w.told, 1)
		require.Equal(t, last, w.told[0].Target)
		require.Contains(t, w.told[0].Details, "2 attempts")
	})
}

func TestANewLeaderSignalsWorkflowsThatItDidNotStart(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		known, unknown := w.admit(), w.admit()
		time.Sleep(15 * time.Second)
		require.Equal(t, 2, w.waits())
		w.set(func() { close(w.lost); w.lost = make(chan struct{}) })
		w.end(unknown) // before the next leader could see it running
		time.Sleep(5 * time.Second)
		w.end(known)
		time.Sleep(time.Second)
		requireSettled(t, w, known, unknown)
		require.Equal(t, 2, w.terms)
	})
}

func TestTemporalAwayLosesNothingAndIsLeftAlone(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		long := w.admit()
		time.Sleep(12 * time.Second)
		w.set(func() { w.away = true })
		ids := append(w.ended(400), long)
		w.end(long)
		time.Sleep(10 * time.Minute)
		require.Less(t, w.count("away"), 100)
		w.set(func() { w.away = false })
		time.Sleep(20 * time.Second)
		requireSettled(t, w, ids...)
	})
}

func TestASlowStartAmongOthersStopsNothing(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		slow := w.ended(1)
		w.set(func() { w.slow = func(id string) bool { return id == slow[0].String() } })
		for range 100 {
			w.ended(1)
			time.Sleep(200 * time.Millisecond)
		}
		require.Equal(t, 100, w.recorded())
		w.set(func() { w.slow = func(string) bool { return false } })
		time.Sleep(10 * time.Second)
		requireSettled(t, w, slow...)
	})
}

func TestADeepBacklogIsSettledTogether(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		long := w.admit()
		w.set(func() { w.away = true })
		time.Sleep(20 * time.Second)
		ids := append(w.ended(5000), long)
		w.end(long) // it ran for long: somebody may wait for it
		w.set(func() { w.away = false })
		time.Sleep(30 * time.Second)
		requireSettled(t, w, ids...)
		require.Greater(t, w.count("backlog"), 10)
		require.LessOrEqual(t, w.batches, 3)
		require.Less(t, w.count("start"), 2000) // the backlog is counted once a second
		require.True(t, slices.ContainsFunc(w.made(), func(c call) bool { return c.id == long.String() && c.kind != "away" }))
	})
}

func TestWhatHasNoWorkflowOfItsOwnIsSettledWithOthers(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		terminated, refused := w.admit(), w.admit()
		w.set(func() {
			w.closed[terminated.String()] = true
			w.refuse = func(id string) bool { return id == refused.String() }
		})
		w.end(terminated)
		w.end(refused)
		time.Sleep(5 * time.Second)
		requireSettled(t, w, terminated, refused)
		require.Positive(t, w.count("backlog"))
	})
}

func TestALostStartIsMadeAgain(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		w.set(func() { w.lose = true })
		ids := w.ended(10)
		time.Sleep(20 * time.Second)
		require.Zero(t, w.recorded())
		require.Equal(t, 10, w.count("start"))
		time.Sleep(20 * time.Second)
		requireSettled(t, w, ids...)
	})
}

func TestSettlingElsewhereIsNoticedInTime(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		w.set(func() { w.relay = nil }) // the activities run in another process
		ids := w.ended(100)
		time.Sleep(time.Minute)
		requireSettled(t, w, ids...)
		require.Equal(t, 100, w.count("start"))
	})
}

func TestStoppingWaitsForTheStartsInFlight(t *testing.T) {
	w := newWorld()
	run(t, w, func(t *testing.T, _ *prometheus.Registry) {
		w.set(func() { w.away = true })
		w.ended(20)
		time.Sleep(time.Second)
	}) // synctest fails if a goroutine is left
}

// starts is the value of gateway_workflow_starts_total for a result, all kinds together.
func starts(t *testing.T, reg *prometheus.Registry, result string) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "gateway_workflow_starts_total" && m.GetLabel()[1].GetValue() == result {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
