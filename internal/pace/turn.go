package pace

import (
	"container/list"
	"time"
)

// Result is what a turn tells of its backend.
type Result int

// The results of a turn.
const (
	Unsent   Result = iota // nothing was sent: it tells nothing
	Answered               // the backend works
	Pushed                 // it has too much to do or is away: 429, 529, 503, or nothing answered
)

// Report is how a turn ended.
type Report struct {
	Result     Result
	RetryAfter time.Duration // of a push: how long the backend asked to be left alone; 0 if it did not
}

// Turn is the permission to have one item at a backend.
type Turn struct {
	pace    *Pace
	line    *line
	came    uint64
	place   *list.Element // in the line; nil once the turn is granted
	granted chan struct{} // closed then
	cuts    int           // of the backend's limit before that
	left    bool
}

// Leave ends the turn and tells what came of it. Leaving again does nothing.
func (t *Turn) Leave(r Report) {
	p := t.pace
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.left {
		return
	}
	t.left = true
	if t.place != nil {
		t.dequeue()
	} else {
		p.learn(t, r)
		p.count(t.line, -1)
	}
	p.forget(t.line)
	p.hand()
}

// dequeue takes the turn out of its line.
func (t *Turn) dequeue() {
	t.line.items.Remove(t.place)
	t.place = nil
	t.line.backend.waiting--
}

// learn applies what a turn tells to its backend. One that began before the last cut tells of the load that was cut,
// and so nothing new. Only the time that the backend asked for counts.
func (p *Pace) learn(t *Turn, r Report) {
	b, fresh := t.line.backend, t.cuts == t.line.backend.cuts
	switch r.Result {
	case Answered:
		if fresh {
			b.grow(p.limits)
		}
	case Pushed:
		pause := min(r.RetryAfter, longestAsked)
		if fresh {
			b.cut()
			if pause <= 0 {
				pause = b.nextPause()
			}
		}
		if pause > 0 {
			b.pauseUntil(p.now().Add(pause + p.jitter(pause)))
		}
	case Unsent:
	}
}
