package app

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/spool"
)

// store is a database that is away until it is told to be back.
type store struct{ back atomic.Bool }

func (s *store) Stage(context.Context, []*gateway.Intent, []*gateway.Attempt, []*gateway.Outcome) error {
	if !s.back.Load() {
		return errors.New("connection refused")
	}
	return nil
}

func TestAFrontendThatLeavesWaitsForItsSpool(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	spooled, err := spool.Open(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = spooled.Close() }()
	in := &gateway.Intent{ID: uuid.Must(uuid.NewV7()), Principal: gateway.Principal{Subject: "s"}, AdmittedAt: time.Now().UTC()}
	if err := spooled.PutIntent(in); err != nil {
		t.Fatal(err)
	}
	db := &store{}
	go spooled.Run(t.Context(), db, log)

	if left := awaitSpool(t.Context(), spooled, 0, log); left != 1 {
		t.Errorf("without a wait %d records stay, want the one there is", left)
	}
	if left := awaitSpool(t.Context(), spooled, spoolLook, log); left != 1 {
		t.Errorf("with the database away %d records stay", left)
	}
	db.back.Store(true)
	if left := awaitSpool(t.Context(), spooled, time.Minute, log); left != 0 {
		t.Errorf("with the database back %d records stay", left)
	}
}
