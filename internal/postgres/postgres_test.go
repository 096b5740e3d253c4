package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// stack is a fresh database, and the gateway's two sides of it.
type stack struct {
	*postgrestest.Server
	frontend, worker *postgres.DB
}

func start(tb testing.TB) *stack {
	tb.Helper()
	s := postgrestest.Start(tb)
	return &stack{Server: s, frontend: open(tb, s.URL(postgrestest.Frontend)), worker: open(tb, s.URL(postgrestest.Worker))}
}

func open(tb testing.TB, url string) *postgres.DB {
	tb.Helper()
	db, err := postgres.Open(tb.Context(), postgres.Config{URL: url, MaxConns: 20})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(db.Close)
	return db
}

// stageEnded stages n requests with their outcomes.
func (s *stack) stageEnded(tb testing.TB, n int) []uuid.UUID {
	tb.Helper()
	ids := make([]uuid.UUID, n)
	intents, outcomes := make([]*gateway.Intent, n), make([]*gateway.Outcome, n)
	for i := range ids {
		intents[i] = newIntent()
		ids[i], outcomes[i] = intents[i].ID, newOutcome(intents[i].ID)
	}
	s.stage(tb, intents, outcomes)
	return ids
}

func (s *stack) stage(tb testing.TB, intents []*gateway.Intent, outcomes []*gateway.Outcome) {
	tb.Helper()
	if err := s.frontend.Stage(tb.Context(), intents, nil, outcomes); err != nil {
		tb.Fatal(err)
	}
}

// resend stages attempts 2 to n of the request, each to a backend and model of its own.
func (s *stack) resend(tb testing.TB, request uuid.UUID, n int) []*gateway.Attempt {
	tb.Helper()
	var attempts []*gateway.Attempt
	for i := 2; i <= n; i++ {
		attempts = append(attempts, newAttempt(request, i))
	}
	if err := s.frontend.Stage(tb.Context(), nil, attempts, nil); err != nil {
		tb.Fatal(err)
	}
	return attempts
}

// rows is what is in intents, outcomes, bodies and ledger.
func (s *stack) rows(tb testing.TB) (n [4]int64) {
	tb.Helper()
	for i, table := range []string{"intents", "outcomes", "bodies", "ledger"} {
		n[i] = s.Int(tb, "SELECT count(*) FROM "+table)
	}
	return n
}

func (s *stack) wantRows(tb testing.TB, want [4]int64) {
	tb.Helper()
	if got := s.rows(tb); got != want {
		tb.Fatalf("rows of intents, outcomes, bodies, ledger = %v, want %v", got, want)
	}
}

func newIntent() *gateway.Intent {
	now := time.Now().UTC().Truncate(time.Microsecond)
	body := []byte("a request as it is stored")
	return &gateway.Intent{
		ID: uuid.Must(uuid.NewV7()), Instance: uuid.UUID{1}, AdmittedAt: now,
		Principal: gateway.Principal{Subject: "7f9c", User: "ann", Tier: "pro"},
		Endpoint:  gateway.Messages, Dialect: gateway.Anthropic, Stream: true,
		ModelRequested: "claude-sonnet-4-5", Target: gateway.Target{Backend: "anthropic", Model: "claude-haiku-4-5"},
		Session: "s1", Window: gateway.DayWindow(now, time.UTC), Charge: gateway.Charge{Requests: 1, Tokens: 100}, Cost: 300, Reserved: true,
		Body: gateway.Body{Zstd: body, Size: 90, Digest: sha256.Sum256(body)},
	}
}

func newAttempt(request uuid.UUID, n int) *gateway.Attempt {
	return &gateway.Attempt{
		Request: request, N: n, At: time.Now().UTC().Truncate(time.Microsecond),
		Target: gateway.Target{Backend: fmt.Sprint("backend-", n), Model: fmt.Sprint("model-", n)},
		Status: 500 + n, Reason: fmt.Sprint("overloaded, said the one before ", n),
	}
}

func newOutcome(id uuid.UUID) *gateway.Outcome {
	now := time.Now().UTC().Truncate(time.Microsecond)
	body := []byte("a response as it is stored")
	return &gateway.Outcome{
		ID: id, Status: gateway.Completed, HTTPStatus: 200, StopReason: "end_turn", UpstreamID: "req_1",
		Target: gateway.Target{Backend: "anthropic", Model: "claude-haiku-4-5"}, Attempts: 1, Cost: 290,
		Usage:  gateway.Usage{Input: 20, Output: 30, CacheRead: 500, CacheWrite: 5},
		Charge: gateway.Charge{Requests: 1, Tokens: 55}, FirstByteAt: now, EndedAt: now,
		Body: gateway.Body{Zstd: body, Size: 80, Digest: sha256.Sum256(body)},
	}
}
