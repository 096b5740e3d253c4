package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

func TestABatchIsStagedWholeOrNotAtAll(t *testing.T) {
	s := start(t)
	good, bad := newIntent(), newOutcome(uuid.Must(uuid.NewV7()))
	bad.Status = "unheard of"
	err := s.frontend.Stage(t.Context(), []*gateway.Intent{good}, nil, []*gateway.Outcome{newOutcome(good.ID), bad, newOutcome(newIntent().ID)})
	if err == nil || errors.Is(err, gateway.ErrFateUnknown) {
		t.Fatalf("error = %v, want one that is certain", err)
	}
	s.wantRows(t, [4]int64{})
}

// An error that comes with the commit, after every statement went well, is seen too.
func TestAnErrorAtCommitIsAnError(t *testing.T) {
	s := start(t)
	s.refuseAtCommit(t, "intents")
	err := s.frontend.Stage(t.Context(), []*gateway.Intent{newIntent()}, nil, nil)
	if err == nil || errors.Is(err, gateway.ErrFateUnknown) {
		t.Fatalf("error = %v, want one that is certain", err)
	}
	s.wantRows(t, [4]int64{})
}

// refuseAtCommit lets rows into the table, and fails their transactions in the end.
func (s *stack) refuseAtCommit(t *testing.T, table string) {
	t.Helper()
	s.Exec(t, `
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
		CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON `+table+` DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
}

func TestStagingTwiceIsStagingOnce(t *testing.T) {
	s := start(t)
	in := newIntent()
	out, later := newOutcome(in.ID), newOutcome(in.ID)
	later.Status = gateway.Failed
	for _, o := range []*gateway.Outcome{out, out, later} {
		s.stage(t, []*gateway.Intent{in, in}, []*gateway.Outcome{o, o})
	}
	s.wantRows(t, [4]int64{1, 1, 2, 0})
	if s.Int(t, `SELECT count(*) FROM outcomes WHERE status = 'completed'`) != 1 {
		t.Error("the later outcome replaced the first")
	}
}

func TestAnOutcomeWithoutABodyHasNone(t *testing.T) {
	s := start(t)
	in := newIntent()
	out := newOutcome(in.ID)
	out.Body, out.FirstByteAt = gateway.Body{}, time.Time{}
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{out})
	s.wantRows(t, [4]int64{1, 1, 1, 0})
	if s.Int(t, `SELECT count(*) FROM outcomes WHERE response_digest IS NULL AND first_byte_at IS NULL`) != 1 {
		t.Error("there is a digest, or a first byte, of nothing")
	}
}

func TestTextTheDatabaseRefusesDoesNotPoisonTheBatch(t *testing.T) {
	s := start(t)
	in := newIntent()
	in.Principal = gateway.Principal{Subject: "a\x00b\xff" + strings.Repeat("é", 5000), User: "\xc3", Tier: "\x00"}
	in.Session, in.ModelRequested, in.Target.Model, in.Target.Backend = "\x00", "\xff\xfe", strings.Repeat("m", 100_000), "\x80"
	out := newOutcome(in.ID)
	out.Error, out.StopReason, out.UpstreamID = "\x00\xff", "\x00", "\xed\xa0\x80"
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{out})
	if _, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{in.ID}); err != nil {
		t.Fatal(err)
	}
	snap, err := s.frontend.Snapshot(t.Context(), in.Principal.Subject, in.Window, nil)
	if err != nil || snap.Settled[""] != gateway.Used(out.Charge) {
		t.Fatalf("snapshot = %+v, %v; want the request to be found by its subject", snap, err)
	}
}

func TestALoneRequestIsOneRoundTrip(t *testing.T) {
	s := start(t)
	frontend, wire := through(t, s.Server, postgrestest.Frontend, postgres.Config{})
	worker, workerWire := through(t, s.Server, postgrestest.Worker, postgres.Config{})
	for range 3 { // the first prepares the statements
		in := newIntent()
		before := wire.trips.Load()
		if err := frontend.Stage(t.Context(), []*gateway.Intent{in}, nil, []*gateway.Outcome{newOutcome(in.ID)}); err != nil {
			t.Fatal(err)
		}
		staged, before2 := wire.trips.Load()-before, workerWire.trips.Load()
		if _, err := worker.WriteLedger(t.Context(), []uuid.UUID{in.ID}); err != nil {
			t.Fatal(err)
		}
		if written := workerWire.trips.Load() - before2; before > 0 && (staged != 1 || written != 1) {
			t.Errorf("Stage took %d round trips and WriteLedger %d, want 1 and 1", staged, written)
		}
	}
}

func TestACommitOfUnknownFateSaysSo(t *testing.T) {
	for name, tt := range map[string]struct {
		mode int32
		rows [4]int64
	}{
		"the request is lost": {dropRequests, [4]int64{}},
		"the answer is lost":  {dropAnswers, [4]int64{1, 0, 1, 0}},
		"the server hangs":    {hang, [4]int64{1, 0, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			db, wire := through(t, s.Server, postgrestest.Frontend, postgres.Config{Timeout: time.Second})
			if err := db.Stage(t.Context(), nil, nil, []*gateway.Outcome{newOutcome(uuid.UUID{})}); err != nil {
				t.Fatal(err) // prepares the statements
			}
			s.Exec(t, `DELETE FROM outcomes; DELETE FROM bodies`)

			in := newIntent()
			wire.mode.Store(tt.mode)
			began := time.Now()
			err := db.Stage(t.Context(), []*gateway.Intent{in}, nil, nil)
			if !errors.Is(err, gateway.ErrFateUnknown) {
				t.Fatalf("error = %v, want %v", err, gateway.ErrFateUnknown)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %v to say so", took)
			}
			s.wantRows(t, tt.rows)

			wire.mode.Store(pass)
			if err := db.Stage(t.Context(), []*gateway.Intent{in}, nil, nil); err != nil {
				t.Fatalf("again: %v", err)
			}
			s.wantRows(t, [4]int64{1, 0, 1, 0})
		})
	}
}

func TestADatabaseThatIsDownIsACertainError(t *testing.T) {
	db := open(t, "postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	began := time.Now()
	err := db.Stage(t.Context(), []*gateway.Intent{newIntent()}, nil, nil)
	if err == nil || errors.Is(err, gateway.ErrFateUnknown) {
		t.Fatalf("error = %v, want one that is certain", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v to say so", took)
	}
}
