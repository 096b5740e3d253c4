package integration

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tier "twin" sends each session to one of two providers of the same model, and on to the other.
const twin = `frontend:tiers.twin={routes: [{match: "*", targets: [{backend: anthropic, weight: 50}, {backend: standby, weight: 50}]}]}`

// One of two providers fails in some way, under load. Nobody notices before the first byte of an answer, every attempt
// is on record, and each request is settled once: the stack's own check at the end of each test sees to the latter.
func TestWithOneOfTwoProvidersFailingNobodyIsRefused(t *testing.T) {
	const requests = 1000
	for name, c := range map[string]struct {
		faults map[string]any // of the provider; nil: there is none at its address
		broken bool           // an answer may break off behind its first byte
	}{
		"not there":               {nil, false},
		"overloaded":              {map[string]any{"status": 529}, false},
		"over its rate":           {map[string]any{"status": 429, "retry_after": 1}, false},
		"hangs up":                {map[string]any{"cut": 0}, false},
		"cut before its answer":   {map[string]any{"cut": 1}, true},
		"cut in its answer":       {map[string]any{"cut": 400}, true},
		"silent behind headers":   {map[string]any{"stall": 0}, false},
		"silent in its answer":    {map[string]any{"stall": 3}, true},
		"fails half of the times": {map[string]any{"status": 500, "status_first": requests / 4}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := stack(t)
			token := w.mint(t, "twin")
			eventually(t, 30*time.Second, "both providers are well", func() bool {
				a := w.askAs(t.Context(), token, "/v1/messages", message("claude-opus-5-5", "hi", true))
				return a.status == http.StatusOK && w.metric(t, `gateway_backend_ejected{backend="standby"}`) == "0"
			})
			if c.faults == nil {
				w.reconfigure(t, func(file string) string { return strings.Replace(file, w.Models["standby"], "http://127.0.0.1:1", 1) })
			}
			if err := w.MountFaults(t.Context(), "standby", c.faults); err != nil {
				t.Fatal(err)
			}
			var refused, broken, answered, again atomic.Int64
			var all sync.WaitGroup
			var next atomic.Int64
			for range 32 {
				all.Go(func() {
					for next.Add(1) <= requests {
						a := w.askAs(context.Background(), token, "/v1/messages", message("claude-opus-5-5", "hi", true))
						if a.header.Get("X-Gateway-Attempts") == "2" {
							again.Add(1)
						}
						switch {
						case a.status != http.StatusOK:
							refused.Add(1)
							t.Logf("%d %s %v", a.status, a.body, a.err)
						case strings.HasSuffix(a.body, "{\"type\":\"message_stop\"}\n\n"):
							answered.Add(1)
						case strings.Contains(a.body, "event: error"):
							broken.Add(1)
						default:
							t.Errorf("an answer ended without an end: %q %v", a.body, a.err)
						}
					}
				})
			}
			all.Wait()
			if refused.Load() > 0 || broken.Load() > 0 && !c.broken || answered.Load()+broken.Load() != requests {
				t.Errorf("%d refused, %d broke off, %d answered", refused.Load(), broken.Load(), answered.Load())
			}
			if again.Load()+broken.Load() < 5 {
				t.Errorf("%d requests were sent again and %d broke off: the failing provider was hardly asked", again.Load(), broken.Load())
			}
			t.Logf("%d answered, %d of them by the second provider, %d broke off behind the first byte, %d refused", answered.Load(), again.Load(), broken.Load(), refused.Load())
		})
	}
}
