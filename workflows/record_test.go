package workflows_test

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/seal"
	"github.com/openova-io/llm-gateway/internal/temporal"
	"github.com/openova-io/llm-gateway/workflows"
)

var (
	record    = flag.String("record", "", "address of a Temporal server to record new histories on")
	namespace = flag.String("namespace", "default", "namespace on it")
)

// recorder runs workflows on a real server, against stores that behave as a test wants.
type recorder struct {
	client client.Client
	queue  string
}

// TestRecordHistories writes the histories that TestRecordedHistoriesReplay replays:
//
//	go test ./workflows -run TestRecordHistories -record 127.0.0.1:7233 -namespace default
//
// Rename the files that it replaces if a version with the old workflows was ever deployed.
func TestRecordHistories(t *testing.T) {
	c := dial(t)
	outcome := workflows.Outcome{Status: gateway.Completed, Details: workflows.Details(entry())}
	many := workflows.SettleBacklogInput{IDs: []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}}

	t.Run("request_completed", func(t *testing.T) {
		r := newRecorder(t, c, newStore(), nil)
		r.save(t, r.start(t, "", 0, workflows.Request, ended()))
	})
	t.Run("request_quota_away", func(t *testing.T) {
		s := newStore()
		s.failures = 7 // some in the workflow's own task, then some of an ordinary activity
		r := newRecorder(t, c, s, nil)
		r.save(t, r.start(t, "", 0, workflows.Request, ended()))
	})
	t.Run("request_running_delay_cut", func(t *testing.T) {
		r := newRecorder(t, c, newStore(), nil)
		id := r.start(t, "", time.Hour, workflows.Request, running())
		for range 3 {
			r.signalWithStart(t, id, outcome)
		}
		r.save(t, id)
	})
	t.Run("request_running_signalled_later", func(t *testing.T) {
		r := newRecorder(t, c, newStore(), nil)
		id := r.start(t, "", 0, workflows.Request, running())
		time.Sleep(time.Second)
		r.signalWithStart(t, id, outcome)
		r.save(t, id)
	})
	t.Run("request_running_sent_again", func(t *testing.T) {
		r := newRecorder(t, c, newStore(), nil)
		id := r.start(t, "", time.Hour, workflows.Request, running())
		e := entry()
		e.Target, e.Attempts = gateway.Target{Backend: "standby", Model: "claude-opus-5-5"}, 2
		r.signalWithStart(t, id, workflows.Outcome{Status: e.Status, Target: e.Target, Details: workflows.Details(e)})
		r.save(t, id)
	})
	t.Run("backlog", func(t *testing.T) {
		s := newStore()
		s.failures = 1
		r := newRecorder(t, c, s, nil)
		r.save(t, r.start(t, "", 0, workflows.SettleBacklog, many))
	})
	t.Run("sweep_nothing", func(t *testing.T) {
		r := newRecorder(t, c, newStore(), &staging{})
		r.save(t, r.start(t, "", 0, workflows.Sweep, workflows.SweepInput{Recheck: time.Second}))
	})
	t.Run("reconcile", func(t *testing.T) {
		r := newRecorder(t, c, newStore(), &staging{stale: []uuid.UUID{uuid.New()}})
		r.save(t, r.start(t, "", 0, workflows.Reconcile))
	})
	t.Run("seal", func(t *testing.T) {
		waiting := &backlog{waiting: 25_000}
		r := startRecorder(t, c, func(_ string, w worker.Registry) {
			w.RegisterActivity(&activities.Seals{Ledger: waiting, OnSeal: func(seal.Seal) {}, OnWaiting: func(int64) {}})
		})
		r.save(t, r.start(t, "", 0, workflows.Seal))
	})
	t.Run("sweep_closes", func(t *testing.T) {
		dead := []uuid.UUID{uuid.New()}
		r := newRecorder(t, c, newStore(), &staging{abandoned: [][]uuid.UUID{dead, dead}})
		r.save(t, r.start(t, "", 0, workflows.Sweep, workflows.SweepInput{Recheck: time.Second}))
	})
}

// dial connects to the server to record on, and makes its namespace fit.
func dial(t *testing.T) client.Client {
	t.Helper()
	if *record == "" {
		t.Skip("it needs a Temporal server: see -record")
	}
	c, err := client.Dial(client.Options{
		HostPort: *record, Namespace: *namespace, Identity: "recorder",
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	cfg := config.Temporal{Address: *record, Namespace: *namespace, CreateNamespace: true, Retention: 24 * time.Hour}
	needs := temporal.Needs{Keywords: workflows.Keywords()}
	require.NoError(t, temporal.Setup(t.Context(), c, cfg, needs, slog.New(slog.DiscardHandler)))
	return c
}

func newRecorder(t *testing.T, c client.Client, s *store, st *staging) recorder {
	t.Helper()
	return startRecorder(t, c, func(_ string, w worker.Registry) {
		w.RegisterActivity(&activities.Requests{Ledger: s, Quota: s})
		if st != nil {
			st.store = s
			w.RegisterActivity(&activities.Maintenance{Staging: st, Quota: st, OnInterrupted: func(int64) {}, OnDrift: func(gateway.Drift) {}})
		}
	})
}

// startRecorder starts a worker on a task queue of its own.
func startRecorder(t *testing.T, c client.Client, register func(queue string, w worker.Registry)) recorder {
	t.Helper()
	r := recorder{client: c, queue: "record-" + uuid.NewString()}
	w := worker.New(c, r.queue, worker.Options{BuildID: "recorded"}) //nolint:staticcheck // it keeps a checksum of the test's binary out of the files
	registerAll(w)
	register(r.queue, w)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return r
}

func (r recorder) options(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: id, TaskQueue: r.queue, EnableEagerStart: true, TypedSearchAttributes: workflows.Attributes(entry()),
		StaticSummary: workflows.Summary(entry()), StaticDetails: workflows.Details(entry()),
	}
}

func (r recorder) start(t *testing.T, id string, delay time.Duration, workflow any, input ...any) string {
	t.Helper()
	options := r.options(id)
	options.StartDelay = delay
	run, err := r.client.ExecuteWorkflow(t.Context(), options, workflow, input...)
	require.NoError(t, err)
	return run.GetID()
}

func (r recorder) signalWithStart(t *testing.T, id string, outcome workflows.Outcome) {
	t.Helper()
	options := r.options(id)
	options.EnableEagerStart = false
	_, err := r.client.SignalWithStartWorkflow(t.Context(), id, workflows.OutcomeSignal, outcome, options, workflows.Request, running())
	require.NoError(t, err)
}

// save waits for the workflow's end and writes its history.
func (r recorder) save(t *testing.T, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, r.client.GetWorkflow(ctx, id, "").Get(ctx, nil))
	var recorded history.History
	for events := r.client.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		require.NoError(t, err)
		recorded.Events = append(recorded.Events, event)
	}
	text, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(&recorded)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join("testdata", filepath.Base(t.Name())+".json"), append(text, '\n'), 0o644))
}
