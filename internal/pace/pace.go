package pace

import (
	"container/list"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Limits bound the items that are at backends at once; 0 sets no bound of its own.
type Limits struct {
	Total      int
	PerBackend int
	PerTenant  int
}

// Pace gives turns. It may be used by many at once, and needs no closing.
type Pace struct {
	limits Limits
	now    func() time.Time
	jitter func(pause time.Duration) time.Duration // what a pause is prolonged by, so that workers do not return together

	mu       sync.Mutex
	running  int
	clock    uint64 // goes on by one with every item that comes, is served and leaves
	backends map[string]*backend
	tenants  map[string]*tenant
}

// New returns a Pace that trusts every backend with its full limit.
func New(limits Limits, now func() time.Time) *Pace {
	return &Pace{limits: limits, now: now, jitter: upToATenth, backends: map[string]*backend{}, tenants: map[string]*tenant{}}
}

func upToATenth(pause time.Duration) time.Duration {
	return rand.N(pause/10 + 1) //nolint:gosec // it only spreads load
}

// Enter waits for a turn, which its holder has to leave. The error is ctx's.
func (p *Pace) Enter(ctx context.Context, backend, tenant string) (*Turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := p.join(backend, tenant)
	select {
	case <-t.granted:
		return t, nil
	case <-ctx.Done():
		t.Leave(Report{Result: Unsent}) // whether it waits or was granted at this very moment
		return nil, ctx.Err()
	}
}

// Until is when a backend that is left alone will be tried again; zero if it is not left alone.
func (p *Pace) Until(backend string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.backends[backend]; b != nil && b.paused(p.now()) {
		return b.until
	}
	return time.Time{}
}

// Figures are the state of one backend.
type Figures struct {
	Backend string
	Running int       // turns
	Waiting int       // items
	Limit   int       // of turns at present; 0 is none
	Until   time.Time // the backend is left alone; zero if it is not
}

// Snapshot returns the figures of every backend that items run at or wait for, or that has not recovered, by name.
func (p *Pace) Snapshot() []Figures {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	var all []Figures
	for _, name := range slices.Sorted(maps.Keys(p.backends)) {
		b := p.backends[name]
		f := Figures{Backend: name, Running: b.running, Waiting: b.waiting, Limit: b.limit}
		if b.paused(now) {
			f.Until = b.until
		}
		all = append(all, f)
	}
	return all
}

// join puts an item at the end of its line.
func (p *Pace) join(backend, tenant string) *Turn {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.line(backend, tenant)
	if l.items.Len() == 0 {
		l.passed = 0
	}
	t := &Turn{pace: p, line: l, granted: make(chan struct{}), came: p.tick()}
	t.place = l.items.PushBack(t)
	l.backend.waiting++
	p.hand()
	return t
}

// line finds the line of a tenant at a backend, or begins it.
func (p *Pace) line(backendName, tenantName string) *line {
	b := p.backends[backendName]
	if b == nil {
		b = newBackend(p.limits)
		p.backends[backendName] = b
	}
	l := b.lines[tenantName]
	if l != nil {
		return l
	}
	t := p.tenants[tenantName]
	if t == nil {
		t = &tenant{name: tenantName, served: p.tick()}
		p.tenants[tenantName] = t
	}
	l = &line{backend: b, tenant: t, items: list.New()}
	b.lines[tenantName] = l
	t.lines++
	return l
}

// tick is a moment that is later than all before.
func (p *Pace) tick() uint64 {
	p.clock++
	return p.clock
}

// hand gives every turn that is free and that somebody waits for. Then each backend that is left alone has a timer if
// somebody waits for it, and one that there is nothing to know of is forgotten.
func (p *Pace) hand() {
	now := p.now()
	for l := p.next(now); l != nil; l = p.next(now) {
		p.grant(l)
	}
	for name, b := range p.backends {
		if b.waiting > 0 && b.paused(now) {
			b.wakeAfter(b.until.Sub(now), p.wake)
		} else {
			b.sleep()
		}
		if b.forgettable(now, p.limits) {
			delete(p.backends, name)
		}
	}
}

func (p *Pace) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hand()
}

// next is the line whose first item gets the next turn; nil if there is no turn that anybody could have.
func (p *Pace) next(now time.Time) (next *line) {
	if full(p.running, p.limits.Total) {
		return nil
	}
	for _, b := range p.backends {
		if b.waiting == 0 || full(b.running, b.limit) || b.paused(now) {
			continue
		}
		for _, l := range b.lines {
			waits := l.items.Len() > 0 && !full(l.tenant.running, p.limits.PerTenant)
			if waits && (next == nil || l.compare(next) < 0) {
				next = l
			}
		}
	}
	return next
}

func full(running, limit int) bool { return limit > 0 && running >= limit }

// grant gives a turn to the first of a line.
func (p *Pace) grant(l *line) {
	for _, other := range l.backend.lines {
		other.passed++
	}
	l.passed = 0
	t := l.first()
	t.dequeue()
	t.cuts = l.backend.cuts
	p.count(l, 1)
	close(t.granted)
}

// count notes that a turn begins (1) or ends (-1).
func (p *Pace) count(l *line, n int) {
	p.running += n
	l.running += n
	l.backend.running += n
	l.tenant.running += n
	l.tenant.served = p.tick()
}

// forget drops a line that is of no more use, and its tenant with the last.
func (p *Pace) forget(l *line) {
	if l.running > 0 || l.items.Len() > 0 {
		return
	}
	delete(l.backend.lines, l.tenant.name)
	if l.tenant.lines--; l.tenant.lines == 0 {
		delete(p.tenants, l.tenant.name)
	}
}
