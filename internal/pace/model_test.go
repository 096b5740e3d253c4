package pace

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// step is something that happens to a world; which is the item that it happens to.
type step struct {
	act             string
	backend, tenant string
	which           int
	report          Report
	pass            time.Duration
}

func steps() *rapid.Generator[step] {
	seconds := func(most int) *rapid.Generator[time.Duration] {
		return rapid.Map(rapid.IntRange(0, most), func(n int) time.Duration { return time.Duration(n) * time.Second })
	}
	return rapid.Custom(func(t *rapid.T) step {
		return step{
			act:     rapid.SampledFrom([]string{"enter", "enter", "enter", "leave", "leave", "abandon", "pass"}).Draw(t, "act"),
			backend: rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "backend"),
			tenant:  rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "tenant"),
			which:   rapid.IntRange(0, 1000).Draw(t, "which"),
			report: Report{
				rapid.SampledFrom([]Result{Unsent, Answered, Answered, Answered, Pushed}).Draw(t, "result"), seconds(9).Draw(t, "retry after"),
			},
			pass: seconds(20).Draw(t, "pass"),
		}
	})
}

// do makes the step happen, if there is an item that it can happen to.
func (w *world) do(s step) {
	switch s.act {
	case "enter":
		w.enter(s.backend, s.tenant)
	case "leave":
		if i := w.pick(s.which, (*item).runs); i != nil {
			w.leave(s.report, i)
		}
	case "abandon":
		if i := w.pick(s.which, (*item).waits); i != nil {
			w.abandon(i)
		}
	case "pass":
		w.pass(s.pass)
	}
}

func (w *world) pick(which int, is func(*item) bool) *item {
	if all := w.those(is); len(all) > 0 {
		return all[which%len(all)]
	}
	return nil
}

// those are the items, in the order they came, that are all of this.
func (w *world) those(are ...func(*item) bool) (found []*item) {
next:
	for _, i := range w.items {
		for _, is := range are {
			if !is(i) {
				continue next
			}
		}
		found = append(found, i)
	}
	return found
}

func at(backend string) func(*item) bool { return func(i *item) bool { return i.backend == backend } }
func of(tenant string) func(*item) bool  { return func(i *item) bool { return i.tenant == tenant } }

// check says what is wrong after a step; before are the items that ran before it.
func (w *world) check(before map[*item]bool) error {
	running := w.those((*item).runs)
	granted := func(i *item) bool { return i.runs() && !before[i] }
	if full(len(running)-1, w.limits.Total) {
		return fmt.Errorf("%d turns", len(running))
	}
	for _, i := range w.those(granted) {
		f := w.figures(i.backend)
		if full(f.Running-1, f.Limit) || !f.Until.IsZero() {
			return fmt.Errorf("a turn too many: %+v", f)
		}
		if n := len(w.those((*item).runs, of(i.tenant))); full(n-1, w.limits.PerTenant) {
			return fmt.Errorf("tenant %s has %d turns", i.tenant, n)
		}
	}
	for _, i := range w.those((*item).waits) {
		if err := w.checkWaits(i, len(running), granted); err != nil {
			return err
		}
	}
	return w.checkFigures()
}

// checkWaits says what is wrong with an item that waits.
func (w *world) checkWaits(i *item, running int, granted func(*item) bool) error {
	if full(len(w.those((*item).runs, of(i.tenant))), w.limits.PerTenant) {
		return nil
	}
	f := w.figures(i.backend)
	if !full(running, w.limits.Total) && !full(f.Running, f.Limit) && f.Until.IsZero() {
		return fmt.Errorf("an item of %s waits though there is room: %+v", i.tenant, f)
	}
	mine := len(w.those((*item).runs, at(i.backend), of(i.tenant)))
	for _, other := range w.those(granted, at(i.backend)) {
		if theirs := len(w.those((*item).runs, at(i.backend), of(other.tenant))); theirs > mine+1 {
			return fmt.Errorf("%s was given turn %d at %s, while %s with %d waits", other.tenant, theirs, i.backend, i.tenant, mine)
		}
	}
	for _, other := range w.items {
		if other == i {
			break
		}
		if other.waits() && other.backend == i.backend && other.tenant == i.tenant {
			return nil // i is not the first of its line
		}
	}
	for n := len(w.items) - 1; w.items[n] != i; n-- {
		if other := w.items[n]; granted(other) && other.backend == i.backend && other.tenant == i.tenant {
			return fmt.Errorf("%s at %s: who came later was served first", i.tenant, i.backend)
		}
	}
	return nil
}

