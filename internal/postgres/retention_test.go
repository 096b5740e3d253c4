package postgres_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
	"github.com/openova-io/llm-gateway/internal/seal"
)

// writeOf puts a request of the subject, admitted at the instant, into the ledger.
func (s *stack) writeOf(t *testing.T, subject string, at time.Time) uuid.UUID {
	t.Helper()
	in := newIntent()
	in.ID, in.AdmittedAt, in.Principal.Subject = idAt(at), at, subject
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{newOutcome(in.ID)})
	s.write(t, in.ID)
	return in.ID
}

// retire ends the retention of the ledger's months before this one.
func (s *stack) retire(t *testing.T, owner *postgres.DB, dry bool) (dropped, kept int64) {
	t.Helper()
	parts, err := owner.Retire(t.Context(), "ledger", time.Now(), "ann", "old", dry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		dropped, kept = dropped+p.Dropped, kept+p.Kept
	}
	return dropped, kept
}

func TestRetiredRowsMayBeMissingAndNoOthers(t *testing.T) {
	s := start(t)
	owner := open(t, s.URL(postgrestest.Superuser))
	s.Exec(t, `SELECT ensure_partitions(0)`)
	for range 3 {
		s.writeOf(t, "a", month(-1))
	}
	next := s.writeOf(t, "a", month(0))
	if _, err := owner.Retire(t.Context(), "ledger", time.Now(), "ann", "old", false); err == nil || !strings.Contains(err.Error(), "wait for the next seal") {
		t.Errorf("rows in no seal are retired: %v", err)
	}
	s.seal(t)
	if dropped, kept := s.retire(t, owner, true); dropped != 3 || kept != 0 {
		t.Errorf("it would drop %d and keep %d", dropped, kept)
	}
	s.fine(t, 4, 1, 0)
	if dropped, _ := s.retire(t, owner, false); dropped != 3 {
		t.Errorf("dropped %d", dropped)
	}
	if r := s.fine(t, 1, 1, 0); r.Retired != 3 {
		t.Errorf("before it is noted in a seal: %d retired", r.Retired)
	}
	s.seal(t)
	r := s.fine(t, 1, 2, 0)
	if r.Retired != 3 || len(r.Notes) != 1 || r.Notes[0].Kind != seal.Retire || r.Notes[0].By != "ann" || r.Notes[0].Rows != 3 || r.Notes[0].Reason != "old" {
		t.Errorf("%d retired, noted %+v", r.Retired, r.Notes)
	}
	s.Exec(t, `DELETE FROM ledger WHERE id = '`+next.String()+`'`)
	if r := s.verify(t, seal.Options{}); r.Bad != 1 || r.BadRows[0].Row != next {
		t.Errorf("found %+v", r.BadRows)
	}
}

func TestHeldRowsOutliveTheirMonthAsTheyAre(t *testing.T) {
	s := start(t)
	owner := open(t, s.URL(postgrestest.Superuser))
	if _, err := owner.Hold(t.Context(), seal.Note{Subject: "held", Reason: "case 1", By: "ann"}); err != nil {
		t.Fatal(err)
	}
	other, held := s.writeOf(t, "other", month(1)), s.writeOf(t, "held", month(1).Add(time.Hour))
	s.seal(t)
	digest := s.Int(t, `SELECT hashtext(digest::text) FROM ledger WHERE id = $1`, held)
	for _, table := range []string{"ledger", "bodies"} {
		if _, err := owner.Retire(t.Context(), table, month(2), "ann", "old", false); err != nil {
			t.Fatal(err)
		}
	}
	if s.Int(t, `SELECT count(*) FROM ledger WHERE id = $1`, other) != 0 || s.Int(t, `SELECT count(*) FROM bodies WHERE request_id = $1`, held) != 2 {
		t.Error("what is held is dropped, or what is not is kept")
	}
	if s.Int(t, `SELECT hashtext(digest::text) FROM ledger_default WHERE id = $1`, held) != digest {
		t.Error("a row that is kept is another")
	}
	s.fine(t, 1, 1, 1) // it is sealed once more
	s.seal(t)
	r := s.fine(t, 1, 2, 0)
	kinds := ""
	for _, n := range r.Notes {
		kinds += n.Kind + " " + n.Table + ";"
	}
	if kinds != "hold ;retire ledger;retire bodies;" {
		t.Errorf("noted %s", kinds)
	}
	s.Exec(t, `DELETE FROM ledger WHERE id = '`+held.String()+`'`)
	if r := s.verify(t, seal.Options{}); r.Bad != 1 || r.BadRows[0].Row != held {
		t.Errorf("a row that was kept is deleted, and found is %+v", r.BadRows)
	}
}

