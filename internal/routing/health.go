package routing

import (
	"sync"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Health remembers which backends fail, from the answers to real requests: nothing is sent just to look.
//
// A backend that fails a number of times in a row is left alone for a while. Then one request tries it: if that
// succeeds the backend is back, if it fails it is left alone for twice as long. A target that says when to come back
// (retry-after) is left alone until then, without its backend's other models.
//
// Health only ever changes the order in which targets are tried. Where all targets are left alone, they are tried
// anyway.
type Health struct {
	after    int           // failures in a row
	first    time.Duration // that a backend is left alone
	longest  time.Duration
	now      func() time.Time
	mu       sync.Mutex
	backends map[string]*trouble
	targets  map[gateway.Target]time.Time // left alone until
}

// trouble is a backend's present series of failures.
type trouble struct {
	failures int
	until    time.Time     // left alone until
	pause    time.Duration // how long the next time
	probed   bool          // a request is trying it
}

// maxTargets bounds what is remembered of targets, whose models clients may choose.
const maxTargets = 1024

// NewHealth returns a Health that takes every backend for well.
func NewHealth(after int, first, longest time.Duration, now func() time.Time) *Health {
	return &Health{
		after: after, first: first, longest: longest, now: now,
		backends: map[string]*trouble{}, targets: map[gateway.Target]time.Time{},
	}
}

// Usable reports whether a target should be tried now. Of a backend whose time has run out it says so once, for the
// request that is to try it, and then only after the time has run out again.
func (h *Health) Usable(t gateway.Target) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if now.Before(h.targets[t]) {
		return false
	}
	b := h.backends[t.Backend]
	if b == nil || b.failures < h.after {
		return true
	}
	if now.Before(b.until) {
		return false
	}
	b.until, b.probed = now.Add(b.pause), true
	return true
}

// Succeeded notes that a backend gave an answer, whatever it was.
func (h *Health) Succeeded(t gateway.Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.backends, t.Backend)
	delete(h.targets, t)
}

// Failed notes that a backend gave none: it could not be reached, broke off, fell silent or had an error of its own.
func (h *Health) Failed(t gateway.Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.backends[t.Backend]
	if b == nil {
		b = &trouble{pause: h.first}
		h.backends[t.Backend] = b
	}
	b.failures++
	// Requests that were under way when the backend was ejected say nothing new.
	if b.failures == h.after || b.probed {
		b.until = h.now().Add(b.pause)
		b.pause = min(2*b.pause, h.longest)
		b.probed = false
	}
}

// Wait leaves a target alone for a time that it asked for.
func (h *Health) Wait(t gateway.Target, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if len(h.targets) >= maxTargets {
		for target, until := range h.targets {
			if !now.Before(until) {
				delete(h.targets, target)
			}
		}
	}
	if len(h.targets) < maxTargets {
		h.targets[t] = now.Add(min(d, h.longest))
	}
}

// Ejected reports whether a backend is being left alone.
func (h *Health) Ejected(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.backends[name]
	return b != nil && b.failures >= h.after
}
