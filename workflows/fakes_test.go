package workflows_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func requestID() uuid.UUID { return uuid.MustParse("0195d000-0000-7000-8000-000000000001") }

var errAway = errors.New("away")

// store is a ledger and a quota that may fail.
type store struct {
	mu       sync.Mutex
	running  bool // the request has no outcome yet
	failures int  // how many settlements fail from now on; negative: all
	written  map[uuid.UUID]int
	settled  map[uuid.UUID]int // by how often it counted, which must be once
	calls    int
}

func newStore() *store {
	return &store{written: map[uuid.UUID]int{}, settled: map[uuid.UUID]int{}}
}

func (s *store) WriteLedger(_ context.Context, ids []uuid.UUID) (settlements []gateway.Settlement, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return nil, errors.New("the request has not ended yet")
	}
	for _, id := range ids {
		s.written[id] = 1
		settlements = append(settlements, gateway.Settlement{ID: id, Subject: "s-1", Charge: gateway.Charge{Requests: 1, Tokens: 10}, Reserved: true})
	}
	return settlements, nil
}

func (s *store) Settle(_ context.Context, settlements ...gateway.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.failures != 0 {
		s.failures--
		return errAway
	}
	for _, one := range settlements {
		s.settled[one.ID] = 1
	}
	return nil
}

func (s *store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}

// staging is what Maintenance works on.
type staging struct {
	*store
	abandoned [][]uuid.UUID // what each look finds
	closed    []uuid.UUID
	stale     []uuid.UUID
	unknown   []uuid.UUID
	failing   error // of Windows
	tidied    int
}

func (s *staging) Abandoned(context.Context, time.Duration) (found []uuid.UUID, _ error) {
	if len(s.abandoned) > 0 {
		found, s.abandoned = s.abandoned[0], s.abandoned[1:]
	}
	return found, nil
}

func (s *staging) CloseAbandoned(_ context.Context, frontends []uuid.UUID, limit int) (int64, error) {
	s.closed = append(s.closed, frontends...)
	if len(s.closed) == len(frontends) {
		return int64(limit), nil // and there is more
	}
	return 3, nil
}

func (s *staging) DropSettledDuplicates(context.Context) (int64, error) { return 2, nil }

func (s *staging) PruneLeases(context.Context) error { s.tidied++; return nil }

func (s *staging) EnsurePartitions(context.Context) error { s.tidied++; return nil }

func (s *staging) TidyBatches(context.Context, time.Duration, time.Duration, int) (int64, error) {
	return 0, nil
}

func (s *staging) Unknown(context.Context, []uuid.UUID) ([]uuid.UUID, error) { return s.unknown, nil }

func (s *staging) Settlements(context.Context, []uuid.UUID) ([]gateway.Settlement, error) {
	return nil, nil
}

func (s *staging) Windows(_ context.Context, fn func(gateway.OpenWindow) error) error {
	if s.failing != nil || len(s.stale) == 0 {
		return s.failing
	}
	return fn(gateway.OpenWindow{Subject: "s-1", Open: s.stale})
}

func (s *staging) Reconcile(_ context.Context, subject string, w gateway.Window) (*gateway.Drift, error) {
	return &gateway.Drift{Subject: subject, Window: w, Before: gateway.Used{Requests: 1}, After: gateway.Used{Requests: 3}}, nil
}
