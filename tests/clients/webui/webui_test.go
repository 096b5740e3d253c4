// Package webui_test looks at the Temporal Web UI with a browser, as an operator does who searches for a request.
package webui_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// Shots names the variable with the directory for the screenshots. Without it they are thrown away.
const Shots = "SCREENSHOTS"

// pagePatience is how long a page may take to show what it should.
const pagePatience = time.Minute

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
	ui := newBrowser(t, stack.TemporalUI+"/namespaces/"+stack.Namespace+"/workflows")

	completed := prompt(t, stack, "pro", "good morning")
	failed := prompt(t, stack, "pro", "[x-mock: status=400,message=prompt is too long: 7 tokens > 6 maximum]")
	erins := prompt(t, stack, "enterprise", "good morning")

	waiting := submit(t, stack, "free", 25)
	t.Run("and what a batch waits for", func(t *testing.T) {
		list := ui.search(t, "waiting", `RequestStatus="waiting"`, waiting)
		ui.open(t, "batch", stack.TemporalUI+list.link(t, waiting)+"/user-metadata",
			"fred (free) · batch of 25 · /v1/messages", "10 of 25", "for the quota of fred, until ")
	})
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

// submit makes a batch of n prompts as a demo user.
func submit(t *testing.T, stack *witness.Stack, tier string, n int) (id string) {
	t.Helper()
	var items []string
	for i := range n {
		items = append(items, fmt.Sprintf(`{"custom_id":"%d","params":{"model":"internal","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}}`, i))
	}
	body := strings.NewReader(`{"requests":[` + strings.Join(items, ",") + `]}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, stack.Gateway+"/v1/messages/batches", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+stack.Tokens[tier])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var made struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || made.ID == "" {
		t.Fatalf("no batch: %s, %v", res.Status, err)
	}
	return made.ID
}

// browser is a Chromium without a window.
type browser struct {
	ctx         context.Context //nolint:containedctx // the library keeps the browser in it
	base, shots string
}

// newBrowser starts a browser that ends with the test.
func newBrowser(t *testing.T, base string) browser {
	t.Helper()
	// The library's own download of a browser is not wanted.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.WindowSize(1600, 1000))
	allocator, release := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(release)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	// The browser lives as long as the context of what is first asked of it.
	if _, err := chromedp.Run(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return browser{ctx: ctx, base: base, shots: shots(t)}
}

// page is what a browser made of an address.
type page struct{ dom, file string }

// search opens the list of workflows with a filter and waits until it shows some texts.
func (b browser) search(t *testing.T, name, query string, wants ...string) page {
	t.Helper()
	return b.open(t, name, b.base+"?query="+url.QueryEscape(query), wants...)
}

// open loads an address until it shows some texts, and keeps the picture of it. A page that does not show them is loaded
// again now and then: the list of workflows lags behind by a moment.
func (b browser) open(t *testing.T, name, address string, wants ...string) page {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pagePatience)
	defer cancel()
	p := page{file: filepath.Join(b.shots, name+".png")}
	missing := wants
	for look := 0; len(missing) > 0; look++ {
		if look%10 == 0 {
			if _, err := chromedp.Run(ctx, chromedp.Navigate(address)); err != nil {
				t.Fatalf("%s does not show %q: %v; see %s", address, missing, err, p.file)
			}
		}
		time.Sleep(500 * time.Millisecond)
		p.dom = b.read(ctx, t)
		missing = p.missing(wants)
		b.keep(ctx, t, p.file)
	}
	return p
}

// read is the text of the page as it is now.
func (b browser) read(ctx context.Context, t *testing.T) string {
	t.Helper()
	dom, err := chromedp.Run(ctx, chromedp.OuterHTML("html"))
	if err != nil {
		t.Fatal(err)
	}
	return html.UnescapeString(dom) + framed(t, dom)
}

// keep keeps the picture of the page as it is now.
func (b browser) keep(ctx context.Context, t *testing.T, file string) {
	t.Helper()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(file, png, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
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
