package pace

import "time"

const (
	firstPause   = time.Second // that a backend is left alone where it does not say
	longestPause = time.Minute // the same, after many pushes
	longestAsked = time.Hour   // that a backend is believed to need; then a few items look whether it is so
)

// backend is what a Pace knows of one.
type backend struct {
	lines    map[string]*line // by tenant
	running  int
	waiting  int
	limit    int           // at present; 0 is none
	answered int           // since the limit last changed
	cuts     int           // of the limit
	pushed   time.Duration // the last pause that it did not ask for; 0 if it answered since
	until    time.Time     // it is left alone
	timer    *time.Timer   // runs out then, if somebody waits; nil if nobody ever did
}

func newBackend(limits Limits) *backend {
	return &backend{lines: map[string]*line{}, limit: ceiling(limits)}
}

// ceiling is the limit of a backend that works well: no more than it may have, and no more than there can be.
func ceiling(limits Limits) int {
	if limits.PerBackend > 0 && limits.Total > 0 {
		return min(limits.PerBackend, limits.Total)
	}
	return max(limits.PerBackend, limits.Total, 0)
}

func (b *backend) paused(now time.Time) bool { return now.Before(b.until) }

// pauseUntil leaves the backend alone, and never for shorter than it is already.
func (b *backend) pauseUntil(t time.Time) {
	if t.After(b.until) {
		b.until = t
	}
}

// nextPause is how long to leave alone a backend that does not say.
func (b *backend) nextPause() time.Duration {
	b.pushed = min(max(2*b.pushed, firstPause), longestPause)
	return b.pushed
}

// cut halves the limit. Where there is none, it halves what runs.
func (b *backend) cut() {
	if b.limit == 0 {
		b.limit = b.running
	}
	b.limit = max(b.limit/2, 1)
	b.answered = 0
	b.cuts++
}

// grow counts an answer. As many as the limit raise it by one.
func (b *backend) grow(limits Limits) {
	b.pushed = 0
	if b.limit == ceiling(limits) {
		return
	}
	if b.answered++; b.answered >= b.limit {
		b.limit++
		b.answered = 0
	}
}

// wakeAfter sets the timer, and sleep stops it.
func (b *backend) wakeAfter(d time.Duration, wake func()) {
	if b.timer == nil {
		b.timer = time.AfterFunc(d, wake)
		return
	}
	b.timer.Reset(d)
}

func (b *backend) sleep() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

// forgettable reports whether a new backend would be no different.
func (b *backend) forgettable(now time.Time, limits Limits) bool {
	return len(b.lines) == 0 && b.limit == ceiling(limits) && b.pushed == 0 && !b.paused(now)
}
