package relay

import (
	"sync"
	"time"
)

// The first and the longest pause between tries while Temporal is away.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 5 * time.Second
)

// health is whether Temporal answers, and if not, when to try again. The zero value is good.
type health struct {
	mu     sync.Mutex
	pause  time.Duration // 0 while all is well
	next   time.Time
	lastOK time.Time
}

// ok notes that a call succeeded, and reports whether that is news.
func (h *health) ok() (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	news = h.pause > 0
	h.pause, h.lastOK = 0, time.Now()
	return news
}

// fail notes that a call that was begun then failed, and reports whether that is news. Calls that were in flight
// together fail together, and count as one. If another succeeded meanwhile Temporal is slow, not away.
func (h *health) fail(begun time.Time) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lastOK.After(begun) {
		return false
	}
	now := time.Now()
	news = h.pause == 0
	if news || now.After(h.next) {
		h.pause = min(max(2*h.pause, firstPause), maxPause)
		h.next = now.Add(h.pause)
	}
	return news
}

func (h *health) good() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pause == 0
}

// wait is how long to leave Temporal alone.
func (h *health) wait() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pause == 0 {
		return 0
	}
	return time.Until(h.next)
}
