package postgres_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// reader is a fresh database, with the auditor's side of it too.
type reader struct {
	*stack
	auditor *postgres.DB
}

func newReader(t *testing.T) *reader {
	t.Helper()
	s := start(t)
	return &reader{s, open(t, s.URL(postgrestest.Auditor))}
}

func (r *reader) request(t *testing.T, id uuid.UUID) gateway.Record {
	t.Helper()
	found, err := r.auditor.Request(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// listed are the ids on a page, and whether there is another one.
func (r *reader) listed(t *testing.T, f gateway.RecordFilter, p gateway.Page) (ids []uuid.UUID, more bool) {
	t.Helper()
	found, more, err := r.auditor.Requests(t.Context(), f, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range found {
		ids = append(ids, record.Intent.ID)
	}
	return ids, more
}

func TestARequestCanBeReadFromItsAdmissionOn(t *testing.T) {
	s := newReader(t)
	in, out := newIntent(), newOutcome(uuid.Nil)
	in.Class, in.Item = "premium", gateway.ItemRef{}
	out.ID, out.Attempts, out.Error = in.ID, 2, "an error"
	s.stage(t, []*gateway.Intent{in}, nil)

	running := s.request(t, in.ID)
	if running.Outcome != nil || running.Last != in.Target {
		t.Errorf("running: %+v, sent to %v", running.Outcome, running.Last)
	}
	again := s.resend(t, in.ID, 2)[0]
	if got := s.request(t, in.ID).Last; got != again.Target {
		t.Errorf("the last attempt went to %v, it says %v", again.Target, got)
	}

	out.Target = again.Target
	s.stage(t, nil, []*gateway.Outcome{out})
	staged := s.request(t, in.ID)
	if _, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{in.ID}); err != nil {
		t.Fatal(err)
	}
	settled := s.request(t, in.ID)
	if !reflect.DeepEqual(staged, settled) {
		t.Errorf("the ledger says of it\n%+v %+v, before it said\n%+v %+v", settled, settled.Outcome, staged, staged.Outcome)
	}

	want := gateway.Record{Intent: *in, Last: out.Target, Outcome: out}
	want.Intent.Instance, want.Intent.Reserved, want.Intent.Cost = uuid.Nil, false, 0 // not for its readers
	want.Intent.Charge, want.Intent.Body.Zstd, want.Outcome.Body.Zstd = out.Charge, nil, nil
	if !reflect.DeepEqual(settled, want) {
		t.Errorf("got\n%+v %+v, want\n%+v %+v", settled, settled.Outcome, want, want.Outcome)
	}

	in.Body.Zstd = []byte("a request as it is stored")
	s.stage(t, []*gateway.Intent{in}, nil) // by a frontend whose first commit went well and said otherwise
	if ids, _ := s.listed(t, gateway.RecordFilter{}, gateway.Page{Limit: 10}); len(ids) != 1 {
		t.Errorf("a request that was staged again is listed as %v", ids)
	}
	if got := s.request(t, in.ID); !reflect.DeepEqual(got, settled) {
		t.Errorf("a request that was staged again is %+v", got)
	}
}

func TestARequestThatIsNotOnRecordIsNotFound(t *testing.T) {
	s := newReader(t)
	if _, err := s.auditor.Request(t.Context(), uuid.Must(uuid.NewV7())); !errors.Is(err, gateway.ErrNotFound) {
		t.Error(err)
	}
}

// unpackable is a text that takes as much room in an index as it has bytes.
func unpackable(n int) string {
	var text strings.Builder
	for i := 0; text.Len() < n; i++ {
		_, _ = fmt.Fprintf(&text, "%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	return text.String()
}

func TestFiltersChooseRequests(t *testing.T) {
	s := newReader(t)
	batch := uuid.Must(uuid.NewV7())
	long := unpackable(4000)
	all := map[string]uuid.UUID{}
	var intents []*gateway.Intent
	var outcomes []*gateway.Outcome
	add := func(name string, at time.Duration, status gateway.Status, change func(in *gateway.Intent)) {
		in := newIntent()
		day := idAt(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).Add(at))
		copy(in.ID[:6], day[:6]) // as if it had come then
		change(in)
		all[name] = in.ID
		intents = append(intents, in)
		if status != "" {
			out := newOutcome(in.ID)
			out.Status, out.Target = status, in.Target
			outcomes = append(outcomes, out)
		}
	}
	add("plain", time.Hour, gateway.Completed, func(*gateway.Intent) {})
	add("ben's", 2*time.Hour, gateway.Failed, func(in *gateway.Intent) { in.Principal.Subject, in.Principal.User = "8888", "ben" })
	add("another session's", 3*time.Hour, gateway.Cancelled, func(in *gateway.Intent) { in.Session = "s2" })
	add("another model's", 4*time.Hour, gateway.Interrupted, func(in *gateway.Intent) { in.Target.Model = "gpt-oss" })
	add("long names'", 5*time.Hour, gateway.Completed, func(in *gateway.Intent) {
		in.Session, in.Principal.User, in.Target.Model = long+"session", long+"user", long+"model"
	})
	add("running", 6*time.Hour, "", func(in *gateway.Intent) { in.Session = "s2" })
	s.stage(t, intents, outcomes)
	ended := []uuid.UUID{all["plain"], all["ben's"], all["another model's"], all["long names'"]} // the cancelled one is on its way
	if _, err := s.worker.WriteLedger(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, `UPDATE ledger SET batch_id = '`+batch.String()+`', batch_n = 0 WHERE id = '`+all["plain"].String()+`'`)

	at := func(hours int) time.Time { return time.Date(2026, 11, 20, hours, 0, 0, 0, time.UTC) }
	for name, test := range map[string]struct {
		filter gateway.RecordFilter
		want   []string // the newest first
	}{
		"nothing":                   {gateway.RecordFilter{}, []string{"running", "long names'", "another model's", "another session's", "ben's", "plain"}},
		"a subject":                 {gateway.RecordFilter{Subject: "8888"}, []string{"ben's"}},
		"a user":                    {gateway.RecordFilter{User: "ben"}, []string{"ben's"}},
		"nobody":                    {gateway.RecordFilter{User: "be"}, nil},
		"a session, running or not": {gateway.RecordFilter{Session: "s2"}, []string{"running", "another session's"}},
		"a model":                   {gateway.RecordFilter{Model: "gpt-oss"}, []string{"another model's"}},
		"a batch":                   {gateway.RecordFilter{Batch: batch}, []string{"plain"}},
		"long names":                {gateway.RecordFilter{User: long + "user", Session: long + "session", Model: long + "model"}, []string{"long names'"}},
		"running":                   {gateway.RecordFilter{Status: "running"}, []string{"running"}},
		"completed":                 {gateway.RecordFilter{Status: "completed"}, []string{"long names'", "plain"}},
		"failed":                    {gateway.RecordFilter{Status: "failed"}, []string{"ben's"}},
		"cancelled":                 {gateway.RecordFilter{Status: "cancelled"}, []string{"another session's"}},
		"interrupted":               {gateway.RecordFilter{Status: "interrupted"}, []string{"another model's"}},
		"another status":            {gateway.RecordFilter{Status: "'; --"}, nil},
		"from":                      {gateway.RecordFilter{From: at(5)}, []string{"running", "long names'"}},
		"to":                        {gateway.RecordFilter{To: at(2)}, []string{"plain"}},
		"a time":                    {gateway.RecordFilter{From: at(2), To: at(4)}, []string{"another session's", "ben's"}},
		"a time long ago":           {gateway.RecordFilter{To: time.Unix(-1, 0)}, nil},
		"two that meet":             {gateway.RecordFilter{Session: "s2", Status: "running"}, []string{"running"}},
		"two that do not":           {gateway.RecordFilter{Session: "s2", Status: "failed"}, nil},
		"all of them":               {gateway.RecordFilter{Subject: "7f9c", User: "ann", Session: "s1", Model: "claude-haiku-4-5", Status: "completed", Batch: batch, From: at(1), To: at(2)}, []string{"plain"}},
	} {
		t.Run(name, func(t *testing.T) {
			var want []uuid.UUID
			for _, name := range test.want {
				want = append(want, all[name])
			}
			if got, more := s.listed(t, test.filter, gateway.Page{Limit: 10}); !slices.Equal(got, want) || more {
				t.Errorf("%v, more: %v; want %v", got, more, want)
			}
		})
	}
}

func TestPagesOfRequestsFollowEachOtherWhileMoreCome(t *testing.T) {
	s := newReader(t)
	want := s.stageEnded(t, 7)
	slices.Reverse(want)
	if _, err := s.worker.WriteLedger(t.Context(), want[3:]); err != nil { // the others are on their way
		t.Fatal(err)
	}
	var got []uuid.UUID
	var after uuid.UUID
	for more := true; more; after = got[len(got)-1] {
		var page []uuid.UUID
		page, more = s.listed(t, gateway.RecordFilter{}, gateway.Page{Limit: 3, After: after})
		if len(page) == 0 {
			t.Fatalf("an empty page after %v", got)
		}
		got = append(got, page...)
		s.stageEnded(t, 2)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages have %v, want %v", got, want)
	}
}

func TestASearchThatTakesTooLongIsGivenUp(t *testing.T) {
	s := newReader(t)
	impatient, err := postgres.Open(t.Context(), postgres.Config{URL: s.URL(postgrestest.Auditor), Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(impatient.Close)
	if err := impatient.Ping(t.Context()); err != nil { // a connection is there
		t.Fatal(err)
	}
	tx, err := connect(t, s.URL(postgrestest.Superuser)).Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), `LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := impatient.Requests(t.Context(), gateway.RecordFilter{}, gateway.Page{Limit: 1}); !errors.Is(err, gateway.ErrTooLong) {
		t.Error(err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := impatient.Requests(t.Context(), gateway.RecordFilter{}, gateway.Page{Limit: 1}); err != nil {
		t.Error("afterwards:", err)
	}
}
