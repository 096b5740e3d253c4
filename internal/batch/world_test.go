package batch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/batch"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/pace"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
	"github.com/openova-io/llm-gateway/internal/record"
	"github.com/openova-io/llm-gateway/internal/redis"
	"github.com/openova-io/llm-gateway/internal/routing"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// world is a worker's database, quota and request path, and a model that the test scripts.
type world struct {
	t          *testing.T
	db         *postgres.DB
	audit      *pgx.Conn
	redis      *miniredis.Miniredis
	quota      *redis.Quota
	compressor *record.Compressor
	table      *routing.Table
	cfg        config.Config
	options    batch.Options
	store      batch.Store // db, unless the test puts something before it
	provider   *provider   // of a batch API; nil if there is none

	mu       sync.Mutex
	model    func(item, call int) answer
	received []string // prompts, in the order they came
	calls    map[int]int
	running  int
	most     int
}

// answer is what the model gives; the zero value is a good one.
type answer struct {
	status int
	header map[string]string
	body   string
	wait   <-chan struct{}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := postgrestest.Start(t)
	w := &world{t: t, calls: map[int]int{}, model: func(int, int) answer { return answer{} }}
	upstream := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(upstream.Close)
	var err error
	w.db, err = postgres.Open(t.Context(), postgres.Config{URL: server.URL(postgrestest.Worker)})
	w.check(err)
	t.Cleanup(w.db.Close)
	w.store = w.db
	w.audit, err = pgx.Connect(t.Context(), server.URL(postgrestest.Superuser))
	w.check(err)
	t.Cleanup(func() { _ = w.audit.Close(context.Background()) })
	w.redis = miniredis.RunT(t)
	w.quota, err = redis.Open(config.Redis{URL: "redis://" + w.redis.Addr()}, time.Minute, w.db)
	w.check(err)
	t.Cleanup(func() { _ = w.quota.Close() })
	w.compressor, err = record.NewCompressor()
	w.check(err)
	w.cfg = config.Default()
	for _, name := range []string{"anthropic", "internal"} {
		w.cfg.Backends = append(w.cfg.Backends, config.Backend{
			Name: name, Dialects: []string{"anthropic"}, BaseURL: upstream.URL, Auth: config.Auth{Mode: config.AuthOperator},
		})
	}
	w.options = batch.Options{Concurrency: 8, ChunkTime: time.Minute, Attempts: 3, Grace: 100 * time.Millisecond}
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// serve is the model.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if w.provider != nil && w.provider.handle(rw, r, body) {
		return
	}
	var request struct {
		Messages []struct{ Content string }
	}
	_ = json.Unmarshal(body, &request)
	var n int
	_, _ = fmt.Sscanf(request.Messages[0].Content, "item %d", &n)
	w.mu.Lock()
	w.calls[n]++
	w.received = append(w.received, request.Messages[0].Content)
	w.running++
	w.most = max(w.most, w.running)
	a := w.model(n, w.calls[n])
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.running--
		w.mu.Unlock()
	}()
	if a.wait != nil {
		select {
		case <-a.wait:
		case <-r.Context().Done():
			return
		}
	}
	for name, value := range a.header {
		rw.Header().Set(name, value)
	}
	rw.Header().Set("Content-Type", "application/json")
	if a.body == "" {
		a.body = fmt.Sprintf(`{"type":"message","content":[{"type":"text","text":"answer %d"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":2}}`, n)
	}
	if a.status != 0 {
		rw.WriteHeader(a.status)
	}
	_, _ = io.WriteString(rw, a.body)
}

func (w *world) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.received...)
}

// runner makes a worker.
func (w *world) runner() *batch.Runner {
	w.t.Helper()
	transport := backend.NewTransport(w.cfg.Upstream)
	w.t.Cleanup(transport.CloseIdleConnections)
	var err error
	w.table, err = routing.NewTable(&w.cfg, backend.Environment{OperatorToken: "operator", Transport: transport}, nil)
	w.check(err)
	registry := prometheus.NewRegistry()
	service := &exchange.Service{
		Options: exchange.Options{
			Instance: uuid.New(), Zone: time.UTC, QuotaTimeout: time.Second, Confirm: true, PingInterval: time.Minute, FirstByteTimeout: time.Minute, IdleTimeout: time.Minute,
		},
		Table: func() *routing.Table { return w.table }, Health: routing.NewHealth(1000, time.Second, time.Minute, time.Now),
		Quota: w.quota, Lease: always{}, Metrics: telemetry.NewRequests(registry), Compressor: w.compressor, Log: slog.New(slog.DiscardHandler),
	}
	r := batch.New(w.store, w.quota, service, pace.New(pace.Limits{Total: w.options.Concurrency}, time.Now), telemetry.NewItems(registry), w.options)
	w.t.Cleanup(r.Close)
	return r
}

type always struct{}

func (always) Valid() bool { return true }

