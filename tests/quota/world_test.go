package quota

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
	"github.com/openova-io/llm-gateway/internal/record"
	"github.com/openova-io/llm-gateway/internal/redis"
	"github.com/openova-io/llm-gateway/internal/redis/redistest"
	"github.com/openova-io/llm-gateway/internal/routing"
	"github.com/openova-io/llm-gateway/internal/spool"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// patience bounds every call; nothing here is about speed.
const patience = time.Minute

// world is a database and a Redis, both real.
type world struct {
	t        *testing.T
	postgres *postgrestest.Server
	redis    *redistest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, postgres: postgrestest.Start(t), redis: redistest.Start(t)}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// process is what a frontend and a worker have alike: connections of its own to the database and to Redis.
type process struct {
	db    *postgres.DB
	quota *redis.Quota
}

func (w *world) process(role postgrestest.Role) process {
	w.t.Helper()
	db, err := postgres.Open(w.t.Context(), postgres.Config{URL: w.postgres.URL(role)})
	w.check(err)
	w.t.Cleanup(db.Close)
	q, err := redis.Open(config.Redis{URL: w.redis.URL()}, time.Minute, db)
	w.check(err)
	w.t.Cleanup(func() { _ = q.Close() })
	return process{db: db, quota: q}
}

// frontend is the request path of a frontend: everything below HTTP.
type frontend struct {
	process
	service *exchange.Service
}

// watched is a quota of which a test is told whenever it has admitted a request, or has once more.
type watched struct {
	*redis.Quota

	admitted func()
}

func (q watched) Reserve(ctx context.Context, a gateway.Ask) (gateway.Use, gateway.Refusal, error) {
	use, refusal, err := q.Quota.Reserve(ctx, a)
	if err == nil && refusal == gateway.Admitted {
		q.admitted()
	}
	return use, refusal, err
}

// frontends makes some, in front of one model.
func (w *world) frontends(n int, model string, admitted func()) []frontend {
	w.t.Helper()
	cfg := config.Default()
	for _, name := range []string{"anthropic", "internal"} {
		cfg.Backends = append(cfg.Backends, config.Backend{
			Name: name, Dialects: []string{"anthropic"}, BaseURL: model, Auth: config.Auth{Mode: config.AuthOperator},
		})
	}
	transport := backend.NewTransport(cfg.Upstream)
	w.t.Cleanup(transport.CloseIdleConnections)
	table, err := routing.NewTable(&cfg, backend.Environment{OperatorToken: "operator", Transport: transport}, nil)
	w.check(err)
	compressor, err := record.NewCompressor()
	w.check(err)
	all := make([]frontend, n)
	for i := range all {
		p := w.process(postgrestest.Frontend)
		spooled, err := spool.Open(w.t.TempDir(), 1<<20)
		w.check(err)
		w.t.Cleanup(func() { _ = spooled.Close() })
		quiet := slog.New(slog.DiscardHandler)
		recorder := record.New(p.db, spooled, record.Options{
			CommitTimeout: patience, Queue: cfg.Audit.Queue, Writers: cfg.Audit.Writers, BatchRows: cfg.Audit.BatchRows,
		}, quiet)
		w.t.Cleanup(func() { _ = recorder.Close(context.WithoutCancel(w.t.Context())) })
		all[i] = frontend{process: p, service: &exchange.Service{
			Options: exchange.Options{
				Instance: uuid.New(), Zone: time.UTC, QuotaTimeout: patience, Confirm: true,
				PingInterval: patience, FirstByteTimeout: patience, IdleTimeout: patience,
			},
			Table: func() *routing.Table { return table }, Health: routing.NewHealth(1000, time.Second, time.Minute, time.Now),
			Quota: watched{p.quota, admitted}, Recorder: recorder, Lease: always{}, Metrics: telemetry.NewRequests(prometheus.NewRegistry()),
			Compressor: compressor, Log: quiet,
		}}
	}
	return all
}

type always struct{}

func (always) Valid() bool { return true }

// ask sends one request of a subject, and answers why it was refused; nil if it was answered.
func (f frontend) ask(ctx context.Context, subject string) error {
	body := backend.NewBody([]byte(`{"model":"internal","max_tokens":10,"messages":[{"role":"user","content":"` + subject + `"}]}`))
	defer body.Release()
	return f.service.Serve(ctx, &exchange.Request{
		ID: uuid.Must(uuid.NewV7()), Endpoint: gateway.Messages, Header: http.Header{}, Body: body,
		Principal: gateway.Principal{Subject: subject, User: subject, Tier: "free"},
	}, &client{header: http.Header{}})
}

// client reads nothing of its answer.
type client struct{ header http.Header }

func (c *client) Header() http.Header { return c.header }
func (*client) Begin(int)             {}
func (*client) Write([]byte) error    { return nil }

// model answers requests, and counts them by what they ask.
type model struct {
	mu       sync.Mutex
	received map[string]int
}

func (w *world) model() (m *model, url string) {
	m = &model{received: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m.mu.Lock()
		m.received[prompt(body)]++
		m.mu.Unlock()
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, `{"type":"message","content":[{"type":"text","text":"yes"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":2}}`)
	}))
	w.t.Cleanup(server.Close)
	return m, server.URL
}

func (m *model) seen(prompt string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.received[prompt]
}

// worker are the activities of a worker, run as Temporal runs them.
type worker struct {
	process
	requests    *activities.Requests
	maintenance *activities.Maintenance
	suite       testsuite.WorkflowTestSuite
}

func (w *world) worker() *worker {
	p := w.process(postgrestest.Worker)
	wk := &worker{
		process: p, requests: &activities.Requests{Ledger: p.db, Quota: p.quota},
		maintenance: &activities.Maintenance{
			Staging: p.db, Quota: p.quota, LeaseTTL: time.Millisecond, LeakAge: -time.Minute,
			OnInterrupted: func(int64) {}, OnDrift: func(gateway.Drift) {},
		},
	}
	wk.suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return wk
}

// run runs an activity.
func run[T any](wk *worker, step func(ctx context.Context) (T, error)) (result T, err error) {
	env := wk.suite.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(step, activity.RegisterOptions{Name: "step"})
	value, err := env.ExecuteActivity("step")
	if err != nil {
		return result, err
	}
	return result, value.Get(&result)
}

// drain does what the relay has workflows do: it writes and settles all that has ended, and answers how many those were.
func (wk *worker) drain(ctx context.Context) (all int, err error) {
	for {
		ended, err := wk.db.Pending(ctx, nil, 500)
		if err != nil || len(ended) == 0 {
			return all, err
		}
		ids := make([]uuid.UUID, len(ended))
		for i, e := range ended {
			ids[i] = e.ID
		}
		n, err := run(wk, func(ctx context.Context) (int, error) { return wk.requests.SettleMany(ctx, ids) })
		if err != nil {
			return all, err
		}
		all += n
	}
}

// prompt is what a request asks.
func prompt(body []byte) string {
	var request struct {
		Messages []struct{ Content string }
	}
	if json.Unmarshal(body, &request) != nil || len(request.Messages) == 0 {
		return ""
	}
	return request.Messages[0].Content
}
