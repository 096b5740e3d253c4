package pace

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// world is a Pace without jitter, in a time that jumps.
type world struct {
	*Pace
	t     *testing.T
	items []*item
}

// item is one Enter.
type item struct {
	backend, tenant string
	cancel          context.CancelFunc
	done            chan struct{} // closed when there is a turn or an error
	turn            *Turn
	err             error
	answered        bool // done, as the test has seen
	left            bool
}

func (i *item) waits() bool { return !i.answered }
func (i *item) runs() bool  { return i.answered && i.turn != nil && !i.left }

// run lets a test act on a world. It fails if an Enter is left without an answer.
func run(t *testing.T, limits Limits, during func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{Pace: New(limits, time.Now), t: t}
		w.jitter = func(time.Duration) time.Duration { return 0 }
		during(t, w)
		for _, i := range w.items {
			i.cancel()
		}
	})
}

// enter lets an item come and, if there is one, get its turn.
func (w *world) enter(backend, tenant string) *item {
	ctx, cancel := context.WithCancel(w.t.Context())
	i := &item{backend: backend, tenant: tenant, cancel: cancel, done: make(chan struct{})}
	w.items = append(w.items, i)
	go func() {
		i.turn, i.err = w.Enter(ctx, backend, tenant)
		close(i.done)
	}()
	w.see()
	return i
}

// see waits until nothing more happens by itself, and looks who was answered.
func (w *world) see() {
	synctest.Wait()
	for _, i := range w.items {
		select {
		case <-i.done:
			i.answered = true
		default:
		}
	}
}

// enterMany lets n items of one tenant come.
func (w *world) enterMany(n int, backend, tenant string) (items []*item) {
	for range n {
		items = append(items, w.enter(backend, tenant))
	}
	return items
}

// leave ends the turns of items, one after the other.
func (w *world) leave(r Report, items ...*item) {
	w.t.Helper()
	for _, i := range items {
		if !i.runs() {
			w.t.Fatalf("%s at %s has no turn", i.tenant, i.backend)
		}
		i.turn.Leave(r)
		i.left = true
		w.see()
	}
}

// abandon ends the context of an item.
func (w *world) abandon(i *item) {
	i.cancel()
	w.see()
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	w.see()
}

// figures are those of a backend; zero if it is forgotten.
func (w *world) figures(backend string) Figures {
	for _, f := range w.Snapshot() {
		if f.Backend == backend {
			return f
		}
	}
	return Figures{}
}

// pause is for how much longer a backend is left alone.
func (w *world) pause(backend string) time.Duration {
	if until := w.Until(backend); !until.IsZero() {
		return time.Until(until)
	}
	return 0
}

// timers are how many are set.
func (w *world) timers() (n int) {
	for _, b := range w.backends {
		if b.timer != nil && b.timer.Stop() {
			n++
		}
	}
	return n
}

// requireForgotten checks that nothing is remembered.
func (w *world) requireForgotten() {
	w.t.Helper()
	if len(w.backends)+len(w.tenants) > 0 || w.running != 0 {
		w.t.Errorf("%d backends and %d tenants are remembered, %d turns", len(w.backends), len(w.tenants), w.running)
	}
}
