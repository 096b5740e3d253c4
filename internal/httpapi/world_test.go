package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/record"
	"github.com/openova-io/llm-gateway/internal/routing"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// world is a gateway with the real request path, a model the test scripts, and stores in memory.
type world struct {
	*httptest.Server
	t        *testing.T
	api      *API
	service  *exchange.Service
	upstream *httptest.Server
	model    http.HandlerFunc // answers what the gateway sends
	table    *routing.Table
	batches  *Batches // nil: the gateway takes none
	calls    int

	mu         sync.Mutex
	lease      bool
	limit      int64
	quotaErr   error
	attemptErr error
	admit      func(*gateway.Intent) error
	finish     func(*gateway.Outcome) error
	intents    []*gateway.Intent
	attempts   []*gateway.Attempt
	outcomes   []*gateway.Outcome
	held       map[uuid.UUID]gateway.Charge
	used       gateway.Used
	classes    map[string]gateway.Used
	minute     int64
	places     map[uuid.UUID]bool
	withdrawn  []string
	groups     []string // that the caller is a member of
	ended      chan struct{}
}

// newWorld makes a world. The changes are made to its configuration, which has the backends anthropic and internal.
func newWorld(t *testing.T, model http.HandlerFunc, changes ...func(cfg *config.Config, w *world)) *world {
	t.Helper()
	w := &world{t: t, model: model, lease: true, limit: 10, held: map[uuid.UUID]gateway.Charge{}, places: map[uuid.UUID]bool{}, ended: make(chan struct{}, 100)}
	w.upstream = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.calls++
		w.mu.Unlock()
		w.model(rw, r)
	}))
	t.Cleanup(w.upstream.Close)
	cfg := config.Default()
	transport := backend.NewTransport(cfg.Upstream)
	t.Cleanup(transport.CloseIdleConnections)
	for _, name := range []string{"anthropic", "internal"} {
		cfg.Backends = append(cfg.Backends, config.Backend{
			Name: name, Dialects: []string{"anthropic"}, BaseURL: w.upstream.URL, Auth: config.Auth{Mode: config.AuthOperator},
		})
	}
	for _, change := range changes {
		change(&cfg, w)
	}
	table, err := routing.NewTable(&cfg, backend.Environment{OperatorToken: "operator-token", Transport: transport}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.table = table
	compressor, err := record.NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	metrics := telemetry.NewRequests(prometheus.NewRegistry())
	log := slog.New(slog.DiscardHandler)
	w.service = &exchange.Service{
		Options: exchange.Options{
			Zone: time.UTC, QuotaTimeout: time.Second, Confirm: true, PingInterval: time.Minute, IdleTimeout: time.Minute,
			FirstByteTimeout: cfg.Upstream.FirstByteTimeout, RetryWait: cfg.Upstream.RetryWait,
		},
		Table: w.present, Health: routing.NewHealth(5, time.Second, time.Minute, time.Now),
		Quota: w, Recorder: w, Lease: w, Metrics: metrics, Compressor: compressor, Log: log,
	}
	w.api = &API{
		HTTP: cfg.HTTP, Table: w.present, Zone: time.UTC, Auth: w, Exchange: w.service, Quota: w,
		Health: &Health{Log: log}, Refusals: metrics, Batches: w.batches, Log: log,
	}
	w.Server = httptest.NewServer(w.api.Handler())
	t.Cleanup(w.Server.Close)
	return w
}

// The world is every store the request path knows.

func (w *world) Authenticate(_ context.Context, tokens ...string) (gateway.Principal, error) {
	for _, token := range tokens {
		if tier, ok := strings.CutPrefix(token, "tok-"); ok {
			return gateway.Principal{Subject: "s-" + tier, User: "u-" + tier, Tier: gateway.Tier(tier), Groups: w.groups}, nil
		}
	}
	return gateway.Principal{}, &gateway.Error{Code: gateway.Unauthenticated, NoRetry: true, Message: "Your access token is not valid."}
}

func (w *world) present() *routing.Table { return w.table }

func (w *world) Attempt(_ context.Context, a *gateway.Attempt) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.attemptErr != nil {
		return w.attemptErr
	}
	w.attempts = append(w.attempts, a)
	return nil
}

func (w *world) Valid() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lease
}

