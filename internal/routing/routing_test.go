package routing

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time            { return c.at }
func (c *clock) pass(d time.Duration)      { c.at = c.at.Add(d) }
func newClock() *clock                     { return &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }
func target(backend string) gateway.Target { return gateway.Target{Backend: backend, Model: "m"} }

func TestABackendIsEjectedProbedAndReturns(t *testing.T) {
	c := newClock()
	h := NewHealth(3, time.Second, 3*time.Second, c.now)
	a := target("a")
	fail := func(n int) {
		for range n {
			h.Failed(a)
		}
	}
	is := func(step string, want bool) {
		t.Helper()
		if got := h.Usable(a); got != want {
			t.Errorf("%s: usable %v", step, got)
		}
	}
	fail(2)
	is("two failures are not three", true)
	h.Succeeded(a)
	fail(2)
	is("a success in between starts anew", true)
	fail(1)
	is("three in a row", false)
	fail(10)
	c.pass(time.Second)
	is("latecomers do not prolong it: one request may try", true)
	is("and only one", false)
	fail(1)
	c.pass(time.Second)
	is("a failed probe doubles the pause", false)
	c.pass(time.Second)
	is("over after two seconds", true)
	fail(1)
	c.pass(3 * time.Second)
	is("never longer than the longest", true)
	h.Succeeded(a)
	is("back", true)
	is("for everyone", true)
	if h.Ejected("a") {
		t.Error("still told as ejected")
	}
}

func TestAProbeThatNeverEndsIsRepeated(t *testing.T) {
	c := newClock()
	h := NewHealth(1, time.Second, time.Minute, c.now)
	h.Failed(target("a"))
	c.pass(time.Second)
	if !h.Usable(target("a")) || h.Usable(target("a")) {
		t.Fatal("want one probe")
	}
	c.pass(2 * time.Second)
	if !h.Usable(target("a")) {
		t.Error("the client of the probe left, and nobody tries again")
	}
}

func TestATargetThatAskedForAPauseIsLeftAloneAlone(t *testing.T) {
	c := newClock()
	h := NewHealth(3, time.Second, time.Minute, c.now)
	h.Wait(gateway.Target{Backend: "a", Model: "opus"}, time.Hour)
	if h.Usable(gateway.Target{Backend: "a", Model: "opus"}) || !h.Usable(gateway.Target{Backend: "a", Model: "haiku"}) {
		t.Error("the pause is the model's")
	}
	c.pass(time.Minute)
	if !h.Usable(gateway.Target{Backend: "a", Model: "opus"}) {
		t.Error("a pause is bounded")
	}
}

func TestWhatIsRememberedOfTargetsIsBounded(t *testing.T) {
	c := newClock()
	h := NewHealth(3, time.Second, time.Minute, c.now)
	for i := range 3 * maxTargets {
		h.Wait(gateway.Target{Backend: "a", Model: string(rune(i + 256))}, time.Minute)
	}
	if len(h.targets) > maxTargets {
		t.Errorf("%d targets", len(h.targets))
	}
}

// trip is a way through backends of these names.
func trip(h *Health, attempts int, budget time.Duration, backends ...string) *Trip {
	rule := gateway.Rule{Attempts: attempts}
	for _, b := range backends {
		rule.Choices = append(rule.Choices, gateway.Choice{Target: gateway.Target{Backend: b}})
	}
	return (&Table{}).NewTrip(rule, "key", "m", h, budget)
}

// way is the order in which the trip names its targets, to the end.
func way(t *Trip) (names []string, waits []time.Duration) {
	for {
		next, wait, ok := t.Next()
		if !ok {
			return names, waits
		}
		names, waits = append(names, next.Backend), append(waits, wait)
	}
}

func TestATripTriesEachTargetInTurnAndThenAgain(t *testing.T) {
	h := NewHealth(3, time.Second, time.Minute, newClock().now)
	names, waits := way(trip(h, 5, time.Minute, "a", "b"))
	if !slices.Equal(names, []string{"a", "b", "a", "b", "a"}) {
		t.Errorf("%v", names)
	}
	if waits[0]+waits[1]+waits[3] != 0 || waits[2] < firstBackoff/2 || waits[4] < firstBackoff {
		t.Errorf("pauses %v", waits)
	}
	if names, _ := way(trip(h, 2, 0, "a", "b")); len(names) != 2 {
		t.Errorf("%v", names)
	}
	if names, _ := way(trip(h, 5, 0, "a", "b")); len(names) != 2 {
		t.Errorf("without time for pauses: %v", names)
	}
}

func TestATripWaitsAsLongAsTheTargetsAsk(t *testing.T) {
	h := NewHealth(3, time.Second, time.Minute, newClock().now)
	tr := trip(h, 4, 10*time.Second, "a", "b")
	tr.Next()
	tr.Asked(7 * time.Second)
	tr.Next()
	tr.Asked(4 * time.Second)
	if _, wait, ok := tr.Next(); !ok || wait != 4*time.Second {
		t.Errorf("waits %s, want the shortest that was asked for", wait)
	}
	tr.Next()
	tr = trip(h, 2, 10*time.Second, "a")
	tr.Next()
	tr.Asked(time.Hour)
	if _, _, ok := tr.Next(); ok {
		t.Error("an hour is longer than a request may wait")
	}
}

