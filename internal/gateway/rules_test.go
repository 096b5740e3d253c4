package gateway

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestAModelsFamilyIsReadFromItsName(t *testing.T) {
	for id, want := range map[string]string{
		"claude-opus-5-5":                              "claude opus",
		"claude-haiku-4-5-20251001":                    "claude haiku",
		"claude-3-5-sonnet-20241022":                   "claude sonnet",
		"claude-3-opus":                                "claude opus",
		"claude-fable-6":                               "claude fable",
		"us.anthropic.claude-3-5-sonnet-20241022-v1:0": "claude sonnet",
		"anthropic.claude-haiku-4-5":                   "claude haiku",
		"anthropic/claude-opus-5-5":                    "claude opus",
		"claude-sonnet-4-5@20250929":                   "claude sonnet",
		"CLAUDE-Sonnet-latest":                         "claude sonnet",
		"claude-2.1":                                   "claude claude",
		"claude":                                       "claude claude",
		"gpt-4o-mini":                                  "gpt gpt",
		"openai/gpt-4":                                 "gpt gpt",
		"internal":                                     "internal internal",
		"":                                             " ",
	} {
		if m := ParseModel(id); m.Vendor+" "+m.Family != want || m.ID != id {
			t.Errorf("%q is %q %q, want %q", id, m.Vendor, m.Family, want)
		}
	}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	to := func(match, backend, model string) Rule {
		return Rule{Match: match, Choices: []Choice{{Target: Target{backend, model}}}}
	}
	routes := Routes{"pro": {Rules: []Rule{
		to("gpt-special", "special", ""),
		to("haiku", "anthropic", ""),
		to("claude", "anthropic", "claude-haiku-5-5"),
		to("gpt", "internal", "internal"),
	}}}
	plan, err := routes.Plan("pro")
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]Target{
		"claude-haiku-4-5": {"anthropic", ""},
		"claude-opus-5-5":  {"anthropic", "claude-haiku-5-5"},
		"claude-unheard-9": {"anthropic", "claude-haiku-5-5"},
		"gpt-4":            {"internal", "internal"},
		"gpt-special":      {"special", ""},
	} {
		if got, err := plan.Rule(ParseModel(asked)); err != nil || got.Choices[0].Target != want {
			t.Errorf("%s goes to %+v (%v), want %+v", asked, got, err, want)
		}
	}
	if _, err := plan.Rule(ParseModel("mistral")); AsError(err).Code != NotFound {
		t.Errorf("a model without a route: %v", err)
	}
	if _, err := routes.Plan("gold"); AsError(err).Code != Forbidden {
		t.Errorf("an unknown tier: %v", err)
	}
	if !plan.Serves(ParseModel("claude-haiku-5-5")) || plan.Serves(ParseModel("claude-opus-5-5")) {
		t.Error("a plan serves a model as itself or not at all")
	}
}

func TestWeightsAreSharesAndASessionKeepsItsPlace(t *testing.T) {
	rule := Rule{Choices: []Choice{
		{Target{"standby", ""}, 0}, {Target{"a", ""}, 70}, {Target{"b", ""}, 30}, {Target{"last", ""}, 0},
	}}
	const sessions = 20_000
	first := map[string]int{}
	for i := range sessions {
		key := fmt.Sprintf("user\x00session %d", i)
		order := rule.Order(key)
		if again := rule.Order(key); !slices.Equal(order, again) {
			t.Fatal("the same session is drawn another order")
		}
		if len(order) != 4 || order[2].Backend != "standby" || order[3].Backend != "last" {
			t.Fatalf("order %v", order)
		}
		first[order[0].Backend]++
	}
	if share := float64(first["a"]) / sessions; share < .68 || share > .72 {
		t.Errorf("a comes first in %.3f of the sessions, want 0.7", share)
	}
}