func (w *world) Reserve(_ context.Context, a gateway.Ask) (gateway.Use, gateway.Refusal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quotaErr != nil {
		return gateway.Use{}, "", w.quotaErr
	}
	use := gateway.Use{Day: w.used, Classes: w.classes, Minute: w.minute, Running: int64(len(w.places)), MinuteFree: time.Now().Add(30 * time.Second)}
	if _, held := w.held[a.ID]; held {
		return use, gateway.Admitted, nil
	}
	if refusal := a.Limits.Admit(use, a.Class, a.Charge); refusal != gateway.Admitted {
		return use, refusal, nil
	}
	w.held[a.ID], w.places[a.ID] = a.Charge, true
	w.used.Requests += a.Charge.Requests
	w.used.Tokens += a.Charge.Tokens
	use.Day = w.used
	return use, gateway.Admitted, nil
}

func (w *world) Leave(_ context.Context, id uuid.UUID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.places, id)
	return nil
}

func (w *world) Withdraw(_ context.Context, in *gateway.Intent, why string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.withdrawn = append(w.withdrawn, in.ID.String()+": "+why)
	return nil
}

func (w *world) Settle(_ context.Context, all ...gateway.Settlement) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range all {
		w.used.Requests += s.Charge.Requests - w.held[s.ID].Requests
		w.used.Tokens += s.Charge.Tokens - w.held[s.ID].Tokens
		delete(w.held, s.ID)
	}
	return nil
}

func (w *world) Use(context.Context, string, gateway.Window, ...string) (gateway.Use, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return gateway.Use{Day: w.used, Classes: w.classes, Minute: w.minute, Running: int64(len(w.places))}, w.quotaErr
}

func (w *world) Admit(_ context.Context, in *gateway.Intent) error {
	if w.admit != nil {
		if err := w.admit(in); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.intents = append(w.intents, in)
	return nil
}

func (w *world) Finish(_ context.Context, out *gateway.Outcome) error {
	if w.finish != nil {
		if err := w.finish(out); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.outcomes = append(w.outcomes, out)
	w.mu.Unlock()
	w.ended <- struct{}{}
	return nil
}

func (w *world) sent() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// outcome waits for the one outcome of the one request.
func (w *world) outcome() *gateway.Outcome {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(10 * time.Second):
		w.t.Fatal("no outcome was put on record")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.intents) != 1 || len(w.outcomes) != 1 || w.intents[0].ID != w.outcomes[0].ID {
		w.t.Fatalf("%d intents and %d outcomes for one request", len(w.intents), len(w.outcomes))
	}
	return w.outcomes[0]
}

// nothingHappened asserts that a refused request left no trace.
func (w *world) nothingHappened() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls+len(w.intents)+len(w.outcomes)+len(w.held) > 0 || w.used != (gateway.Used{}) {
		w.t.Errorf("%d calls, %d intents, %d outcomes, %d reservations, %+v used", w.calls, len(w.intents), len(w.outcomes), len(w.held), w.used)
	}
}

func (w *world) request(method, path, body string, header ...string) *http.Request {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer tok-enterprise")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Del(header[i])
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	return req
}

func (w *world) do(req *http.Request) *http.Response {
	w.t.Helper()
	res, err := w.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// post sends a body to a path and returns the whole answer.
func (w *world) post(path, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	res := w.do(w.request(http.MethodPost, path, body, header...))
	text, err := io.ReadAll(res.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		w.t.Fatal(err)
	}
	return res, string(text)
}

func plain(t *testing.T, b gateway.Body) string {
	t.Helper()
	decoder, err := zstd.NewReader(bytes.NewReader(b.Zstd))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	text, err := io.ReadAll(decoder)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const ask = `{"model":"claude-opus-5-5","max_tokens":10,"messages":[{"role":"user","content":"hi"}],"stream":true}`

const answer = "event: message_start\n" +
	`data: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":25,"cache_read_input_tokens":4,"output_tokens":1}}}` + "\n\n" +
	"event: content_block_delta\n" +
	`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello, this is an answer of some words."}}` + "\n\n" +
	"event: message_delta\n" +
	`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}` + "\n\n" +
	finalEvent

const finalEvent = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

// streamed is a model that streams text and then does what is left to do.
func streamed(text string, then ...func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.Header().Set("Request-Id", "req_model")
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
		for _, f := range then {
			f()
		}
	}
}

func abort() { panic(http.ErrAbortHandler) }
