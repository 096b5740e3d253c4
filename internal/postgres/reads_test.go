package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// aRead is one of an auditor's.
func aRead(request uuid.UUID, kind string) gateway.Read {
	return gateway.Read{Subject: "a-1", User: "audrey", Request: request, Kind: kind, Reason: "case 7"}
}

func TestABodyIsReadWhenTheReadIsOnRecord(t *testing.T) {
	s := newReader(t)
	in, out := newIntent(), newOutcome(uuid.Nil)
	out.ID = in.ID
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{out})
	for kind, want := range map[string]gateway.Body{"request": in.Body, "response": out.Body} {
		got, err := s.auditor.ReadBody(t.Context(), aRead(in.ID, kind))
		if err != nil || string(got.Zstd) != string(want.Zstd) || got.Size != want.Size || got.Digest != want.Digest {
			t.Errorf("%s: %+v %v", kind, got, err)
		}
	}
	reads, more, err := s.auditor.Reads(t.Context(), in.ID, 0, 10)
	if err != nil || more || len(reads) != 2 {
		t.Fatalf("%+v %v %v", reads, more, err)
	}
	for _, r := range reads {
		want := aRead(in.ID, r.Kind)
		want.ID, want.At, want.Login, want.Owner, want.OwnerName = r.ID, r.At, "llmgw_test_auditor", "7f9c", "ann"
		if r != want || time.Since(r.At) > time.Hour {
			t.Errorf("on record is\n%+v, want\n%+v", r, want)
		}
	}
}

func TestABodyThatIsNotKeptIsNotFoundAndNotRead(t *testing.T) {
	s := newReader(t)
	in := newIntent()
	s.stage(t, []*gateway.Intent{in}, nil)
	for name, read := range map[string]gateway.Read{
		"a response that is not here yet": aRead(in.ID, "response"),
		"another kind":                    aRead(in.ID, "reply"),
		"no request":                      aRead(uuid.Must(uuid.NewV7()), "request"),
	} {
		if body, err := s.auditor.ReadBody(t.Context(), read); !errors.Is(err, gateway.ErrNotFound) || body.Zstd != nil {
			t.Errorf("%s: %+v %v", name, body, err)
		}
	}
	if n := s.Int(t, `SELECT count(*) FROM reads`); n != 0 {
		t.Errorf("%d reads are on record", n)
	}
}

func TestNoBodyIsReadWhileTheRecordOfReadsTakesNoRow(t *testing.T) {
	for name, obstacle := range map[string]string{
		"it refuses":  `ALTER TABLE reads ADD CHECK (false) NOT VALID`,
		"it is gone":  `DROP TABLE reads CASCADE`,
		"it is taken": `BEGIN; LOCK TABLE reads IN ACCESS EXCLUSIVE MODE`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newReader(t)
			impatient, err := postgres.Open(t.Context(), postgres.Config{URL: s.URL(postgrestest.Auditor), Timeout: 500 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(impatient.Close)
			request := s.stageEnded(t, 1)[0]
			if _, err := impatient.ReadBody(t.Context(), aRead(request, "request")); err != nil {
				t.Fatal(err)
			}
			if _, err := connect(t, s.URL(postgrestest.Superuser)).Exec(t.Context(), obstacle); err != nil {
				t.Fatal(err)
			}
			if body, err := impatient.ReadBody(t.Context(), aRead(request, "request")); err == nil || body.Zstd != nil {
				t.Errorf("%d bytes were given, %v", len(body.Zstd), err)
			}
		})
	}
}

