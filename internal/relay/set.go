package relay

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// set remembers requests, or batches, each until it is removed or its time is up. It is safe for concurrent use.
type set struct {
	mu    sync.Mutex
	until map[uuid.UUID]time.Time
}

func newSet() *set { return &set{until: map[uuid.UUID]time.Time{}} }

func (s *set) add(ttl time.Duration, ids ...uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := time.Now().Add(ttl)
	for _, id := range ids {
		s.until[id] = until
	}
}

func (s *set) remove(ids ...uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.until, id)
	}
}

func (s *set) has(id uuid.UUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[id]
	return ok && time.Now().Before(until)
}

// ids answers what is in the set, after those whose time is up are gone.
func (s *set) ids() []uuid.UUID {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.until, func(_ uuid.UUID, until time.Time) bool { return !now.Before(until) })
	return slices.Collect(maps.Keys(s.until))
}

func (s *set) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.until)
}
