package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// sending is a row of request_attempts.
type sending struct {
	N              int
	At             time.Time
	Backend, Model string
	Status         *int
	Error          *string
}

// sendings are those of the request, as the auditor sees them.
func (s *stack) sendings(t *testing.T, request uuid.UUID) []sending {
	t.Helper()
	rows, err := connect(t, s.URL(postgrestest.Auditor)).Query(t.Context(),
		`SELECT n, at, backend, model, status, error FROM request_attempts WHERE request_id = $1 ORDER BY n`, request)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sending])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (s *stack) wantSendings(t *testing.T, request uuid.UUID, want ...sending) {
	t.Helper()
	same := func(a, b sending) bool {
		return a.N == b.N && a.At.Equal(b.At) && a.Backend == b.Backend && a.Model == b.Model && equal(a.Status, b.Status) && equal(a.Error, b.Error)
	}
	if got := s.sendings(t, request); !slices.EqualFunc(got, want, same) {
		t.Errorf("attempts = %+v, want %+v", got, want)
	}
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// sent is what a row of request_attempts should be.
func sent(n int, at time.Time, to gateway.Target, status int, reason string) sending {
	return sending{n, at, to.Backend, to.Model, &status, &reason}
}

func (s *stack) write(t *testing.T, request uuid.UUID) {
	t.Helper()
	if _, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{request}); err != nil {
		t.Fatal(err)
	}
}

func TestEveryAttemptIsOnRecordWithHowItEnded(t *testing.T) {
	s := start(t)
	in := newIntent()
	s.stage(t, []*gateway.Intent{in}, nil)
	attempts := s.resend(t, in.ID, 3)
	s.resend(t, in.ID, 3) // a frontend that did not learn of its commit stages again
	out := newOutcome(in.ID)
	out.Attempts, out.Target, out.Status, out.HTTPStatus, out.Error = 3, attempts[1].Target, gateway.Failed, 529, "all were overloaded"
	s.stage(t, nil, []*gateway.Outcome{out})

	got, err := s.worker.Pending(t.Context(), nil, 1)
	if err != nil || len(got) != 1 || got[0].Attempts != 3 || got[0].Target != attempts[1].Target || got[0].Cost != 290 {
		t.Errorf("pending = %+v, %v", got, err)
	}
	s.wantSendings(t, in.ID) // not in the ledger yet
	s.write(t, in.ID)
	s.wantSendings(t, in.ID,
		sent(1, in.AdmittedAt, in.Target, 502, attempts[0].Reason),
		sent(2, attempts[0].At, attempts[0].Target, 503, attempts[1].Reason),
		sent(3, attempts[1].At, attempts[1].Target, 529, "all were overloaded"))
	if n := s.Int(t, `SELECT count(*) FROM ledger WHERE backend = 'backend-3' AND model_routed = 'model-3' AND first_backend = 'anthropic'
		AND first_model_routed = 'claude-haiku-4-5' AND attempts = 3 AND cost_nanos = 290`); n != 1 {
		t.Error("the ledger does not have the first and the last target")
	}
}

func TestARequestThatGoesWellAtOnceHasOneAttempt(t *testing.T) {
	s := start(t)
	in := newIntent()
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{newOutcome(in.ID)})
	s.write(t, in.ID)
	s.wantSendings(t, in.ID, sent(1, in.AdmittedAt, in.Target, 200, ""))
}

func TestWhatWasNeverSentHasNoAttempt(t *testing.T) {
	s := start(t)
	in := newIntent()
	out := newOutcome(in.ID)
	out.Attempts, out.Target = 0, gateway.Target{}
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{out})
	s.write(t, in.ID)
	s.wantSendings(t, in.ID)
	if n := s.Int(t, `SELECT count(*) FROM ledger WHERE backend = 'anthropic' AND model_routed = 'claude-haiku-4-5' AND attempts = 0`); n != 1 {
		t.Error("the ledger does not say where it would have gone")
	}
}

func TestAnAttemptPutOnRecordTooLateWasNotSent(t *testing.T) {
	s := start(t)
	in := newIntent()
	out := newOutcome(in.ID)
	out.Status, out.HTTPStatus, out.Error = gateway.Failed, 500, "no database for a second attempt"
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{out})
	s.resend(t, in.ID, 2)
	s.write(t, in.ID)
	s.wantSendings(t, in.ID, sent(1, in.AdmittedAt, in.Target, 500, out.Error))
}

func TestAnAttemptOutlivesTheRowThatSaysHowItEnded(t *testing.T) {
	s := start(t)
	in := newIntent()
	out := newOutcome(in.ID)
	out.Attempts = 2
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{out})
	s.resend(t, in.ID, 2)
	s.write(t, in.ID)
	s.Exec(t, `SELECT drop_partitions_before('attempts', now() + interval '1 month')`)
	s.wantSendings(t, in.ID, sending{N: 1, At: in.AdmittedAt, Backend: in.Target.Backend, Model: in.Target.Model})
}

func TestAnInterruptedRequestWasLastSentWhereItsLastAttemptWent(t *testing.T) {
	s := start(t)
	once, thrice := newIntent(), newIntent()
	s.stage(t, []*gateway.Intent{once, thrice}, nil)
	last := s.resend(t, thrice.ID, 3)[1].Target

	want := map[uuid.UUID]gateway.Entry{
		once.ID:   {Target: once.Target, Attempts: 1, Cost: once.Cost},
		thrice.ID: {Target: last, Attempts: 3, Cost: thrice.Cost},
	}
	check := func(what string, got []gateway.Entry, err error) {
		t.Helper()
		if err != nil || len(got) != 2 {
			t.Fatalf("%s = %+v, %v", what, got, err)
		}
		for _, e := range got {
			if w := want[e.ID]; e.Target != w.Target || e.Attempts != w.Attempts || e.Cost != w.Cost {
				t.Errorf("%s: %+v, want %+v", what, e, w)
			}
		}
	}
	running, err := s.worker.LongRunning(t.Context(), 0, nil, 10)
	check("running", running, err)
	if n, err := s.worker.CloseAbandoned(t.Context(), []uuid.UUID{once.Instance}, 10); err != nil || n != 2 {
		t.Fatalf("closed %d, %v", n, err)
	}
	pending, err := s.worker.Pending(t.Context(), nil, 10)
	check("interrupted", pending, err)
}

func TestTextOfAnAttemptDoesNotPoisonTheBatch(t *testing.T) {
	s := start(t)
	a := newAttempt(uuid.Must(uuid.NewV7()), 2)
	a.Target, a.Reason = gateway.Target{Backend: "\x80", Model: "\x00"}, "said \xff\x00"
	if err := s.frontend.Stage(t.Context(), nil, []*gateway.Attempt{a}, nil); err != nil {
		t.Fatal(err)
	}
}
