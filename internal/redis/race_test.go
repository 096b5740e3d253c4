package redis_test

import (
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

var one = gateway.Charge{Requests: 1, Tokens: 10}

func TestARequestSettledWhileItsWindowIsRestoredIsNotOpenAgain(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		source, id := newRecord(), newID()
		source.stage(id, one)
		q, other := open(t, url, source), open(t, url, source)
		source.after = func() { // the snapshot, with the request open, is on its way
			s := settlement(id, gateway.Charge{Requests: 1, Tokens: 4}, true)
			source.write(s)
			if err := other.Settle(t.Context(), s); err != nil {
				t.Error(err)
			}
		}
		wantUsed(t, q, "ann", gateway.Used{Requests: 1, Tokens: 4})
	})
}

func TestARequestReservedBeforeRedisWasEmptiedAndStagedAfterCounts(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		source, lost, held := newRecord(), newID(), newID()
		q := open(t, url, source)
		reserve(t, q, settlement(lost, one, true))
		rawClient(t, url).FlushAll(t.Context())
		reserve(t, q, settlement(held, one, true)) // restores the window, which does not know of the first

		source.stage(lost, one)
		source.stage(held, one)
		finish(t, q, source, settlement(lost, one, true))
		finish(t, q, source, settlement(held, one, true))
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestARequestAdmittedWhileRedisWasAwayCountsOnce(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		source, held := newRecord(), newID()
		q := open(t, url, source)
		reserve(t, q, settlement(held, one, true)) // keeps the window from being compared with the database
		away := settlement(newID(), one, false)
		for range 3 {
			finish(t, q, source, away)
			wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
		}
		finish(t, q, source, settlement(held, one, true))
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestAWindowInDoubtKeepsItsOpenReservations(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		source, done := newRecord(), settlement(newID(), one, true)
		q := open(t, url, source)
		reserve(t, q, done)
		finish(t, q, source, done)
		reserve(t, q, settlement(newID(), one, true)) // the database does not know of it yet
		finish(t, q, source, done)                    // again, which is what raises the doubt
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestAWindowThatMovedOnIsNotCorrectedToAnOldSnapshot(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		source, done, next := newRecord(), settlement(newID(), one, true), settlement(newID(), one, true)
		q := open(t, url, source)
		reserve(t, q, done)
		finish(t, q, source, done)
		source.after = func() { // the snapshot for the comparison is on its way
			source.after = nil
			reserve(t, q, next)
			finish(t, q, source, next)
		}
		finish(t, q, source, done)
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestAReservationThatWasNeverUsedIsGivenBack(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		q := open(t, url, newRecord())
		s := settlement(newID(), one, true)
		reserve(t, q, s)
		s.Charge = gateway.Charge{}
		for range 2 {
			if err := q.Settle(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			wantUsed(t, q, "ann", gateway.Used{})
		}
	})
}

func reserve(t *testing.T, q quota, s gateway.Settlement) {
	t.Helper()
	_, refusal, err := q.Reserve(t.Context(), s.Subject, s.Window, gateway.Limits{Requests: -1, Tokens: -1}, s.ID, s.Charge)
	if err != nil || refusal != gateway.Admitted {
		t.Fatalf("reserve = %q, %v", refusal, err)
	}
}

func finish(t *testing.T, q quota, source *record, s gateway.Settlement) {
	t.Helper()
	source.write(s)
	if err := q.Settle(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}