func TestATargetThatGoesMovesOnlyItsOwnSessions(t *testing.T) {
	three := Rule{Choices: []Choice{{Target{"a", ""}, 1}, {Target{"b", ""}, 1}, {Target{"c", ""}, 1}}}
	two := Rule{Choices: three.Choices[:2]}
	for i := range 1000 {
		key := fmt.Sprint(i)
		if was, is := three.Order(key)[0], two.Order(key)[0]; was.Backend != "c" && was != is {
			t.Fatalf("session %d moved from %s to %s", i, was.Backend, is.Backend)
		}
	}
}

func TestWithoutWeightsTheOrderIsAsWritten(t *testing.T) {
	rule := Rule{Choices: []Choice{{Target{"z", ""}, 0}, {Target{"a", "m"}, 0}}}
	if got := rule.Order("any"); got[0].Backend != "z" || got[1] != (Target{"a", "m"}) {
		t.Errorf("%v", got)
	}
}

func TestAnUnknownModelIsNeverFree(t *testing.T) {
	prices := Prices{{Match: "opus", Input: 5, Output: 25, CacheRead: .5, CacheWrite: 6.25}, {Match: "internal", Input: .1, Output: 40}}
	used := Usage{Input: 1000, Output: 100, CacheRead: 10_000, CacheWrite: 8}
	for model, want := range map[string]Cost{
		"claude-opus-5-5":                 5_000_000 + 2_500_000 + 5_000_000 + 50_000,
		"us.anthropic.claude-opus-5-v1:0": 5_000_000 + 2_500_000 + 5_000_000 + 50_000,
		"internal":                        100_000 + 4_000_000,
		"never-heard-of":                  5_000_000 + 4_000_000 + 5_000_000 + 50_000,
	} {
		if got := prices.Cost(ParseModel(model), used); got != want {
			t.Errorf("%s costs %d, want %d", model, got, want)
		}
	}
}

func TestAliasesLookLikeClaudeAndAreReversible(t *testing.T) {
	for model, alias := range map[string]string{
		"internal": "claude--internal", "org/qwen-3": "claude--org/qwen-3", "claude-opus-5-5": "claude-opus-5-5", "anthropic.x": "anthropic.x",
	} {
		if got := Alias(model); got != alias || Unalias(got) != model {
			t.Errorf("%s is listed as %s and turned back to %s", model, got, Unalias(got))
		}
	}
}

func TestAWindowIsTheCalendarDayOfItsZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		now   string
		zone  *time.Location
		start string
		hours float64
	}{
		"UTC":                         {"2026-11-23T23:59:59Z", time.UTC, "2026-11-23T00:00:00Z", 24},
		"the first instant":           {"2026-11-24T00:00:00Z", time.UTC, "2026-11-24T00:00:00Z", 24},
		"already tomorrow in Berlin":  {"2026-11-23T23:30:00Z", berlin, "2026-11-23T23:00:00Z", 24},
		"the day that loses an hour":  {"2026-03-29T12:00:00Z", berlin, "2026-03-28T23:00:00Z", 23},
		"the day that gains an hour":  {"2026-10-25T12:00:00Z", berlin, "2026-10-24T22:00:00Z", 25},
		"the last day of a leap year": {"2028-02-29T12:00:00Z", time.UTC, "2028-02-29T00:00:00Z", 24},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		w := DayWindow(now, c.zone)
		if got := w.Start.UTC().Format(time.RFC3339); got != c.start || w.Reset.Sub(w.Start).Hours() != c.hours {
			t.Errorf("%s: from %s for %s", name, got, w.Reset.Sub(w.Start))
		}
		if now.Before(w.Start) || !now.Before(w.Reset) {
			t.Errorf("%s: %s is not in its window", name, c.now)
		}
	}
}