// checkFigures compares the figures with the items.
func (w *world) checkFigures() error {
	for _, backend := range []string{"x", "y", "z"} {
		f := w.figures(backend)
		running, waiting := len(w.those((*item).runs, at(backend))), len(w.those((*item).waits, at(backend)))
		if f.Running != running || f.Waiting != waiting {
			return fmt.Errorf("%+v, but %d run and %d wait at %s", f, running, waiting, backend)
		}
		if top := ceiling(w.limits); top > 0 && f.Backend != "" && (f.Limit < 1 || f.Limit > top) {
			return fmt.Errorf("limit %d of %d", f.Limit, top)
		}
	}
	return nil
}

// drain lets everything end well, and says what did not.
func (w *world) drain() error {
	for len(w.those((*item).waits))+len(w.those((*item).runs)) > 0 {
		w.pass(time.Hour)
		running := w.those((*item).runs)
		if len(running) == 0 {
			return fmt.Errorf("%d items wait for ever", len(w.those((*item).waits)))
		}
		w.leave(Report{Result: Answered}, running...)
	}
	if len(w.tenants) > 0 || w.running != 0 || w.timers() != 0 {
		return fmt.Errorf("%d tenants, %d turns, %d timers are left", len(w.tenants), w.running, w.timers())
	}
	return nil
}

// Whatever happens, no limit is exceeded, no turn stays free that somebody waits for, and each is given fairly; in the
// end everybody had one.
func TestWhateverHappensTurnsAreGivenFairly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(0, 4)
		limits := Limits{Total: 2 * limit.Draw(rt, "total"), PerBackend: limit.Draw(rt, "per backend"), PerTenant: limit.Draw(rt, "per tenant")}
		happens := rapid.SliceOfN(steps(), 60, 200).Draw(rt, "steps")
		var err error
		run(t, limits, func(_ *testing.T, w *world) {
			for _, s := range happens {
				before := map[*item]bool{}
				for _, i := range w.those((*item).runs) {
					before[i] = true
				}
				w.do(s)
				if err = w.check(before); err != nil {
					return
				}
			}
			err = w.drain()
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// A tenant that waits at a backend is passed over no more than a few times for each of the others, whatever they and
// it have elsewhere.
func TestNobodyStarves(t *testing.T) {
	const others, most = 3, 2 * (3 + 1)
	rapid.Check(t, func(rt *rapid.T) {
		per := rapid.IntRange(1, 3).Draw(rt, "turns at once")
		elsewhere := rapid.IntRange(0, 3).Draw(rt, "turns elsewhere")
		leaves := rapid.SliceOfN(rapid.IntRange(0, 1000), 40, 40).Draw(rt, "who leaves")
		var err error
		run(t, Limits{PerBackend: per}, func(_ *testing.T, w *world) {
			w.enterMany(min(elsewhere, per), "y", "starving")
			for n := range others {
				w.enterMany(per+1, "x", string(rune('a'+n)))
			}
			i := w.enter("x", "starving")
			for n, which := range leaves {
				if i.runs() {
					return
				}
				if n > most {
					err = fmt.Errorf("passed over %d times", n)
					return
				}
				running := w.those((*item).runs, at("x"))
				leaving := running[which%len(running)]
				w.leave(Report{Result: Answered}, leaving)
				w.enter("x", leaving.tenant)
			}
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// Many come, run and give up all at the same moments. Meant for the race detector.
func TestNoTurnIsLostInACrowd(t *testing.T) {
	run(t, Limits{Total: 6, PerBackend: 4, PerTenant: 3}, func(t *testing.T, w *world) {
		var mu sync.Mutex
		now, served, gaveUp := 0, 0, 0
		var crowd sync.WaitGroup
		for n := range 400 {
			crowd.Go(func() {
				patience, work := time.Duration(n%7+1)*time.Second, time.Duration(n%3+1)*time.Second
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				turn, err := w.Enter(ctx, string("xyz"[n%3]), string("abcde"[n%5]))
				mu.Lock()
				if err != nil {
					if gaveUp++; turn != nil || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v, %v", turn, err)
					}
					mu.Unlock()
					return
				}
				if now++; now > 6 {
					t.Errorf("%d at once", now)
				}
				served++
				mu.Unlock()
				time.Sleep(work)
				mu.Lock()
				now--
				mu.Unlock()
				_ = w.Snapshot()
				turn.Leave(Report{Result: Result(n % 2)})
			})
		}
		crowd.Wait()
		synctest.Wait()
		if served+gaveUp != 400 || served < 6 || gaveUp == 0 {
			t.Errorf("%d served, %d gave up", served, gaveUp)
		}
		w.requireForgotten()
	})
}
