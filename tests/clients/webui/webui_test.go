// Package webui_test looks at the Temporal Web UI with a browser, as an operator does who searches for a request.
package webui_test

import (
	"bytes"
	"context"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// Shots names the variable with the directory for the screenshots. Without it they are thrown away.
const Shots = "SCREENSHOTS"

const (
	pageTimeout = time.Minute
	// A page that is not complete is loaded again: the list of workflows lags behind by a moment.
	pagePatience = 30 * time.Second
)

func TestAnOperatorFindsRequestsInTheWebUI(t *testing.T) {
	stack, err := witness.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	})
	ui := browser{base: stack.TemporalUI + "/namespaces/" + stack.Namespace + "/workflows", profiles: t.TempDir(), shots: shots(t)}

	completed := prompt(t, stack, "pro", "good morning")
	failed := prompt(t, stack, "pro", "[x-mock: status=400,message=prompt is too long: 7 tokens > 6 maximum]")
	erins := prompt(t, stack, "enterprise", "good morning")

	t.Run("by user", func(t *testing.T) {
		page := ui.search(t, "user", `User="petra"`, completed, failed)
		page.lacks(t, erins)
	})
	t.Run("by user and status", func(t *testing.T) {
		page := ui.search(t, "status", `User="petra" AND RequestStatus="failed"`, failed)
		page.lacks(t, completed, erins)
	})
	t.Run("by what the user asked for and was given", func(t *testing.T) {
		page := ui.search(t, "model", `Model="claude-opus-5-5" AND RoutedModel="claude-haiku-5-5"`, completed, failed)
		page.lacks(t, erins)
	})
	t.Run("and reads in one line how it went", func(t *testing.T) {
		list := ui.search(t, "user", `User="petra"`, completed, failed)
		for name, id := range map[string]string{"completed": completed, "failed": failed} {
			ui.open(t, name, stack.TemporalUI+list.link(t, id)+"/user-metadata",
				"petra (pro) · claude-opus-5-5 → claude-haiku-5-5 via anthropic · "+name+" in ")
		}
	})
}

// prompt sends a prompt as a demo user and waits until it is in the ledger. A refusal by the model is an answer.
func prompt(t *testing.T, stack *witness.Stack, tier, text string) (id string) {
	t.Helper()
	id, err := stack.Prompt(t, stack.Tokens[tier], text)
	if id == "" {
		t.Fatalf("no request id: %v", err)
	}
	stack.Settled(t, id)
	return id
}

// browser is a Chromium without a window.
type browser struct{ base, profiles, shots string }

// page is what a browser made of an address.
type page struct{ dom, file string }

// search opens the list of workflows with a filter and waits until it shows some texts.
func (b browser) search(t *testing.T, name, query string, wants ...string) page {
	t.Helper()
	return b.open(t, name, b.base+"?query="+url.QueryEscape(query), wants...)
}

// open loads an address until it shows some texts, and keeps the picture of it.
func (b browser) open(t *testing.T, name, address string, wants ...string) page {
	t.Helper()
	for deadline := time.Now().Add(pagePatience); ; time.Sleep(time.Second) {
		p := b.load(t, name, address)
		missing := p.missing(wants)
		if len(missing) == 0 {
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not show %q; see %s", address, missing, p.file)
		}
	}
}

func (b browser) load(t *testing.T, name, address string) page {
	t.Helper()
	profile, err := os.MkdirTemp(b.profiles, name)
	if err != nil {
		t.Fatal(err)
	}
	p := page{file: filepath.Join(b.shots, name+".png")}
	ctx, cancel := context.WithTimeout(t.Context(), pageTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium(t),
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+profile, "--window-size=1600,1000",
		"--virtual-time-budget=15000", "--screenshot="+p.file, "--dump-dom", address)
	cmd.WaitDelay = 5 * time.Second
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the browser: %v\n%s", err, &complaints)
	}
	p.dom = html.UnescapeString(string(out)) + framed(t, string(out))
	return p
}

// framed is the markdown of a page. The Web UI renders each text of it in a frame, which has it in its address.
func framed(t *testing.T, dom string) string {
	t.Helper()
	var texts strings.Builder
	for _, found := range regexp.MustCompile(`"/render\?content=([^"&]*)`).FindAllStringSubmatch(dom, -1) {
		text, err := url.QueryUnescape(found[1])
		if err != nil {
			t.Fatal(err)
		}
		texts.WriteString("\n" + text)
	}
	return texts.String()
}

func (p page) missing(texts []string) []string {
	var missing []string
	for _, text := range texts {
		if !strings.Contains(p.dom, text) {
			missing = append(missing, text)
		}
	}
	return missing
}

// link is the address, without the host, that a list of workflows gives one of them.
func (p page) link(t *testing.T, id string) string {
	t.Helper()
	found := regexp.MustCompile(`/namespaces/[^"]+/workflows/` + id + `/[0-9a-f-]{36}`).FindString(p.dom)
	if found == "" {
		t.Fatalf("the page has no link to %s; see %s", id, p.file)
	}
	return found
}

// lacks checks that a page does not show some texts.
func (p page) lacks(t *testing.T, texts ...string) {
	t.Helper()
	if missing := p.missing(texts); len(missing) != len(texts) {
		t.Errorf("the page shows one of %q; see %s", texts, p.file)
	}
}

// shots is the directory for the screenshots.
func shots(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(Shots)
	if dir == "" {
		return t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// chromium is the browser of this machine.
func chromium(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("there is no %s on this machine: install one, for example with `apt-get install chromium`", strings.Join(names, ", "))
	return ""
}