func TestAChargeFitsWhenNoLimitIsPassed(t *testing.T) {
	one := Charge{Requests: 1, Tokens: 100}
	day := func(requests, tokens int64) Limits {
		l := NoLimits()
		l.DayLimits = DayLimits{requests, tokens}
		return l
	}
	dear := day(10, Unlimited)
	dear.Classes = map[string]DayLimits{"dear": {2, 500}}
	moment := day(10, Unlimited)
	moment.PerMinute, moment.Concurrent = 5, 3
	for name, c := range map[string]struct {
		limits Limits
		use    Use
		class  string
		charge Charge
		want   Refusal
	}{
		"the last request":      {day(10, Unlimited), Use{Day: Used{9, 0}}, "", one, Admitted},
		"one too many":          {day(10, Unlimited), Use{Day: Used{10, 0}}, "", one, NoRequests},
		"the last tokens":       {day(Unlimited, 1000), Use{Day: Used{5, 900}}, "", one, Admitted},
		"one token too many":    {day(Unlimited, 1000), Use{Day: Used{5, 901}}, "", one, NoTokens},
		"no limits":             {NoLimits(), Use{Day: Used{1 << 40, 1 << 50}, Minute: 1 << 40, Running: 1 << 40}, "dear", one, Admitted},
		"a free call":           {day(10, 1000), Use{Day: Used{10, 1000}}, "", Charge{}, Admitted},
		"a limit of nothing":    {day(0, Unlimited), Use{}, "", one, NoRequests},
		"requests before token": {day(10, 1000), Use{Day: Used{10, 1000}}, "", one, NoRequests},

		"the class's last request":        {dear, Use{Day: Used{5, 0}, Classes: map[string]Used{"dear": {1, 400}}}, "dear", one, Admitted},
		"one too many of the class":       {dear, Use{Day: Used{5, 0}, Classes: map[string]Used{"dear": {2, 0}}}, "dear", one, NoClassRequests},
		"a token too many of the class":   {dear, Use{Day: Used{5, 0}, Classes: map[string]Used{"dear": {1, 401}}}, "dear", one, NoClassTokens},
		"another class has no limit":      {dear, Use{Day: Used{5, 0}, Classes: map[string]Used{"dear": {2, 0}}}, "", one, Admitted},
		"all requests before the class's": {dear, Use{Day: Used{10, 0}, Classes: map[string]Used{"dear": {2, 0}}}, "dear", one, NoRequests},

		"the minute's last":            {moment, Use{Minute: 4, Running: 2}, "", one, Admitted},
		"one too many in the minute":   {moment, Use{Minute: 5, Running: 2}, "", one, NoMinute},
		"one too many at once":         {moment, Use{Minute: 4, Running: 3}, "", one, NoPlace},
		"the day before the minute":    {moment, Use{Day: Used{10, 0}, Minute: 5, Running: 3}, "", one, NoRequests},
		"a batch's item at any moment": {moment.OfBatches(), Use{Minute: 5, Running: 3}, "", one, Admitted},
	} {
		if got := c.limits.Admit(c.use, c.class, c.charge); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAModelBelongsToTheFirstClassThatItMatches(t *testing.T) {
	classes := Classes{{"dear", []string{"opus", "gpt-9"}}, {"claude", []string{"claude"}}}
	for model, want := range map[string]string{
		"claude-opus-5-5": "dear", "gpt-9": "dear", "us.anthropic.claude-haiku-5-5-v1:0": "claude", "gpt-4": "", "internal": "",
	} {
		if got := classes.Of(ParseModel(model)); got != want {
			t.Errorf("%s is of class %q, want %q", model, got, want)
		}
	}
}

func TestReadingTheCacheIsFree(t *testing.T) {
	if got := (Usage{Input: 1, Output: 20, CacheRead: 300, CacheWrite: 4000}).Tokens(); got != 4021 {
		t.Errorf("%d tokens", got)
	}
}

func TestAnUnknownErrorTellsAClientNothing(t *testing.T) {
	cause := errors.New("dial tcp 10.1.2.3:5432: password of user x")
	e := AsError(fmt.Errorf("stage: %w", cause))
	if e.Code != Internal || !errors.Is(e, cause) {
		t.Errorf("%+v", e)
	}
	if known := (&Error{Code: Invalid, Message: "m"}); AsError(fmt.Errorf("wrapped: %w", known)) != known {
		t.Error("a known error was replaced")
	}
}
