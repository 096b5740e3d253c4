package pace

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// The items are called by tenant, number and backend: a1x. They come in this order; -a1x leaves.
func TestWhoIsNext(t *testing.T) {
	for name, c := range map[string]struct {
		limits      Limits
		happens     string
		served      string // in this order
		stillWaited string
	}{
		"of one tenant, who came first": {
			Limits{PerBackend: 1}, "a1x a2x a3x -a1x -a2x", "a1x a2x a3x", "",
		},
		"a tenant with many items keeps another waiting for one turn": {
			Limits{PerBackend: 1}, "a1x a2x a3x a4x b1x -a1x -b1x", "a1x b1x a2x", "a3x a4x",
		},
		"the same where the worker is what is full": {
			Limits{Total: 1}, "a1x a2x a3y a4z b1y -a1x -b1y", "a1x b1y a2x", "a3y a4z",
		},
		"who has the fewest turns at the backend": {
			Limits{PerBackend: 3}, "a1x a2x b1x a3x b2x -b1x", "a1x a2x b1x b2x", "a3x",
		},
		"who has the fewest turns at the backend, whatever they have elsewhere": {
			Limits{PerBackend: 2}, "a1y a2y b1x c1x b2x a3x -c1x", "a1y a2y b1x c1x a3x", "b2x",
		},
		"of those, who has the fewest turns anywhere": {
			Limits{PerBackend: 1}, "a1y b1x a2x c1x -b1x", "a1y b1x c1x", "a2x",
		},
		"of those, who was served longest ago": {
			Limits{PerBackend: 1}, "a1x a2x b1x b2x c1x c2x -a1x -b1x -c1x -a2x -b2x", "a1x b1x c1x a2x b2x c2x", "",
		},
		"who left a turn was served until then": {
			Limits{PerBackend: 4}, "a1x a2x b1x b2x b3x a3x -a1x -b1x", "a1x a2x b1x b2x a3x b3x", "",
		},
		"who waits goes before tenants that come again and again": {
			Limits{PerBackend: 1}, "a1x a2x b1x -a1x c1x -b1x", "a1x b1x a2x", "c1x",
		},
		"who has turns elsewhere is not passed over for ever": {
			Limits{PerBackend: 1},
			"a1y b1x a2x b2x b3x b4x c1x c2x c3x -b1x -c1x -b2x -c2x -b3x -a2x",
			"a1y b1x c1x b2x c2x b3x a2x c3x", "b4x",
		},
		"who did not wait was not passed over": {
			Limits{PerBackend: 3},
			"a1y a1x b1x -b1x b2x -b2x b3x -b3x b4x -b4x b5x c1x -a1y c2x a2x -b5x",
			"a1y a1x b1x b2x b3x b4x b5x c1x c2x", "a2x",
		},
		"of one tenant at two backends, who came first": {
			Limits{Total: 1}, "a1x a2y a3x -a1x -a2y", "a1x a2y a3x", "",
		},
		"a full backend keeps no item for another waiting": {
			Limits{PerBackend: 1}, "a1x a2x b1x a3y", "a1x a3y", "a2x b1x",
		},
		"a tenant that has as many as it may keeps no other waiting": {
			Limits{PerTenant: 1}, "a1x a2x a3y b1x -a1x", "a1x b1x a2x", "a3y",
		},
		"a full worker takes nobody": {
			Limits{Total: 2}, "a1x b1y c1z d1z -a1x", "a1x b1y c1z", "d1z",
		},
		"everybody at once where there are no limits": {
			Limits{}, "a1x a2x b1x b2y", "a1x a2x b1x b2y", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, c.limits, func(t *testing.T, w *world) {
				items := map[string]*item{}
				var served, waiting []string
				for step := range strings.FieldsSeq(c.happens) {
					if who, leaves := strings.CutPrefix(step, "-"); leaves {
						w.leave(Report{}, items[who])
					} else {
						items[step] = w.enter(step[2:], step[:1])
					}
					for who, i := range items {
						if i.runs() && !slices.Contains(served, who) {
							served = append(served, who)
						}
					}
				}
				for who, i := range items {
					if i.waits() {
						waiting = append(waiting, who)
					}
				}
				slices.Sort(waiting)
				if got := strings.Join(served, " "); got != c.served {
					t.Errorf("served %s, want %s", got, c.served)
				}
				if got := strings.Join(waiting, " "); got != c.stillWaited {
					t.Errorf("waiting %s, want %s", got, c.stillWaited)
				}
			})
		})
	}
}

func TestWhoStopsWaitingLeavesNoTrace(t *testing.T) {
	run(t, Limits{PerBackend: 1}, func(t *testing.T, w *world) {
		runs := w.enter("x", "a")
		gone, next := w.enter("x", "b"), w.enter("x", "c")
		w.abandon(gone)
		if !errors.Is(gone.err, context.Canceled) || gone.turn != nil {
			t.Errorf("%v, %v", gone.turn, gone.err)
		}
		if f := w.figures("x"); f.Waiting != 1 || w.tenants["b"] != nil {
			t.Errorf("%+v, of its tenant %v", f, w.tenants["b"])
		}
		w.leave(Report{}, runs)
		w.leave(Report{}, next)
		w.requireForgotten()
	})
}

func TestAContextThatHasEndedGetsNoTurn(t *testing.T) {
	run(t, Limits{}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if turn, err := w.Enter(ctx, "x", "a"); turn != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", turn, err)
		}
		w.requireForgotten()
	})
}

// ending is a context that ends right after it was first looked at.
type ending struct {
	context.Context
	asked bool
}

func (e *ending) Done() <-chan struct{} { done := make(chan struct{}); close(done); return done }

func (e *ending) Err() error {
	if !e.asked {
		e.asked = true
		return nil
	}
	return context.Canceled
}

func TestATurnGrantedAsItsContextEndsIsNotLost(t *testing.T) {
	run(t, Limits{Total: 1}, func(t *testing.T, w *world) {
		for range 100 { // either may be seen first
			turn, err := w.Enter(&ending{Context: t.Context()}, "x", "a")
			if (turn == nil) != errors.Is(err, context.Canceled) {
				t.Fatalf("%v, %v", turn, err)
			}
			if turn != nil {
				turn.Leave(Report{})
			}
			w.requireForgotten()
		}
	})
}

func TestATurnEndsOnce(t *testing.T) {
	run(t, Limits{PerBackend: 4}, func(t *testing.T, w *world) {
		stays, i := w.enter("x", "a"), w.enter("x", "a")
		w.leave(Report{Result: Answered}, i)
		i.turn.Leave(Report{Result: Pushed})
		if f := w.figures("x"); f != (Figures{Backend: "x", Running: 1, Limit: 4}) {
			t.Errorf("%+v", f)
		}
		w.leave(Report{}, stays)
		w.requireForgotten()
	})
}
