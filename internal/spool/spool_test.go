package spool

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
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
	outcomes []*gateway.Outcome
}

func (s *store) Stage(_ context.Context, intents []*gateway.Intent, outcomes []*gateway.Outcome) error {
	if s.away != nil {
		return s.away
	}
	for _, o := range outcomes {
		if o.ID == s.refuse {
			return gateway.ErrRecordRefused
		}
	}
	s.intents, s.outcomes = append(s.intents, intents...), append(s.outcomes, outcomes...)
	return nil
}

func outcome() *gateway.Outcome {
	return &gateway.Outcome{
		ID: uuid.Must(uuid.NewV7()), Status: gateway.Completed, HTTPStatus: 200, Usage: gateway.Usage{Input: 3, Output: 4},
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
	out, later := outcome(), outcome()
	for _, err := range []error{s.PutOutcome(later), s.PutOutcome(out), s.PutIntent(in)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	again := open(t, dir, 1<<20)
	if files, bytes := again.Size(); files != 3 || bytes == 0 {
		t.Errorf("found %d files, %d bytes", files, bytes)
	}
	db := &store{away: errors.New("connection refused")}
	if n, err := again.Drain(context.Background(), db, slog.Default()); n != 0 || err == nil {
		t.Errorf("drained %d into a database that is away", n)
	}
	db.away = nil
	if n, err := again.Drain(context.Background(), db, slog.Default()); n != 3 || err != nil {
		t.Errorf("drained %d, %v", n, err)
	}
	if !reflect.DeepEqual(db.outcomes, []*gateway.Outcome{out, later}) || len(db.intents) != 1 || db.intents[0].ID != in.ID {
		t.Errorf("got %+v and %+v", db.intents, db.outcomes)
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
	bad, good := outcome(), outcome()
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
	if err := s.PutOutcome(outcome()); err != nil || !s.Full() {
		t.Errorf("%v, full %v", err, s.Full())
	}
	if err := s.PutOutcome(outcome()); err != nil {
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