// batch makes a running batch of n items of a subject of its own.
func (w *world) batch(tier gateway.Tier, n int, change ...func(n int, body string) string) gateway.Batch {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7())
	b := gateway.Batch{
		ID: id, WorkflowID: id.String(), Endpoint: gateway.Messages, State: gateway.BatchUploading, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		Principal: gateway.Principal{Subject: "s-" + id.String(), User: "petra", Tier: tier}, Header: map[string]string{"anthropic-version": "2023-06-01"},
	}
	w.check(w.db.CreateBatch(w.t.Context(), &b))
	items := make([]gateway.Item, n)
	for i := range items {
		body := fmt.Sprintf(`{"model":"claude-haiku-5-5","max_tokens":10,"messages":[{"role":"user","content":"item %d"}]}`, i)
		for _, c := range change {
			body = c(i, body)
		}
		items[i] = gateway.Item{Batch: id, N: i, CustomID: fmt.Sprintf("c-%d", i), Body: w.compressor.Body([]byte(body))}
	}
	w.check(w.db.AddItems(w.t.Context(), items))
	sum := sha256.Sum256([]byte("input"))
	w.check(w.db.AcceptBatch(w.t.Context(), id, n, sum[:]))
	w.check(w.db.BeginBatch(w.t.Context(), id, n))
	return b
}

// run works on the whole batch once.
func (w *world) run(r *batch.Runner, b gateway.Batch, n int) gateway.ChunkResult {
	w.t.Helper()
	result, err := r.Run(w.t.Context(), gateway.Chunk{Batch: b.ID, From: 0, To: n}, nil, func(int) {})
	w.check(err)
	return result
}

// line is a line of the results, and what the record says of the item.
type line struct {
	State    gateway.ItemState
	Error    string // type of the error
	Ledger   int    // rows
	Status   gateway.Status
	Attempts int
	Charged  int64 // requests
}

// lines reads what became of the items of a batch.
func (w *world) lines(b gateway.Batch, n int) []line {
	w.t.Helper()
	all := make([]line, n)
	w.check(w.db.Results(w.t.Context(), b.ID, gateway.AllResults, func(stored gateway.Body) error {
		text, err := w.compressor.Open(nil, stored)
		if err != nil {
			return err
		}
		var result struct {
			CustomID string `json:"custom_id"`
			Result   struct {
				Type  gateway.ItemState `json:"type"`
				Error struct {
					Error struct{ Type string }
				}
				Message json.RawMessage
			}
		}
		if err := json.Unmarshal(text, &result); err != nil {
			return err
		}
		var i int
		if _, err := fmt.Sscanf(result.CustomID, "c-%d", &i); err != nil {
			return err
		}
		if result.Result.Type == gateway.ItemSucceeded && !bytes.Contains(result.Result.Message, fmt.Appendf(nil, "answer %d", i)) {
			w.t.Errorf("item %d was given another's answer: %s", i, text)
		}
		if all[i].State != "" {
			w.t.Errorf("item %d has two results", i)
		}
		all[i].State, all[i].Error = result.Result.Type, result.Result.Error.Error.Type
		return nil
	}))
	rows, err := w.audit.Query(w.t.Context(), `SELECT batch_n, status, attempts, charge_requests FROM ledger WHERE batch_id = $1`, b.ID)
	w.check(err)
	var i, attempts int
	var status string
	var charged int64
	_, err = pgx.ForEachRow(rows, []any{&i, &status, &attempts, &charged}, func() error {
		l := &all[i]
		l.Ledger, l.Status, l.Attempts, l.Charged = l.Ledger+1, gateway.Status(status), attempts, charged
		return nil
	})
	w.check(err)
	return all
}

// open is how many intents of the batch are open.
func (w *world) open(b gateway.Batch) (n int) {
	w.t.Helper()
	w.check(w.audit.QueryRow(w.t.Context(), `SELECT count(*) FROM intents WHERE batch_id = $1`, b.ID).Scan(&n))
	return n
}

// used is what Redis has of the subject's window, in requests, once that is what the ledger has: it is settled a moment after
// the commit.
func (w *world) used(b gateway.Batch) int64 {
	w.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		use, err := w.quota.Use(w.t.Context(), b.Principal.Subject, gateway.DayWindow(time.Now(), time.UTC))
		w.check(err)
		var ledger gateway.Used
		w.check(w.audit.QueryRow(w.t.Context(), `SELECT coalesce(sum(charge_requests), 0), coalesce(sum(charge_tokens), 0) FROM ledger WHERE subject = $1`,
			b.Principal.Subject).Scan(&ledger.Requests, &ledger.Tokens))
		if use.Day == ledger {
			return use.Day.Requests
		}
		if time.Now().After(deadline) {
			w.t.Errorf("Redis has %+v, the ledger %+v", use.Day, ledger)
			return use.Day.Requests
		}
	}
}

func errorBody(kind string) string {
	return `{"type":"error","error":{"type":"` + kind + `","message":"` + strings.ReplaceAll(kind, "_", " ") + `"}}`
}
