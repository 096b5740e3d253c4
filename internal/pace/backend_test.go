package pace

import (
	"testing"
	"time"
)

func TestABurstOfPushesCutsOnce(t *testing.T) {
	run(t, Limits{PerBackend: 8}, func(t *testing.T, w *world) {
		burst := w.enterMany(8, "x", "a")
		w.leave(Report{Result: Pushed}, burst[:3]...)
		w.leave(Report{Result: Answered}, burst[3:7]...)
		if f := w.figures("x"); f.Limit != 4 || w.pause("x") != time.Second {
			t.Errorf("%+v, for %s", f, w.pause("x"))
		}
		w.pass(time.Second)
		next := w.enterMany(5, "x", "a")
		if f := w.figures("x"); f.Running != 4 || f.Waiting != 2 {
			t.Errorf("one of the burst and three are four: %+v", f)
		}
		w.leave(Report{Result: Pushed}, burst[7])
		if f := w.figures("x"); f.Limit != 4 || w.pause("x") > 0 || !next[3].runs() {
			t.Errorf("a latecomer says nothing new: %+v", f)
		}
		w.leave(Report{Result: Pushed}, next[0])
		if f := w.figures("x"); f.Limit != 2 || w.pause("x") != 2*time.Second {
			t.Errorf("the next burst: %+v, for %s", f, w.pause("x"))
		}
	})
}

func TestTheLimitGrowsBackToWhatItWas(t *testing.T) {
	run(t, Limits{PerBackend: 4, Total: 100}, func(t *testing.T, w *world) {
		w.leave(Report{Result: Pushed}, w.enter("x", "a"))
		w.pass(time.Second)
		for n, want := range []int{2, 3, 3, 3, 0} { // forgotten once it is four
			w.leave(Report{Result: Answered}, w.enter("x", "a"))
			if got := w.figures("x").Limit; got != want {
				t.Errorf("limit %d after %d answers, want %d", got, n+1, want)
			}
		}
		w.requireForgotten()
		if stays := w.enterMany(5, "x", "a"); !stays[3].runs() || stays[4].runs() {
			t.Error("want four turns, and no fifth")
		}
	})
}

func TestAnswersFromBeforeACutRaiseNothing(t *testing.T) {
	run(t, Limits{PerBackend: 8}, func(t *testing.T, w *world) {
		w.leave(Report{Result: Pushed}, w.enter("x", "a"))
		w.pass(time.Second)
		for range 3 {
			w.leave(Report{Result: Answered}, w.enter("x", "a"))
		}
		w.leave(Report{Result: Pushed}, w.enter("x", "a"))
		w.pass(time.Second)
		w.leave(Report{Result: Answered}, w.enter("x", "a"))
		if got := w.figures("x").Limit; got != 2 {
			t.Errorf("limit %d after one answer, want 2", got)
		}
	})
}

func TestTheLimitIsNeverBelowOne(t *testing.T) {
	run(t, Limits{PerBackend: 3}, func(t *testing.T, w *world) {
		for range 5 {
			w.leave(Report{Result: Pushed}, w.enter("x", "a"))
			if got := w.figures("x").Limit; got != 1 {
				t.Errorf("limit %d", got)
			}
			w.pass(time.Minute)
		}
	})
}

func TestTheLimitThatIsCut(t *testing.T) {
	for name, c := range map[string]struct {
		limits Limits
		want   int
	}{
		"the backend's":                       {Limits{PerBackend: 6, Total: 100}, 3},
		"the worker's, if it has none":        {Limits{Total: 20}, 10},
		"the worker's, if it is the lower":    {Limits{PerBackend: 50, Total: 20}, 10},
		"what runs, if there is none at all":  {Limits{}, 2},
		"what runs, whatever a tenant's is":   {Limits{PerTenant: 5}, 2},
		"the backend's, if nothing else does": {Limits{PerBackend: 12}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, c.limits, func(t *testing.T, w *world) {
				w.leave(Report{Result: Pushed}, w.enterMany(4, "x", "a")[0])
				if got := w.figures("x").Limit; got != c.want {
					t.Errorf("limit %d, want %d", got, c.want)
				}
			})
		})
	}
}

