package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// metric is the value of a metric of the frontend; "" if there is none of that name.
func (w *world) metric(t *testing.T, name string) string {
	t.Helper()
	res, err := (&http.Client{Timeout: time.Minute}).Get(w.Metrics["frontend"])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// reconfigure changes the frontend's file for a test and waits until the change is in force.
func (w *world) reconfigure(t *testing.T, change func(string) string) {
	t.Helper()
	file := filepath.Join(w.Dir, "frontend.yaml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		const applied = `gateway_config_reloads_total{result="applied"}`
		seen := w.metric(t, applied)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, "the change is in force", func() bool { return w.metric(t, applied) != seen })
	}
	put(change(string(before)))
	t.Cleanup(func() { put(string(before)) })
}

func TestAChangedConfigurationIsPutInForceWhileRequestsRun(t *testing.T) {
	w := stack(t)
	file := filepath.Join(w.Dir, "frontend.yaml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { put(string(before)) })
	token := w.mint(t, "team")
	ask := func() answer {
		return w.askAs(t.Context(), token, "/v1/messages", message("claude-opus-5-5", "hi", true))
	}
	if a := ask(); a.status != http.StatusForbidden {
		t.Fatalf("a tier that does not exist yet: %d %s", a.status, a.body)
	}
	_, end := w.streams(t, 5, "tokens=60,gap=100ms")

	team := func(backend string) string {
		return strings.Replace(string(before), "tiers:\n", fmt.Sprintf("tiers:\n    team:\n        routes:\n            - {match: '*', backend: %s}\n", backend), 1)
	}
	put(team("nowhere"))
	eventually(t, 20*time.Second, "the file is refused", func() bool { return w.metric(t, "gateway_config_refused") == "1" })
	if a := ask(); a.status != http.StatusForbidden {
		t.Errorf("a refused file came into force: %d %s", a.status, a.body)
	}
	put(team("standby"))
	eventually(t, 20*time.Second, "the tier is served", func() bool { return ask().status == http.StatusOK })
	if got := w.metric(t, "gateway_config_refused"); got != "0" {
		t.Errorf("gateway_config_refused is %s", got)
	}
	for _, a := range end() {
		if a.err != nil || !strings.Contains(a.body, "message_stop") {
			t.Errorf("a stream that was running broke off: %v", a.err)
		}
	}
}
