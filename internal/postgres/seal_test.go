package postgres_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
	"github.com/openova-io/llm-gateway/internal/seal"
)

// seal makes seals until nothing waits for one, and answers the last.
func (s *stack) seal(t *testing.T) (last seal.Seal) {
	t.Helper()
	for {
		made, err := s.worker.Seal(t.Context(), 1000, nil)
		if err != nil {
			t.Fatal(err)
		}
		if made.N == 0 {
			return last
		}
		last = made
	}
}

// unsealed writes n requests to the ledger. It answers their ids, in order.
func (s *stack) unsealed(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	ids := s.stageEnded(t, n)
	if _, err := s.worker.WriteLedger(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	return ids
}

// sealed does so, and seals them.
func (s *stack) sealed(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	ids := s.unsealed(t, n)
	s.seal(t)
	return ids
}

// export is what an auditor is given.
func (s *stack) export(t *testing.T, h seal.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	auditor := open(t, s.URL(postgrestest.Auditor))
	defer auditor.Close()
	if _, err := auditor.Export(t.Context(), h, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (s *stack) verify(t *testing.T, o seal.Options) seal.Report {
	t.Helper()
	r, err := seal.Verify(bytes.NewReader(s.export(t, seal.Header{})), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *stack) fine(t *testing.T, rows, seals, pending int64) seal.Report {
	t.Helper()
	r := s.verify(t, seal.Options{})
	if want := (seal.End{Rows: rows, Seals: seals, Pending: pending}); r.Bad != 0 || r.End != want {
		t.Fatalf("found %+v %+v, end %+v; want nothing, and %+v", r.BadRows, r.BadSeals, r.End, want)
	}
	return r
}

func TestAnUntouchedLedgerIsFine(t *testing.T) {
	s := start(t)
	s.fine(t, 0, 0, 0)
	s.sealed(t, 7)
	s.sealed(t, 1)
	s.unsealed(t, 2)
	if n, err := s.worker.Unsealed(t.Context()); n != 2 || err != nil {
		t.Errorf("%d rows wait, %v", n, err)
	}
	r := s.fine(t, 10, 2, 2)
	if r.Head.N != 2 || r.Head.Hash != r.Head.Sum() {
		t.Errorf("head = %+v", r.Head)
	}
	s.Exec(t, `SELECT ensure_partitions(5)`)
	s.fine(t, 10, 2, 2)
}

func TestAnItemOfABatchWaitsForItsSealLikeAnyRequest(t *testing.T) {
	s := start(t)
	b := s.run(t, 1)
	in := newIntent()
	in.Item = gateway.ItemRef{Batch: b.ID}
	e := newSkip(b.ID, 0, gateway.ItemSucceeded)
	e.Outcome = newOutcome(in.ID)
	s.commit(t, []*gateway.Intent{in}, nil, e)
	s.fine(t, 1, 0, 1)
	s.seal(t)
	s.fine(t, 1, 1, 0)
}

func TestThereIsNoSealOfNothing(t *testing.T) {
	s := start(t)
	if made, err := s.worker.Seal(t.Context(), 10, nil); err != nil || !reflect.DeepEqual(made, seal.Seal{}) {
		t.Errorf("made %+v, %v", made, err)
	}
}

func TestSealsMadeAtOnceAreOneChain(t *testing.T) {
	s := start(t)
	s.unsealed(t, 200)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := s.worker.Seal(t.Context(), 5, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.fine(t, 200, 40, 0)
}

func TestASealThatCannotBeSignedIsNotMade(t *testing.T) {
	s := start(t)
	s.unsealed(t, 3)
	refuse := func(*seal.Seal) error { return fmt.Errorf("no key") }
	if _, err := s.worker.Seal(t.Context(), 10, refuse); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("error = %v", err)
	}
	s.fine(t, 3, 0, 3)
}

// What a row says is one text for each column; the form of each is what Go would write.
func TestARowSaysEveryColumn(t *testing.T) {
	s := start(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		in, out := randomRequest(random)
		s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{out})
		s.write(t, in.ID)
		r := s.verify(t, seal.Options{})
		if r.Bad != 0 {
			t.Fatalf("found %+v", r.BadRows)
		}
	}
	conn := connect(t, s.URL(postgrestest.Superuser))
	var columns []string
	if err := conn.QueryRow(t.Context(), `
		SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = 'ledger'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'digest'`).Scan(&columns); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(columns, seal.Columns()) {
		t.Errorf("the ledger has the columns\n%v, and the digest is of\n%v", columns, seal.Columns())
	}
	rows, err := conn.Query(t.Context(), `SELECT ledger_text(l), to_jsonb(l) FROM ledger l`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var values map[string]any
		if err := rows.Scan(&text, &values); err != nil {
			t.Fatal(err)
		}
		var texts []*string
		if err := json.Unmarshal([]byte(text), &texts); err != nil || len(texts) != len(columns)+1 || *texts[0] != "ledger/1" {
			t.Fatalf("%s: %v", text, err)
		}
		for i, name := range columns {
			if got, want := texts[i+1], canonical(t, name, values[name]); !reflect.DeepEqual(got, want) {
				t.Errorf("%s of %v is said as %v, want %v", name, values["id"], show(got), show(want))
			}
		}
	}
}

// canonical is a column's value, as PostgreSQL puts it into JSON, in the form of ledger/1.
func canonical(t *testing.T, column string, value any) *string {
	t.Helper()
	var text string
	switch v := value.(type) {
	case nil:
		return nil
	case bool, float64:
		text = strings.TrimSuffix(fmt.Sprint(json.Number(fmt.Sprintf("%v", v))), ".0")
		if f, ok := v.(float64); ok {
			text = fmt.Sprintf("%.0f", f)
		}
	case string:
		text = v
		if strings.HasSuffix(column, "_digest") {
			text = strings.TrimPrefix(v, `\x`)
		} else if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			text = fmt.Sprint(at.UnixMicro())
		}
	}
	return &text
}

func show(s *string) string {
	if s == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *s)
}

// randomRequest has texts that JSON has to escape.
func randomRequest(r *rand.Rand) (*gateway.Intent, *gateway.Outcome) {
	text := func() string {
		alphabet := []rune("a\"\\\n\t\u0001\u007f{},:[]é😀\u2028</>&'null")
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteRune(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	in := newIntent()
	in.Principal.Subject, in.Principal.User, in.Session, in.ModelRequested = text(), text(), text(), text()
	in.Target.Backend, in.Stream, in.Reserved, in.Class = text(), r.IntN(2) == 0, r.IntN(2) == 0, text()
	out := newOutcome(in.ID)
	out.Error, out.UpstreamID, out.StopReason, out.HTTPStatus = text(), text(), text(), r.IntN(600)
	out.Usage.Input, out.Cost = r.Int64N(1<<50), gateway.Cost(r.Int64N(1<<50))
	if r.IntN(2) == 0 {
		out.FirstByteAt, out.Body = time.Time{}, gateway.Body{}
	}
	return in, out
}

func TestSealsAreSigned(t *testing.T) {
	s := start(t)
	s.sealed(t, 2) // before there was a key
	public, private, err := ed25519.GenerateKey(nil)
	other, _, err2 := ed25519.GenerateKey(nil)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	sign := func(x *seal.Seal) error { x.Sign(private); return nil }
	for range 2 {
		s.unsealed(t, 2)
		if _, err := s.worker.Seal(t.Context(), 10, sign); err != nil {
			t.Fatal(err)
		}
	}
	with := func(keys ...ed25519.PublicKey) seal.Options { return seal.Options{Keys: keys} }
	if r := s.verify(t, with(other, public)); r.Bad != 0 || r.Signed != 2 {
		t.Errorf("%d signatures, found %+v", r.Signed, r.BadSeals)
	}
	if r := s.verify(t, with(other)); r.Bad != 2 || !strings.Contains(r.BadSeals[0].What, "which was not given") {
		t.Errorf("with another key: %+v", r.BadSeals)
	}
	s.sealed(t, 1)
	if r := s.verify(t, with(public)); r.Bad != 1 || r.BadSeals[0].Seal != 4 {
		t.Errorf("an unsigned one after those: %+v", r.BadSeals)
	}
	s.Exec(t, `UPDATE seals SET signature = NULL, key = ''`)
	if r := s.verify(t, with(public)); r.Bad != 1 || r.BadSeals[0].Seal != 4 {
		t.Errorf("all signatures taken away: %+v", r.BadSeals)
	}
}

func TestAnExportOfATimeHasItsRowsAndAllSealsSince(t *testing.T) {
	s := start(t)
	var ids []uuid.UUID
	for _, hours := range []int{1, 2, 3, 4, 5} {
		ids = append(ids, s.writeAt(t, month(0).Add(time.Duration(hours)*time.Hour)))
		s.seal(t)
	}
	from, before := month(0).Add(2*time.Hour), month(0).Add(4*time.Hour)
	text := s.export(t, seal.Header{From: &from, Before: &before})
	r, err := seal.Verify(bytes.NewReader(text), seal.Options{})
	if want := (seal.End{Rows: 2, Seals: 4}); err != nil || r.Bad != 0 || r.End != want || r.Since != 2 {
		t.Fatalf("%v, found %+v %+v, end %+v since %d", err, r.BadRows, r.BadSeals, r.End, r.Since)
	}
	if n := bytes.Count(text, []byte(`"entries"`)); n != 2 {
		t.Errorf("the entries of %d seals are in it, want those of 2", n)
	}
	s.Exec(t, fmt.Sprintf(`DELETE FROM ledger WHERE id IN ('%s', '%s')`, ids[1], ids[4]))
	s.Exec(t, fmt.Sprintf(`UPDATE ledger SET subject = 'x' WHERE id IN ('%s', '%s')`, ids[0], ids[2]))
	r, err = seal.Verify(bytes.NewReader(s.export(t, seal.Header{From: &from, Before: &before})), seal.Options{})
	if err != nil || len(r.BadRows) != 2 || r.BadRows[0].Row != ids[1] || r.BadRows[1].Row != ids[2] {
		t.Errorf("%v, found %+v; want the two within that time", err, r.BadRows)
	}
}

func BenchmarkLedgerRowWithItsDigest(b *testing.B) {
	s := start(b)
	for name, sql := range map[string]string{"with": "SELECT 1", "without": "ALTER TABLE ledger DISABLE TRIGGER ledger_digest"} {
		b.Run(name, func(b *testing.B) {
			s.Exec(b, sql)
			defer s.Exec(b, "ALTER TABLE ledger ENABLE TRIGGER ledger_digest")
			for range b.N {
				b.StopTimer()
				ids := s.stageEnded(b, 500)
				b.StartTimer()
				if _, err := s.worker.WriteLedger(b.Context(), ids); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(500*b.N), "µs/row")
		})
	}
}