func TestAHoldEndsWhenItIsReleased(t *testing.T) {
	s := start(t)
	owner := open(t, s.URL(postgrestest.Superuser))
	s.writeOf(t, "a", month(-1))
	s.seal(t)
	from, before := month(-2), month(0)
	id, err := owner.Hold(t.Context(), seal.Note{From: &from, Before: &before, Reason: "audit", By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if dropped, kept := s.retire(t, owner, false); dropped != 0 || kept != 1 {
		t.Errorf("dropped %d, kept %d", dropped, kept)
	}
	if holds, err := owner.Holds(t.Context()); err != nil || len(holds) != 1 || holds[0].ID != id || holds[0].Reason != "audit" || !holds[0].From.Equal(from) {
		t.Errorf("holds = %+v, %v", holds, err)
	}
	for range 2 {
		err = owner.Release(t.Context(), id, "bob", "over")
	}
	if err == nil || !strings.Contains(err.Error(), "worker audit holds") {
		t.Errorf("released twice: %v", err)
	}
	if dropped, kept := s.retire(t, owner, false); dropped != 1 || kept != 0 {
		t.Errorf("dropped %d, kept %d", dropped, kept)
	}
	s.seal(t)
	s.fine(t, 0, 2, 0)
}

func TestAnErasureLeavesTheChainAsItIs(t *testing.T) {
	s := start(t)
	owner := open(t, s.URL(postgrestest.Superuser))
	mine, other := s.writeOf(t, "mine", month(0)), s.writeOf(t, "other", month(0))
	late := s.writeOf(t, "mine", month(0).Add(48*time.Hour))
	before := month(0).Add(24 * time.Hour)
	s.seal(t)
	n := seal.Note{Subject: "mine", Before: &before, Reason: "asked for", By: "ann"}
	for range 2 {
		if e, err := owner.Erase(t.Context(), n, true); err != nil || e.Bodies != 2 {
			t.Errorf("it would erase %+v, %v", e, err)
		}
	}
	if e, err := owner.Erase(t.Context(), n, false); err != nil || e != (postgres.Erased{Bodies: 2}) {
		t.Errorf("erased %+v, %v", e, err)
	}
	for id, want := range map[uuid.UUID]int64{mine: 0, other: 2, late: 2} {
		if got := s.Int(t, `SELECT count(*) FROM bodies WHERE request_id = $1`, id); got != want {
			t.Errorf("%d bodies, want %d", got, want)
		}
	}
	s.seal(t)
	if r := s.fine(t, 3, 2, 0); len(r.Notes) != 1 || r.Notes[0].Kind != seal.Erase || r.Notes[0].Subject != "mine" || r.Notes[0].Rows != 2 {
		t.Errorf("noted %+v", r.Notes)
	}
}

func TestWhatIsHeldIsNotErased(t *testing.T) {
	s := start(t)
	owner := open(t, s.URL(postgrestest.Superuser))
	id := s.writeOf(t, "mine", month(0))
	from, before := month(0), month(1)
	for subject, hold := range map[string]bool{"mine": true, "": true, "other": false} {
		n, err := owner.Hold(t.Context(), seal.Note{Subject: subject, From: &from, Before: &before, Reason: "case 2", By: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = owner.Erase(t.Context(), seal.Note{Subject: "mine", Reason: "asked for"}, true)
		held, refused := errors.AsType[*postgres.HeldError](err)
		if refused != hold || hold && (held.Hold.ID != n || !strings.Contains(err.Error(), "case 2")) {
			t.Errorf("hold of %q: %v", subject, err)
		}
		if _, err = owner.Erase(t.Context(), seal.Note{Subject: "mine", From: &before, Reason: "asked for"}, true); err != nil {
			t.Errorf("a hold of another time: %v", err)
		}
		if err := owner.Release(t.Context(), n, "ann", ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Int(t, `SELECT count(*) FROM bodies WHERE request_id = $1`, id); n != 2 {
		t.Errorf("%d bodies are left", n)
	}
}

func TestAnErasureTakesBatchesThatHaveEndedAndNoOthers(t *testing.T) {
	s := start(t)
	owner := open(t, s.URL(postgrestest.Superuser))
	running, done := s.run(t, 2), s.run(t, 2)
	s.commit(t, nil, nil, newSkip(done.ID, 0, gateway.ItemCanceled), newSkip(done.ID, 1, gateway.ItemCanceled))
	if _, err := s.worker.EndBatch(t.Context(), done.ID, gateway.BatchCompleted); err != nil {
		t.Fatal(err)
	}
	e, err := owner.Erase(t.Context(), seal.Note{Subject: done.Principal.Subject, Reason: "asked for"}, false)
	if err != nil || e.Items != 2 || e.Results != 2 || e.Files != 1 {
		t.Fatalf("erased %+v, %v", e, err)
	}
	if n := s.Int(t, `SELECT count(*) FROM batch_items WHERE batch_id = $1`, running.ID); n != 2 {
		t.Errorf("%d items of the running batch are left", n)
	}
	b, err := s.worker.Batch(t.Context(), done.ID)
	if err != nil || b.ArchivedAt.IsZero() {
		t.Errorf("the batch is %+v, %v; want it archived", b, err)
	}
	for {
		n, err := s.worker.TidyBatches(t.Context(), time.Hour, time.Hour, 100)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
}

func TestNotesAreReadableInTheExport(t *testing.T) {
	s := start(t)
	owner := open(t, s.URL(postgrestest.Superuser))
	if _, err := owner.Hold(t.Context(), seal.Note{Subject: "a", Reason: `"quoted"`, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	line := struct{ Note seal.Note }{}
	for _, text := range bytes.Split(s.export(t, seal.Header{}), []byte("\n")) {
		if bytes.HasPrefix(text, []byte(`{"note"`)) && json.Unmarshal(text, &line) != nil {
			t.Fatal(string(text))
		}
	}
	if line.Note.Reason != `"quoted"` || line.Note.Kind != seal.Hold {
		t.Errorf("note = %+v", line.Note)
	}
}
