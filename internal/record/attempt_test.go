package record

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestNoAttemptIsMadeBeforeItsCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, in := newStore(), intent()
		release := make(chan struct{})
		db.fault = func(int, []*gateway.Intent) (bool, error) { <-release; return true, nil }
		r := New(db, &disk{}, options(), quiet())
		var returned atomic.Bool
		made := make(chan error, 1)
		go func() { made <- r.Attempt(t.Context(), second(in)); returned.Store(true) }()
		synctest.Wait()
		if returned.Load() {
			t.Error("made while the transaction was open")
		}
		close(release)
		if err := <-made; err != nil || db.attempts[in.ID] != 1 {
			t.Errorf("%v, %d on record", err, db.attempts[in.ID])
		}
		_ = r.Close(t.Context())
	})
}

func TestAnAttemptThatCannotBeCommittedIsRefusedAndNeverSpooled(t *testing.T) {
	for name, c := range map[string]struct {
		fault       func(int, []*gateway.Intent) (bool, error)
		fateUnknown bool
	}{
		"the database is down": {
			func(int, []*gateway.Intent) (bool, error) { return false, errors.New("connection refused") }, false,
		},
		"the database refuses it": {
			func(int, []*gateway.Intent) (bool, error) { return false, gateway.ErrRecordRefused }, false,
		},
		"the database hangs, and refuses it in the end": {
			func(int, []*gateway.Intent) (bool, error) {
				time.Sleep(time.Minute)
				return false, gateway.ErrRecordRefused
			}, true,
		},
		"the database hangs, and commits it in the end": {
			func(int, []*gateway.Intent) (bool, error) { time.Sleep(time.Minute); return true, nil }, true,
		},
		"the fate is unknown until the recorder is closed": {
			func(int, []*gateway.Intent) (bool, error) { return false, gateway.ErrFateUnknown }, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db, spool := newStore(), &disk{}
				db.fault = c.fault
				r := New(db, spool, options(), quiet())
				start := time.Now()
				err := r.Attempt(t.Context(), second(intent()))
				if e := gateway.AsError(err); e.Code != gateway.Overloaded || e.RetryAfter == 0 || errors.Is(err, gateway.ErrFateUnknown) != c.fateUnknown {
					t.Errorf("got %+v", err)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("refused after %s", took)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if len(spool.attempts) > 0 || len(db.outcomes)+len(spool.outcomes) > 0 {
					t.Errorf("spooled %d attempts; closed %d requests that are the caller's", len(spool.attempts), len(db.outcomes)+len(spool.outcomes))
				}
			})
		})
	}
}

func TestWhatWasWithdrawnIsNotSpooledAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, spool := newStore(), &disk{}
		db.fault = func(int, []*gateway.Intent) (bool, error) { time.Sleep(time.Hour); return true, nil }
		r := New(db, spool, options(), quiet())
		go func() { _ = r.Admit(t.Context(), intent()) }() // keeps the one writer
		synctest.Wait()
		if r.Admit(t.Context(), intent()) == nil || r.Attempt(t.Context(), second(intent())) == nil {
			t.Error("what no writer took was called committed")
		}
		r.closeNow(t)
		if len(spool.intents)+len(spool.attempts) > 0 {
			t.Errorf("spooled %d intents and %d attempts that were refused", len(spool.intents), len(spool.attempts))
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestAsyncAttemptsAreNotLostWithTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, spool := newStore(), &disk{}
		db.fault = func(int, []*gateway.Intent) (bool, error) { return false, errors.New("connection refused") }
		opts := options()
		opts.Async, opts.BatchRows = true, 2
		r := New(db, spool, opts, quiet())
		for range 5 { // more than a writer takes at once, so that some wait in the queue
			if err := r.Attempt(t.Context(), second(intent())); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		r.closeNow(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(spool.attempts) != 5 || len(spool.outcomes) > 0 {
			t.Errorf("spooled %d of 5 attempts, %d outcomes", len(spool.attempts), len(spool.outcomes))
		}
	})
}

// closeNow closes the recorder without patience.
func (r *Recorder) closeNow(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}
