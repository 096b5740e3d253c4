package spool

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// store is a database that can be away, and that refuses what it is told to.
type store struct {
	away     error
	refuse   uuid.UUID
	intents  []*gateway.Intent
	attempts []*gateway.Attempt
	outcomes []*gateway.Outcome
}

func (s *store) Stage(_ context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, outcomes []*gateway.Outcome) error {
	if s.away != nil {
		return s.away
	}
	for _, o := range outcomes {
		if o.ID == s.refuse {
			return gateway.ErrRecordRefused
		}
	}
	s.intents, s.attempts, s.outcomes = append(s.intents, intents...), append(s.attempts, attempts...), append(s.outcomes, outcomes...)
	return nil
}

func ended() *gateway.Outcome {
	return &gateway.Outcome{
		ID: uuid.Must(uuid.NewV7()), Status: gateway.Completed, HTTPStatus: 200, Usage: gateway.Usage{Input: 3, Output: 4},
		Target: gateway.Target{Backend: "b", Model: "m"}, Attempts: 2, Cost: 9,
		Charge: gateway.Charge{Requests: 1, Tokens: 7}, EndedAt: time.Now().UTC().Truncate(time.Microsecond),
		Body: gateway.Body{Zstd: []byte{0, 1, 255}, Size: 3, Digest: [32]byte{9}},
	}
}

func open(t *testing.T, dir string, limit int64) *Spool {
	t.Helper()
	s, err := Open(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestRecordsOutliveTheProcessAndReachTheDatabaseInOrder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	in := &gateway.Intent{ID: uuid.Must(uuid.NewV7()), Principal: gateway.Principal{Subject: "s"}, AdmittedAt: time.Now().UTC()}
	out, later := ended(), ended()
	out.Attempts = 0 // it was never sent
	resent := &gateway.Attempt{Request: in.ID, N: 2, At: in.AdmittedAt, Target: gateway.Target{Backend: "b", Model: "m"}, Status: 529, Reason: "r"}
	for _, err := range []error{s.PutOutcome(later), s.PutOutcome(out), s.PutAttempt(resent), s.PutIntent(in)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	again := open(t, dir, 1<<20)
	if files, bytes := again.Size(); files != 4 || bytes == 0 {
		t.Errorf("found %d files, %d bytes", files, bytes)
	}
	db := &store{away: errors.New("connection refused")}
	if n, err := again.Drain(context.Background(), db, slog.Default()); n != 0 || err == nil {
		t.Errorf("drained %d into a database that is away", n)
	}
	db.away = nil
	if n, err := again.Drain(context.Background(), db, slog.Default()); n != 4 || err != nil {
		t.Errorf("drained %d, %v", n, err)
	}
	if !reflect.DeepEqual(db.outcomes, []*gateway.Outcome{out, later}) || !reflect.DeepEqual(db.attempts, []*gateway.Attempt{resent}) ||
		len(db.intents) != 1 || db.intents[0].ID != in.ID {
		t.Errorf("got %+v, %+v and %+v", db.intents, db.attempts, db.outcomes)
	}
	if files, bytes := again.Size(); files != 0 || bytes != 0 {
		t.Errorf("%d files, %d bytes are left", files, bytes)
	}
}

func TestAHalfWrittenFileIsNoRecord(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "writing-123"), []byte(`{"outcome":{"I`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, 1<<20)
	if n, err := s.Drain(context.Background(), &store{}, slog.Default()); n != 0 || err != nil {
		t.Errorf("drained %d, %v", n, err)
	}
}

func TestARecordTheDatabaseRefusesIsKeptAsideAndTheOthersGoOn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	bad, good := ended(), ended()
	if err := errors.Join(s.PutOutcome(bad), s.PutOutcome(good), os.WriteFile(filepath.Join(dir, "garbage.json"), []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	db := &store{refuse: bad.ID}
	if n, err := s.Drain(context.Background(), db, slog.Default()); n != 1 || err != nil {
		t.Errorf("drained %d, %v", n, err)
	}
	kept, _ := filepath.Glob(filepath.Join(dir, "*"+quarantined))
	if len(kept) != 2 || len(db.outcomes) != 1 || db.outcomes[0].ID != good.ID {
		t.Errorf("kept aside %q, staged %d", kept, len(db.outcomes))
	}
}

func TestAFullSpoolSaysSoAndStillTakesWhatRuns(t *testing.T) {
	s := open(t, t.TempDir(), 10)
	if s.Full() {
		t.Error("empty and full")
	}
	if err := s.PutOutcome(ended()); err != nil || !s.Full() {
		t.Errorf("%v, full %v", err, s.Full())
	}
	if err := s.PutOutcome(ended()); err != nil {
		t.Error(err)
	}
}

func TestTwoProcessesCannotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, 1)
	if _, err := Open(dir, 1); err == nil || !strings.Contains(err.Error(), "spool_dir of its own") {
		t.Errorf("got %v", err)
	}
}

func TestNamesSortByRequestThenIntentAttemptsOutcome(t *testing.T) {
	s := open(t, t.TempDir(), 1<<20)
	id, later := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	for _, err := range []error{
		s.PutIntent(&gateway.Intent{ID: later}), s.PutOutcome(&gateway.Outcome{ID: id}), s.PutAttempt(&gateway.Attempt{Request: id, N: 10}),
		s.PutAttempt(&gateway.Attempt{Request: id, N: 2}), s.PutIntent(&gateway.Intent{ID: id}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	names, err := s.names()
	want := []string{id.String() + ".0.json", id.String() + ".0_02.json", id.String() + ".0_10.json", id.String() + ".1.json", later.String() + ".0.json"}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("names = %q, %v; want %q", names, err, want)
	}
}

// The files are as the version wrote them that sent every request once.
func TestRecordsOfTheVersionBeforeAreUnderstood(t *testing.T) {
	dir := t.TempDir()
	id := uuid.Must(uuid.NewV7())
	for name, text := range map[string]string{
		id.String() + ".0.json": `{"intent":{"ID":"` + id.String() + `","Principal":{"Subject":"s"},"Target":{"Backend":"b","Model":"m"},"Charge":{"Requests":1,"Tokens":7}}}`,
		id.String() + ".1.json": `{"outcome":{"ID":"` + id.String() + `","Status":"completed","HTTPStatus":200,"Charge":{"Requests":1,"Tokens":7}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := &store{}
	if n, err := open(t, dir, 1<<20).Drain(context.Background(), db, slog.Default()); n != 2 || err != nil {
		t.Fatalf("drained %d, %v", n, err)
	}
	if in := db.intents[0]; in.Target.Backend != "b" || in.Cost != 0 {
		t.Errorf("intent %+v", in)
	}
	if out := db.outcomes[0]; out.Attempts != 1 || out.Target != (gateway.Target{}) || out.HTTPStatus != 200 {
		t.Errorf("outcome %+v, want one that was sent once, where its intent says", out)
	}
}