func TestPausesDoubleWhilePushesGoOn(t *testing.T) {
	run(t, Limits{PerBackend: 1}, func(t *testing.T, w *world) {
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			w.leave(Report{Result: Pushed}, w.enter("x", "a"))
			if got := w.pause("x"); got != want*time.Second {
				t.Errorf("paused for %s, want %ds", got, want)
			}
			w.pass(want * time.Second)
			w.leave(Report{Result: Answered}, w.enter("y", "a")) // another's answers change nothing
		}
		w.leave(Report{Result: Unsent}, w.enter("x", "a"))
		w.leave(Report{Result: Pushed}, w.enter("x", "a"))
		if got := w.pause("x"); got != time.Minute {
			t.Errorf("paused for %s after an item that was not sent", got)
		}
		w.pass(time.Minute)
		w.leave(Report{Result: Answered}, w.enter("x", "a"))
		w.leave(Report{Result: Pushed}, w.enter("x", "a"))
		if got := w.pause("x"); got != time.Second {
			t.Errorf("paused for %s after an answer", got)
		}
	})
}

func TestABackendIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	for name, c := range map[string]struct {
		asks []time.Duration // in one burst
		want time.Duration
	}{
		"once":                      {[]time.Duration{7 * time.Second}, 7 * time.Second},
		"for less than a second":    {[]time.Duration{time.Millisecond}, time.Millisecond},
		"for longer, later":         {[]time.Duration{7 * time.Second, 9 * time.Second}, 9 * time.Second},
		"for shorter, later":        {[]time.Duration{7 * time.Second, 3 * time.Second}, 7 * time.Second},
		"and then does not say":     {[]time.Duration{100 * time.Millisecond, 0}, 100 * time.Millisecond},
		"and had not said at first": {[]time.Duration{0, 20 * time.Second}, 20 * time.Second},
		"for a time in the past":    {[]time.Duration{-time.Minute}, time.Second},
		"for ever":                  {[]time.Duration{1<<63 - 1}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Limits{PerBackend: 8}, func(t *testing.T, w *world) {
				for n, i := range w.enterMany(len(c.asks), "x", "a") {
					w.leave(Report{Result: Pushed, RetryAfter: c.asks[n]}, i)
				}
				waits, other := w.enter("x", "a"), w.enter("y", "a")
				if got := w.pause("x"); got != c.want || w.figures("x").Until != w.Until("x") {
					t.Errorf("paused for %s, want %s", got, c.want)
				}
				if w.pause("y") != 0 || w.pause("unknown") != 0 || !other.runs() {
					t.Error("another backend is left alone")
				}
				w.pass(c.want - 1)
				if !waits.waits() {
					t.Error("served too early")
				}
				w.pass(1)
				if !waits.runs() || w.pause("x") != 0 || !w.figures("x").Until.IsZero() {
					t.Error("not served when the time is over")
				}
				if got := w.figures("x").Limit; got != 4 {
					t.Errorf("limit %d", got)
				}
			})
		})
	}
}

func TestAPauseIsProlongedByChance(t *testing.T) {
	run(t, Limits{}, func(t *testing.T, w *world) {
		w.jitter = func(pause time.Duration) time.Duration { return pause / 20 }
		w.leave(Report{Result: Pushed, RetryAfter: 20 * time.Second}, w.enter("x", "a"))
		if got := w.pause("x"); got != 21*time.Second {
			t.Errorf("paused for %s", got)
		}
	})
	for range 1000 {
		if d := upToATenth(time.Second); d < 0 || d > time.Second/10 {
			t.Fatalf("prolonged by %s", d)
		}
	}
}

func TestATimerRunsOnlyWhileSomebodyWaits(t *testing.T) {
	run(t, Limits{PerBackend: 1}, func(t *testing.T, w *world) {
		ask := Report{Result: Pushed, RetryAfter: 10 * time.Second}
		for name, c := range map[string]struct {
			during func()
			want   int
		}{
			"nobody waits":         {func() {}, 0},
			"somebody waits":       {func() { w.enter("x", "a") }, 1},
			"somebody left":        {func() { w.abandon(w.enter("x", "a")) }, 0},
			"one of two left":      {func() { w.enter("x", "b"); w.abandon(w.enter("x", "a")) }, 1},
			"another came instead": {func() { w.abandon(w.enter("x", "a")); w.enter("x", "b") }, 1},
			"elsewhere":            {func() { w.enter("y", "a") }, 0},
		} {
			w.Pace = New(w.limits, time.Now)
			w.leave(ask, w.enter("x", "a"))
			if c.during(); w.timers() != c.want {
				t.Errorf("%s: want %d timers", name, c.want)
			}
		}
	})
}

func TestABackendThatHasRecoveredIsForgotten(t *testing.T) {
	run(t, Limits{PerBackend: 1}, func(t *testing.T, w *world) {
		w.leave(Report{Result: Pushed, RetryAfter: 10 * time.Second}, w.enter("x", "a"))
		if len(w.Snapshot()) != 1 {
			t.Error("forgotten while it is left alone")
		}
		w.pass(10 * time.Second)
		w.leave(Report{Result: Answered}, w.enter("y", "a"))
		w.requireForgotten()
	})
}
