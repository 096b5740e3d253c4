package record

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// store is a database whose every transaction the test decides on.
type store struct {
	mu       sync.Mutex
	intents  map[uuid.UUID]int
	attempts map[uuid.UUID]int
	outcomes map[uuid.UUID]*gateway.Outcome
	batches  []int
	fault    func(n int, intents []*gateway.Intent) (commit bool, err error) // n counts transactions from 0
}

func newStore() *store {
	return &store{intents: map[uuid.UUID]int{}, attempts: map[uuid.UUID]int{}, outcomes: map[uuid.UUID]*gateway.Outcome{}}
}

func (s *store) Stage(_ context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, outcomes []*gateway.Outcome) error {
	s.mu.Lock()
	n := len(s.batches)
	s.batches = append(s.batches, len(intents)+len(attempts)+len(outcomes))
	fault := s.fault
	s.mu.Unlock()
	commit, err := true, error(nil)
	if fault != nil {
		commit, err = fault(n, intents)
	}
	if commit {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, in := range intents {
			s.intents[in.ID]++
		}
		for _, a := range attempts {
			s.attempts[a.Request]++
		}
		for _, out := range outcomes {
			s.outcomes[out.ID] = out
		}
	}
	return err
}

type disk struct {
	mu       sync.Mutex
	intents  []uuid.UUID
	attempts []uuid.UUID
	outcomes []uuid.UUID
	full     atomic.Bool
	broken   error
}

func (d *disk) PutIntent(in *gateway.Intent) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.intents = append(d.intents, in.ID)
	return d.broken
}

func (d *disk) PutAttempt(a *gateway.Attempt) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attempts = append(d.attempts, a.Request)
	return d.broken
}

func (d *disk) PutOutcome(out *gateway.Outcome) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outcomes = append(d.outcomes, out.ID)
	return d.broken
}

func (d *disk) Full() bool { return d.full.Load() }

func options() Options {
	return Options{CommitTimeout: time.Second, Queue: 8, Writers: 1, BatchRows: 4}
}

func intent() *gateway.Intent { return &gateway.Intent{ID: uuid.Must(uuid.NewV7())} }

func second(in *gateway.Intent) *gateway.Attempt { return &gateway.Attempt{Request: in.ID, N: 2} }

func finished(in *gateway.Intent) *gateway.Outcome {
	return &gateway.Outcome{ID: in.ID, Status: gateway.Completed}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestNothingIsAdmittedBeforeItsCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newStore()
		release := make(chan struct{})
		db.fault = func(int, []*gateway.Intent) (bool, error) { <-release; return true, nil }
		r := New(db, &disk{}, options(), quiet())
		admitted := make(chan error, 1)
		go func() { admitted <- r.Admit(t.Context(), intent()) }()
		synctest.Wait()
		select {
		case err := <-admitted:
			t.Fatalf("admitted while the transaction was open: %v", err)
		default:
		}
		close(release)
		if err := <-admitted; err != nil {
			t.Error(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRecordsThatArriveDuringACommitShareTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newStore()
		db.fault = func(int, []*gateway.Intent) (bool, error) { time.Sleep(10 * time.Millisecond); return true, nil }
		r := New(db, &disk{}, options(), quiet())
		var all sync.WaitGroup
		for range 7 {
			all.Go(func() {
				if err := r.Admit(t.Context(), intent()); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if len(db.batches) != 3 || db.batches[0] != 1 || db.batches[1] != 4 || db.batches[2] != 2 {
			t.Errorf("transactions of %v records, want 1, 4, 2", db.batches)
		}
		_ = r.Close(t.Context())
	})
}

func TestWithTheDatabaseDownARequestIsRefusedAndAnOutcomeSpooled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, spool := newStore(), &disk{}
		db.fault = func(int, []*gateway.Intent) (bool, error) { return false, errors.New("connection refused") }
		r := New(db, spool, options(), quiet())
		in := intent()
		err := r.Admit(t.Context(), in)
		if e := gateway.AsError(err); e.Code != gateway.Overloaded || e.RetryAfter == 0 || errors.Is(err, gateway.ErrFateUnknown) {
			t.Errorf("got %+v", err)
		}
		if err := r.Finish(t.Context(), finished(in)); err != nil || len(spool.outcomes) != 1 {
			t.Errorf("%v, spooled %d", err, len(spool.outcomes))
		}
		spool.broken = errors.New("disk full")
		if err := r.Finish(t.Context(), finished(in)); err == nil {
			t.Error("an outcome that is durable nowhere was reported as on record")
		}
		_ = r.Close(t.Context())
	})
}

