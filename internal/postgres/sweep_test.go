package postgres_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

const never = time.Nanosecond // a ttl that the age of the server does not hold back

func TestOnlyAProcessWithoutALeaseIsAbandoned(t *testing.T) {
	s := start(t)
	dead, alive, idle := newIntent(), newIntent(), uuid.UUID{3}
	dead.Instance, alive.Instance = uuid.UUID{1}, uuid.UUID{2}
	s.stage(t, []*gateway.Intent{dead, alive}, nil)
	for _, lease := range []struct {
		of  uuid.UUID
		ttl time.Duration
	}{{dead.Instance, -time.Second}, {alive.Instance, -time.Second}, {alive.Instance, time.Minute}, {idle, -time.Second}} {
		if err := s.frontend.Renew(t.Context(), lease.of, lease.ttl); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.worker.Abandoned(t.Context(), never)
	if err != nil || len(got) != 1 || got[0] != dead.Instance {
		t.Fatalf("abandoned = %v, %v; want %v", got, err, dead.Instance)
	}
	if got, err := s.worker.Abandoned(t.Context(), 24*time.Hour); err != nil || len(got) != 0 {
		t.Errorf("abandoned = %v, %v; want none: nobody could renew while the server was down", got, err)
	}
	if err := s.worker.PruneLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Int(t, `SELECT count(*) FROM leases`); n != 1 {
		t.Errorf("%d leases are left, want that of the living", n)
	}
	if n, err := s.worker.CloseAbandoned(t.Context(), []uuid.UUID{dead.Instance, alive.Instance}, 10); err != nil || n != 1 {
		t.Errorf("closed %d, %v; want only what has no lease now", n, err)
	}
}

func TestAnAbandonedRequestIsInterruptedAndKeepsItsCharge(t *testing.T) {
	s := start(t)
	first, second := newIntent(), newIntent()
	s.stage(t, []*gateway.Intent{second, first}, nil)
	for _, want := range []int64{1, 1, 0} {
		if n, err := s.worker.CloseAbandoned(t.Context(), []uuid.UUID{first.Instance}, 1); err != nil || n != want {
			t.Fatalf("closed %d, %v; want %d", n, err, want)
		}
	}
	got, err := s.worker.Pending(t.Context(), nil, 10)
	if err != nil || len(got) != 2 {
		t.Fatalf("pending = %+v, %v", got, err)
	}
	if e := got[0]; e.ID != first.ID || e.Status != gateway.Interrupted || e.Charge != first.Charge || e.Error == "" ||
		e.Usage != (gateway.Usage{Input: 100, Estimated: true}) {
		t.Errorf("entry = %+v", e)
	}
	if written, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{first.ID, second.ID}); err != nil || len(written) != 2 || written[0].Charge != first.Charge {
		t.Errorf("written = %+v, %v", written, err)
	}
}

func TestClosingRacesWithALateOutcomeAndOneRowStays(t *testing.T) {
	s := start(t)
	for range 30 {
		in := newIntent()
		s.stage(t, []*gateway.Intent{in}, nil)
		var wg sync.WaitGroup
		wg.Go(func() { s.stage(t, nil, []*gateway.Outcome{newOutcome(in.ID)}) })
		wg.Go(func() {
			if _, err := s.worker.CloseAbandoned(t.Context(), []uuid.UUID{in.Instance}, 10); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{in.ID}); err != nil && !errors.Is(err, postgres.ErrNoOutcome) {
				t.Error(err)
			}
		})
		wg.Wait()
		if _, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{in.ID}); err != nil {
			t.Fatal(err)
		}
		if n := s.Int(t, `SELECT count(*) FROM ledger WHERE id = $1`, in.ID); n != 1 {
			t.Fatalf("%d ledger rows", n)
		}
	}
}

func TestWhatWasStagedAgainAfterItsLedgerRowIsDropped(t *testing.T) {
	s := start(t)
	in := newIntent()
	for range 2 {
		s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{newOutcome(in.ID)})
		if s.rows(t)[3] == 0 {
			if _, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{in.ID}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.stageEnded(t, 1)
	if n, err := s.worker.DropSettledDuplicates(t.Context()); err != nil || n != 0 {
		t.Fatalf("dropped %d, %v; want none, as all is younger than a minute", n, err)
	}
	s.Exec(t, `UPDATE intents SET staged_at = now() - interval '2 minutes'; UPDATE outcomes SET staged_at = now() - interval '2 minutes'`)
	if n, err := s.worker.DropSettledDuplicates(t.Context()); err != nil || n != 2 {
		t.Fatalf("dropped %d, %v; want the two duplicates", n, err)
	}
	s.wantRows(t, [4]int64{1, 1, 4, 1})
}

func TestOneLeadsAndTheNextTakesOver(t *testing.T) {
	s := start(t)
	lost, release, err := s.worker.Lead(t.Context(), "sweep")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	_, releaseOther, err := s.worker.Lead(t.Context(), "another name")
	if err != nil {
		t.Fatal(err)
	}
	releaseOther()

	took := make(chan func(), 1)
	go func() {
		_, release, err := s.worker.Lead(t.Context(), "sweep")
		if err != nil {
			t.Error(err)
		}
		took <- release
	}()
	select {
	case <-took:
		t.Fatal("two lead")
	case <-time.After(1500 * time.Millisecond):
	}
	s.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	select {
	case <-lost:
	case <-time.After(5 * time.Second):
		t.Fatal("the leader does not know that it lost")
	}
	select {
	case release := <-took:
		release()
	case <-time.After(5 * time.Second):
		t.Fatal("nobody took over")
	}
}

func TestALeaderOnAWireThatHangsLosesInSeconds(t *testing.T) {
	s := start(t)
	db, wire := through(t, s.Server, postgrestest.Worker, postgres.Config{Timeout: time.Second})
	lost, release, err := db.Lead(t.Context(), "sweep")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	wire.mode.Store(hang)
	select {
	case <-lost:
	case <-time.After(8 * time.Second):
		t.Fatal("the leader does not know that it lost")
	}
}
