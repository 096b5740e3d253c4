package postgres_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// idAt is a UUIDv7 of an instant.
func idAt(at time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(id[:6], ms[2:])
	return id
}

// month is the first instant of the month that is n after this one.
func month(n int) time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
}

// writeAt puts a request that was admitted at the instant into the ledger.
func (s *stack) writeAt(t *testing.T, at time.Time) uuid.UUID {
	t.Helper()
	in := newIntent()
	in.ID, in.AdmittedAt = idAt(at), at
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{newOutcome(in.ID)})
	s.resend(t, in.ID, 2)
	if _, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{in.ID}); err != nil {
		t.Fatal(err)
	}
	return in.ID
}

// in is how many rows of the request are in a month's partitions, or with "default" in those of no month.
func (s *stack) in(t *testing.T, id uuid.UUID, partition string) int64 {
	t.Helper()
	return s.Int(t, `SELECT (SELECT count(*) FROM ledger WHERE id = $1 AND tableoid::regclass::text = 'ledger_' || $2)
		+ (SELECT count(*) FROM attempts WHERE request_id = $1 AND tableoid::regclass::text = 'attempts_' || $2)
		+ (SELECT count(*) FROM bodies WHERE request_id = $1 AND tableoid::regclass::text = 'bodies_' || $2)`, id, partition)
}

func TestARequestIsKeptInThePartitionOfItsMonth(t *testing.T) {
	s := start(t)
	for at, partition := range map[time.Time]string{
		month(0):                        month(0).Format("2006_01"),
		month(1).Add(-time.Millisecond): month(0).Format("2006_01"),
		month(1):                        month(1).Format("2006_01"),
		month(3).Add(-time.Millisecond): month(2).Format("2006_01"),
		month(3):                        "default",
		month(-1):                       "default",
	} {
		if n := s.in(t, s.writeAt(t, at), partition); n != 4 {
			t.Errorf("%v: %d of its 4 rows are in %s", at, n, partition)
		}
	}
}

func TestPartitionsMadeLateTakeTheirRowsFromTheDefault(t *testing.T) {
	s := start(t)
	late, later := s.writeAt(t, month(3)), s.writeAt(t, month(9))
	for range 2 {
		s.Exec(t, `SELECT ensure_partitions(3)`)
		if n := s.in(t, late, month(3).Format("2006_01")); n != 4 {
			t.Fatalf("%d of 4 rows moved", n)
		}
		if n := s.in(t, later, "default"); n != 4 {
			t.Fatalf("%d of 4 rows stayed in the default", n)
		}
	}
	if err := s.worker.EnsurePartitions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{late, later}); err != nil || len(got) != 2 {
		t.Errorf("the ledger answers %+v, %v", got, err)
	}
	if n := s.Int(t, `SELECT count(*) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = 'zstd' AND attstorage = 'e'`, "bodies_"+month(3).Format("2006_01")); n != 1 {
		t.Error("the new partition would compress what is compressed")
	}
}

func TestRequestsAreStagedWhilePartitionsAreMade(t *testing.T) {
	s := start(t)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for months := range 12 {
			s.Exec(t, `SELECT ensure_partitions(`+string(rune('0'+months%10))+`)`)
		}
	}()
	for {
		select {
		case <-stop:
			return
		default:
			s.writeAt(t, month(0))
			s.writeAt(t, month(4))
		}
	}
}

func TestRetentionDropsWholeMonths(t *testing.T) {
	s := start(t)
	old, current, next := s.writeAt(t, month(-2)), s.writeAt(t, month(0)), s.writeAt(t, month(1))
	s.Exec(t, `SELECT drop_partitions_before('bodies', date_trunc('month', now()) + interval '1 month 10 days')`)
	for id, want := range map[uuid.UUID]int64{old: 0, current: 0, next: 2} {
		if n := s.Int(t, `SELECT count(*) FROM bodies WHERE request_id = $1`, id); n != want {
			t.Errorf("%d bodies are kept, want %d", n, want)
		}
	}
	s.wantRows(t, [4]int64{0, 0, 2, 3}) // the ledger has its own retention
	s.seal(t)                           // what is in no seal stays
	s.Exec(t, `SELECT drop_partitions_before('ledger', now())`)
	s.wantRows(t, [4]int64{0, 0, 2, 2})
	s.Exec(t, `SELECT drop_partitions_before('attempts', date_trunc('month', now()) + interval '1 month')`)
	if n := s.Int(t, `SELECT count(*) FROM attempts WHERE request_id = $1`, next); n != 1 || s.Int(t, `SELECT count(*) FROM attempts`) != 1 {
		t.Error("attempts of other months are kept, or those of the month are not")
	}
}