func TestWithTheDatabaseHungARequestIsRefusedInTimeAndItsLateCommitIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newStore()
		db.fault = func(n int, _ []*gateway.Intent) (bool, error) {
			if n == 0 {
				time.Sleep(time.Minute)
			}
			return true, nil
		}
		r := New(db, &disk{}, options(), quiet())
		first, second := intent(), intent()
		start := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			if err := r.Admit(t.Context(), first); !errors.Is(err, gateway.ErrFateUnknown) {
				t.Errorf("the fate of a record in an open transaction was called known: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if err := r.Admit(t.Context(), second); err == nil || errors.Is(err, gateway.ErrFateUnknown) {
				t.Errorf("a record no writer took has a known fate: %v", err)
			}
		})
		all.Wait()
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("refused after %s", took)
		}
		time.Sleep(2 * time.Minute)
		_ = r.Close(t.Context())
		if out := db.outcomes[first.ID]; out == nil || out.Status != gateway.Failed || out.Charge != (gateway.Charge{}) {
			t.Errorf("the late intent was closed as %+v", out)
		}
		if db.intents[second.ID] != 0 {
			t.Error("a withdrawn record was committed")
		}
	})
}

func TestACommitOfUnknownFateIsRepeatedUntilItIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newStore()
		db.fault = func(n int, _ []*gateway.Intent) (bool, error) {
			switch n {
			case 0:
				return true, gateway.ErrFateUnknown // committed, and the answer lost
			case 1, 2:
				return false, errors.New("connection refused")
			}
			return true, nil
		}
		r := New(db, &disk{}, options(), quiet())
		in := intent()
		if err := r.Admit(t.Context(), in); err != nil {
			t.Error(err)
		}
		if len(db.batches) != 4 {
			t.Errorf("%d transactions", len(db.batches))
		}
		_ = r.Close(t.Context())
	})
}

func TestARecordTheStoreRefusesDoesNotTakeItsNeighboursWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newStore()
		bad := intent()
		db.fault = func(n int, intents []*gateway.Intent) (bool, error) {
			if n == 0 {
				time.Sleep(time.Millisecond)
			}
			for _, in := range intents {
				if in == bad {
					return false, gateway.ErrRecordRefused
				}
			}
			return true, nil
		}
		r := New(db, &disk{}, options(), quiet())
		var all sync.WaitGroup
		for i, in := range []*gateway.Intent{intent(), intent(), bad, intent()} {
			all.Go(func() {
				if err := r.Admit(t.Context(), in); (err != nil) != (in == bad) {
					t.Errorf("intent %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		_ = r.Close(t.Context())
	})
}

func TestAFullSpoolRefusesNewRequests(t *testing.T) {
	spool := &disk{}
	spool.full.Store(true)
	r := New(newStore(), spool, options(), quiet())
	if e := gateway.AsError(r.Admit(t.Context(), intent())); e.Code != gateway.Overloaded {
		t.Errorf("got %+v", e)
	}
	_ = r.Close(t.Context())
}

func TestAsyncDoesNotWaitAndDropsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, spool := newStore(), &disk{}
		var down atomic.Bool
		down.Store(true)
		db.fault = func(int, []*gateway.Intent) (bool, error) {
			if down.Load() {
				return false, errors.New("connection refused")
			}
			return true, nil
		}
		opts := options()
		opts.Async = true
		r := New(db, spool, opts, quiet())
		accepted, refused := 0, 0
		for range 20 {
			if r.Admit(t.Context(), intent()) == nil {
				accepted++
			} else {
				refused++
			}
		}
		if refused == 0 || accepted < opts.Queue {
			t.Errorf("%d accepted, %d refused: the full queue must hold requests back", accepted, refused)
		}
		down.Store(false)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(db.intents)+len(spool.intents) != accepted {
			t.Errorf("%d accepted, %d committed, %d spooled", accepted, len(db.intents), len(spool.intents))
		}
	})
}

func TestEveryWaiterIsAnsweredUnderConcurrency(t *testing.T) {
	db := newStore()
	opts := options()
	opts.Queue, opts.Writers = 64, 3
	r := New(db, &disk{}, opts, quiet())
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			in := intent()
			if err := r.Admit(t.Context(), in); err != nil {
				t.Error(err)
			}
			if err := r.Attempt(t.Context(), second(in)); err != nil {
				t.Error(err)
			}
			if err := r.Finish(t.Context(), finished(in)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if len(db.intents) != 500 || len(db.attempts) != 500 || len(db.outcomes) != 500 {
		t.Errorf("%d intents, %d attempts, %d outcomes", len(db.intents), len(db.attempts), len(db.outcomes))
	}
}

// In async mode a request may be on its way when the store refuses its record. It was sent, so nothing may say that it
// was not.
func TestAsyncNeverCallsARequestUnsentThatMayHaveBeenSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, spool := newStore(), &disk{}
		db.fault = func(_ int, intents []*gateway.Intent) (bool, error) {
			if len(intents) > 0 {
				return false, gateway.ErrRecordRefused
			}
			return true, nil
		}
		opts := options()
		opts.Async = true
		r := New(db, spool, opts, quiet())
		in := intent()
		if err := r.Admit(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := r.Finish(t.Context(), finished(in)); err != nil {
			t.Fatal(err)
		}
		_ = r.Close(t.Context())
		if len(spool.intents) != 1 || len(spool.outcomes) != 0 || db.outcomes[in.ID].Status != gateway.Completed {
			t.Errorf("spooled %d intents and %d outcomes; on record: %+v", len(spool.intents), len(spool.outcomes), db.outcomes[in.ID])
		}
	})
}
