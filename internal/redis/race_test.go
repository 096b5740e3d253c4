package redis_test

import (
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestARequestSettledWhileItsWindowIsRestoredIsNotOpenAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, a := newRecord(), ask(one)
		source.stage(a)
		q, other := s.open(t, source), s.open(t, source)
		source.after = func() { // the snapshot, with the request open, is on its way
			source.after = nil
			settle(t, other, source.write(a.ID, gateway.Charge{Requests: 1, Tokens: 4}))
		}
		wantUsed(t, q, "ann", gateway.Used{Requests: 1, Tokens: 4})
	})
}

func TestARequestReservedBeforeRedisWasEmptiedAndStagedAfterCounts(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, lost, held := newRecord(), ask(one), ask(one)
		q := s.open(t, source)
		reserve(t, q, lost)
		s.flush(t)
		reserve(t, q, held) // restores the window, which does not know of the first

		source.stage(lost)
		source.stage(held)
		settle(t, q, source.write(lost.ID, one))
		settle(t, q, source.write(held.ID, one))
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestARequestWhoseReservationWasLostIsRefusedWhenOthersTookItsPlace(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, lost, other := newRecord(), ask(one), ask(one)
		lost.Limits, other.Limits = atMost(1), atMost(1)
		q := s.open(t, source)
		reserve(t, q, lost)
		s.flush(t)
		reserve(t, q, other)

		source.stage(lost)
		source.stage(other)
		if _, refusal, err := q.Reserve(t.Context(), lost); err != nil || refusal != gateway.NoRequests {
			t.Errorf("the one that lost it: %q, %v", refusal, err)
		}
		if _, refusal, err := q.Reserve(t.Context(), other); err != nil || refusal != gateway.Admitted {
			t.Errorf("the one that took it: %q, %v", refusal, err)
		}
	})
}

func TestRequestsThatLostTheirReservationsTwiceAreNotSentBeyondTheLimit(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source := newRecord()
		q := s.open(t, source)
		sent := 0
		again := func(a gateway.Ask) {
			_, refusal, err := q.Reserve(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if refusal == gateway.Admitted {
				sent++
				return
			}
			settle(t, q, source.write(a.ID, gateway.Charge{})) // it ends without having been sent
		}
		late, quick := []gateway.Ask{ask(one), ask(one)}, []gateway.Ask{ask(one), ask(one)}
		for i := range late {
			late[i].Limits, quick[i].Limits = atMost(2), atMost(2)
			reserve(t, q, late[i])
		}
		s.flush(t)
		for _, a := range quick { // others take the places, and are on record and sent
			reserve(t, q, a)
			source.stage(a)
			again(a)
		}
		for _, a := range late {
			source.stage(a)
		}
		s.flush(t) // the database knows of four now
		for _, a := range late {
			again(a)
		}
		if sent != 2 {
			t.Errorf("%d were sent, the limit is 2", sent)
		}
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestARequestAdmittedWhileRedisWasAwayCountsOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, held, away := newRecord(), ask(one), ask(one)
		q := s.open(t, source)
		reserve(t, q, held)
		source.stage(away)
		settlement := source.write(away.ID, one)
		settlement.Reserved = false
		for range 3 {
			settle(t, q, settlement)
			wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
		}
		source.stage(held)
		settle(t, q, source.write(held.ID, one))
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestASecondSettlementKeepsTheOpenReservations(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, done := newRecord(), ask(one)
		q := s.open(t, source)
		reserve(t, q, done)
		source.stage(done)
		settlement := source.write(done.ID, one)
		settle(t, q, settlement)
		reserve(t, q, ask(one)) // the database does not know of it yet
		settle(t, q, settlement)
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestAWindowThatMovedOnIsNotCorrectedToAnOldSnapshot(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, done, next := newRecord(), ask(one), ask(one)
		q := s.open(t, source)
		reserve(t, q, done)
		source.stage(done)
		settlement := source.write(done.ID, one)
		settle(t, q, settlement)
		source.after = func() { // the snapshot for the comparison is on its way
			source.after = nil
			reserve(t, q, next)
			source.stage(next)
			settle(t, q, source.write(next.ID, one))
		}
		settle(t, q, settlement)
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 20})
	})
}

func TestAReservationThatWasNeverUsedIsGivenBack(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		q, a := s.open(t, newRecord()), ask(one)
		a.Limits.PerMinute, a.Limits.Concurrent, a.Limits.Requests = 1, 1, 1
		for range 3 { // each finds room
			reserve(t, q, a)
			for range 2 {
				settle(t, q, gateway.Settlement{ID: a.ID, Subject: a.Subject, Window: a.Window, Reserved: true})
				wantUsed(t, q, "ann", gateway.Used{})
			}
			a.ID = newID()
		}
	})
}

func TestRedisEmptiedDuringARestoreIsRestoredAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, a := newRecord(), ask(one)
		q := s.open(t, source)
		source.after = func() { // the snapshot, without the request, is on its way
			source.after = nil
			source.stage(a)
			s.flush(t)
		}
		wantUsed(t, q, "ann", gateway.Used{Requests: 1, Tokens: 10})
	})
}