// Whoever has a login of the role can call the functions without the gateway.
func TestNoBodyIsReadPastTheRecord(t *testing.T) {
	s := newReader(t)
	request := s.stageEnded(t, 1)[0]
	conn, other := connect(t, s.URL(postgrestest.Auditor)), connect(t, s.URL(postgrestest.Auditor))
	var read int64
	begin := func(t *testing.T) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `SELECT begin_read($1, 'request', '7f9c', 'ann', '')`, request).Scan(&read); err != nil {
			t.Fatal(err)
		}
	}
	given := func(t *testing.T, sql string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), sql, read).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const (
		bytes   = `SELECT count(*) FROM read_body($1)`
		aMinute = `UPDATE reads SET at = at - interval '1 minute'`
	)
	run := func(t *testing.T, statements ...string) {
		t.Helper()
		for _, sql := range statements {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}

	t.Run("in a transaction that is rolled back", func(t *testing.T) {
		run(t, `BEGIN`)
		begin(t)
		if n := given(t, bytes); n != 0 {
			t.Error("the bytes were given")
		}
		run(t, `ROLLBACK`)
	})
	t.Run("in a part of it", func(t *testing.T) {
		run(t, `BEGIN`, `SAVEPOINT s`)
		begin(t)
		run(t, `RELEASE s`)
		if n := given(t, bytes); n != 0 {
			t.Error("the bytes were given")
		}
		run(t, `ROLLBACK`)
	})
	t.Run("while another has not committed", func(t *testing.T) {
		tx, err := other.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		if err := tx.QueryRow(t.Context(), `SELECT begin_read($1, 'request', 's', 'n', '')`, request).Scan(&read); err != nil {
			t.Fatal(err)
		}
		if n := given(t, bytes); n != 0 {
			t.Error("the bytes were given")
		}
	})
	t.Run("by a read of a minute ago", func(t *testing.T) {
		begin(t)
		if n := given(t, bytes); n != 1 {
			t.Fatal("a read that is committed gives nothing")
		}
		s.Exec(t, aMinute)
		if n := given(t, bytes); n != 0 {
			t.Error("the bytes were given")
		}
	})
	t.Run("by a read of another login", func(t *testing.T) {
		begin(t)
		s.Exec(t, `UPDATE reads SET login = 'somebody'`)
		if n := given(t, bytes); n != 0 {
			t.Error("the bytes were given")
		}
	})
	for _, sql := range []string{
		`SELECT zstd FROM bodies`, `SELECT bodies FROM bodies`, `SELECT * FROM bodies`, `COPY bodies TO STDOUT`, `SELECT sha256(zstd) FROM bodies`,
		`SELECT zstd FROM batch_items`, `SELECT zstd FROM batch_results`, `SELECT zstd FROM file_chunks`,
		`INSERT INTO reads (subject, user_name, request_id, kind, owner, owner_name, reason) SELECT '', '', request_id, kind, '', '', '' FROM bodies`,
		`UPDATE reads SET reason = 'another'`, `DELETE FROM reads`, `TRUNCATE reads`, `ALTER TABLE reads DISABLE TRIGGER ALL`,
	} {
		if !denied(t, conn, sql) {
			t.Errorf("%s: allowed", sql)
		}
	}
}

func TestPagesOfReadsFollowEachOther(t *testing.T) {
	s := newReader(t)
	requests := s.stageEnded(t, 2)
	for range 3 {
		for _, id := range requests {
			if _, err := s.auditor.ReadBody(t.Context(), aRead(id, "request")); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []uuid.UUID
	var after int64
	for more := true; more; {
		var page []gateway.Read
		var err error
		if page, more, err = s.auditor.Reads(t.Context(), uuid.Nil, after, 4); err != nil || len(page) == 0 {
			t.Fatal(page, err)
		}
		for _, r := range page {
			got, after = append(got, r.Request), r.ID
		}
	}
	if len(got) != 6 || got[0] != requests[1] || got[5] != requests[0] {
		t.Errorf("the pages have %v", got)
	}
	if some, more, err := s.auditor.Reads(t.Context(), requests[0], 0, 10); err != nil || more || len(some) != 3 {
		t.Errorf("of one request: %d, %v, %v", len(some), more, err)
	}
}
