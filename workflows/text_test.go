package workflows_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

// entry is a request that took 2.3 s.
func entry() gateway.Entry {
	admitted := time.Date(2026, 3, 9, 12, 3, 4, 0, time.UTC)
	return gateway.Entry{
		ID: requestID(), AdmittedAt: admitted, EndedAt: admitted.Add(2300 * time.Millisecond), Subject: "s-1", User: "petra", Tier: "pro",
		Endpoint: gateway.Messages, Stream: true, ModelRequested: "claude-opus-5-5",
		Target: gateway.Target{Backend: "anthropic", Model: "claude-haiku-5-5"}, Attempts: 1,
		Session: "0d6c", Status: gateway.Completed, HTTPStatus: 200, StopReason: "end_turn",
		Usage:  gateway.Usage{Input: 1034, Output: 56, CacheRead: 150, CacheWrite: 50},
		Charge: gateway.Charge{Requests: 1, Tokens: 1140}, Window: gateway.DayWindow(admitted, time.UTC),
	}
}

func TestSummary(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*gateway.Entry)
		want   string
	}{
		"says who asked for what, where it went and what it took": {
			func(*gateway.Entry) {},
			"petra (pro) · claude-opus-5-5 → claude-haiku-5-5 via anthropic · completed in 2.3 s · 1,234 in, 56 out",
		},
		"counts attempts where there was more than one": {
			func(e *gateway.Entry) { e.Attempts, e.Target.Model = 2, e.ModelRequested },
			"petra (pro) · claude-opus-5-5 via anthropic, 2 attempts · completed in 2.3 s · 1,234 in, 56 out",
		},
		"names a model once if it is the one asked for": {
			func(e *gateway.Entry) { e.Target.Model = e.ModelRequested },
			"petra (pro) · claude-opus-5-5 via anthropic · completed in 2.3 s · 1,234 in, 56 out",
		},
		"says since when a request runs": {
			func(e *gateway.Entry) {
				e.Status, e.EndedAt, e.Target.Model = gateway.Streaming, time.Time{}, e.ModelRequested
			},
			"petra (pro) · claude-opus-5-5 via anthropic · streaming since 12:03:04Z",
		},
		"counts short ones in milliseconds, and none below zero": {
			func(e *gateway.Entry) { e.Status, e.EndedAt = gateway.Failed, e.AdmittedAt.Add(-time.Second) },
			"petra (pro) · claude-opus-5-5 → claude-haiku-5-5 via anthropic · failed in 0 ms · 1,234 in, 56 out",
		},
		"takes no markup from a client": {
			func(e *gateway.Entry) { e.ModelRequested, e.User = "<b>\n[x](y)`", "a|b" },
			"a|b (pro) · ‹b› (x)(y)' → claude-haiku-5-5 via anthropic · completed in 2.3 s · 1,234 in, 56 out",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := entry()
			c.change(&e)
			require.Equal(t, c.want, workflows.Summary(e))
		})
	}
}

func TestTextsStayWithinTemporalsLimits(t *testing.T) {
	e := entry()
	long := strings.Repeat("模", 5000)
	e.User, e.ModelRequested, e.Session, e.Error, e.StopReason = long, long, long, long, long
	e.Tier, e.Target = gateway.Tier(long), gateway.Target{Backend: long, Model: long}
	require.LessOrEqual(t, len(workflows.Summary(e)), 400)
	require.True(t, utf8.ValidString(workflows.Summary(e)))
	require.LessOrEqual(t, len(workflows.Details(e)), 20_000)
	for key, value := range workflows.Attributes(e).GetUntypedValues() {
		require.LessOrEqual(t, utf8.RuneCountInString(fmt.Sprint(value)), 255, key.GetName())
	}
}

func TestDetailsAreATable(t *testing.T) {
	e := entry()
	e.Error, e.Usage.Estimated, e.HTTPStatus = "it broke | off\nhere", true, 0
	require.Equal(t, `| | |
|---|---|
| user | petra (pro) |
| endpoint | messages, streamed |
| model | claude-opus-5-5 |
| routed to | claude-haiku-5-5 via anthropic |
| session | 0d6c |
| admitted | 2026-03-09 12:03:04Z |
| status | completed |
| HTTP status | none: nothing was answered |
| error | it broke \| off here |
| stop reason | end_turn |
| ended | 2026-03-09 12:03:06Z, after 2.3 s |
| tokens | 1,034 in, 56 out; cache: 150 read, 50 written (estimated) |
| charged | 1 requests, 1,140 tokens |
| quota window | 2026-03-09 00:00:00Z |
`, workflows.Details(e))
}

func TestDetailsTellAttemptsAndCost(t *testing.T) {
	e := entry()
	require.NotContains(t, workflows.Details(e), "attempts")
	require.NotContains(t, workflows.Details(e), "cost")
	e.Attempts, e.Cost = 3, 12_345_678
	require.Contains(t, workflows.Details(e), "| routed to | claude-haiku-5-5 via anthropic, 3 attempts |\n")
	require.Contains(t, workflows.Details(e), "| cost | 0.012345678 |\n")
}

func TestAttributesLeaveOutWhatIsEmpty(t *testing.T) {
	e := entry()
	require.Len(t, workflows.Attributes(e).GetUntypedValues(), len(workflows.Keywords()))
	e.Session = ""
	require.Len(t, workflows.Attributes(e).GetUntypedValues(), len(workflows.Keywords())-1)
}