func TestWhatIsWellGoesFirstAndNothingIsLeftUntried(t *testing.T) {
	h := NewHealth(1, time.Second, time.Minute, newClock().now)
	h.Failed(target("a"))
	if names, _ := way(trip(h, 3, 0, "a", "b", "c")); !slices.Equal(names, []string{"b", "c", "a"}) {
		t.Errorf("%v", names)
	}
	h.Failed(target("b"))
	h.Failed(target("c"))
	if names, _ := way(trip(h, 3, 0, "a", "b", "c")); !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("all are left alone: %v", names)
	}
}

func TestATargetThatCannotTakeTheRequestCostsNoAttempt(t *testing.T) {
	h := NewHealth(1, time.Second, time.Minute, newClock().now)
	tr := trip(h, 2, time.Minute, "a", "b")
	first, _, _ := tr.Next()
	tr.Forget(first)
	if names, _ := way(tr); !slices.Equal(names, []string{"b", "b"}) {
		t.Errorf("%v", names)
	}
}

func TestATargetIsTriedAgainAtOnceIfItLearnt(t *testing.T) {
	h := NewHealth(1, time.Second, time.Minute, newClock().now)
	tr := trip(h, 1, 0, "a")
	first, _, _ := tr.Next()
	tr.Again(first)
	if names, waits := way(tr); !slices.Equal(names, []string{"a"}) || waits[0] != 0 {
		t.Errorf("%v after %v", names, waits)
	}
}

func TestAGateLetsInAsManyAsItHasPlaces(t *testing.T) {
	g := (*Gate)(nil).resized(2, 20*time.Millisecond)
	for range 2 {
		if err := g.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Enter(t.Context()); !errors.Is(err, ErrBusy) {
		t.Errorf("the third: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that left: %v", err)
	}
	g.Leave()
	if err := g.Enter(t.Context()); err != nil {
		t.Errorf("after one left: %v", err)
	}
	if g.resized(2, 20*time.Millisecond) != g || g.resized(3, 20*time.Millisecond) == g || g.resized(0, 0) != nil {
		t.Error("a gate is kept while its limits are the same")
	}
}

func TestModelsHaveTheBackendsOwnNames(t *testing.T) {
	cfg := config.Default()
	cfg.Backends = []config.Backend{
		{Name: "plain", Dialects: []string{"openai"}, BaseURL: "http://x", Auth: config.Auth{Mode: config.AuthNone}},
		{Name: "own", Dialects: []string{"anthropic"}, BaseURL: "http://x", Auth: config.Auth{Mode: config.AuthNone}, Models: map[string]string{
			"claude-opus-5-5": "special", "*": "us.anthropic.{model}-v1:0",
		}},
	}
	table, err := NewTable(&cfg, environment(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[gateway.Target]string{
		{Backend: "plain"}:                          "m",
		{Backend: "plain", Model: "fixed"}:          "fixed",
		{Backend: "own"}:                            "us.anthropic.m-v1:0",
		{Backend: "own", Model: "claude-opus-5-5"}:  "special",
		{Backend: "own", Model: "claude-haiku-5-5"}: "us.anthropic.claude-haiku-5-5-v1:0",
	} {
		if got := table.Resolve(asked, "m"); got.Model != want || got.Backend != asked.Backend {
			t.Errorf("%+v becomes %+v, want %s", asked, got, want)
		}
	}
}

func TestABackendTakesACallInItsOwnDialectOrTheOther(t *testing.T) {
	for _, c := range []struct {
		speaks []string
		asked  gateway.Endpoint
		want   gateway.Endpoint
	}{
		{[]string{"anthropic"}, gateway.Messages, gateway.Messages},
		{[]string{"anthropic"}, gateway.Chat, gateway.Messages},
		{[]string{"openai"}, gateway.Messages, gateway.Chat},
		{[]string{"anthropic", "openai"}, gateway.Chat, gateway.Chat},
		{[]string{"openai", "anthropic"}, gateway.Messages, gateway.Messages},
		{[]string{"openai"}, gateway.CountTokens, ""},
		{[]string{"anthropic"}, gateway.Embeddings, ""},
		{[]string{"anthropic"}, gateway.Responses, ""},
		{[]string{"openai"}, gateway.Responses, gateway.Responses},
	} {
		if got, ok := (&Backend{Config: config.Backend{Dialects: c.speaks}}).Endpoint(c.asked); got != c.want || ok != (c.want != "") {
			t.Errorf("%s at a backend of %v: %q", c.asked, c.speaks, got)
		}
	}
}

func TestEachFailedProbeDoublesThePause(t *testing.T) {
	c := newClock()
	h := NewHealth(1, time.Second, time.Minute, c.now)
	h.Failed(target("a"))
	for pause := time.Second; pause <= 32*time.Second; pause *= 2 {
		c.pass(pause - time.Millisecond)
		if h.Usable(target("a")) {
			t.Fatalf("tried again before %s had passed", pause)
		}
		c.pass(time.Millisecond)
		if !h.Usable(target("a")) {
			t.Fatalf("not tried again after %s", pause)
		}
		h.Failed(target("a"))
	}
}
