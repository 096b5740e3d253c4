// Package integration runs the whole system: real frontend and worker processes on a real Temporal server, Postgres
// and Redis, with a scripted model behind them.
package integration

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/openova-io/llm-gateway/tests/proof"
	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// world is the one stack that the tests share, one after the other. Every test leaves it running and clean.
type world struct {
	*stacktest.Stack
	zone    zone    // whose days the quota's windows are
	nightly service // that starts batches of its own
}

var shared *world

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// What runs in parallel waits for other processes most of the time, however few processors there are.
	if err := flag.Set("test.parallel", "32"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	w, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = w
	code := m.Run()
	if err := errors.Join(w.Close(), os.RemoveAll(w.zone.dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func start() (*world, error) {
	dir, err := os.MkdirTemp("", "llmgw-zone-")
	if err != nil {
		return nil, err
	}
	w := &world{zone: zone{dir}}
	if err := w.zone.set(0); err != nil {
		return nil, err
	}
	if w.nightly, err = newService(dir); err != nil {
		return nil, err
	}
	if err := os.Setenv("ZONEINFO", dir); err != nil {
		return nil, err
	}
	// Requests become visible as running workflows after a second instead of ten, so that a test can wait for it.
	settings := []string{
		"worker:worker.long_running_after=1s", "worker:worker.sweep_interval=5s", "worker:worker.lease_recheck=1s", "worker:worker.leak_age=10s",
		"frontend:http.drain_delay=200ms", "frontend:upstream.first_byte_timeout=1s", "frontend:upstream.idle_timeout=3s",
		"frontend:upstream.eject_for=200ms", "frontend:upstream.eject_max=1s", twin,
		"quota.timezone=" + zoneName, "batch.recheck=5s", w.nightly.setting(), onStandby, fifteen, nativeAtAnthropic, nativeAtOpenAI,
	}
	args := []string{"--frontends", "2"}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	w.Stack, err = stacktest.Start(context.Background(), args...)
	return w, err
}

// stack gives the shared stack to a test, and holds the promises against it when the test ends.
func stack(t *testing.T) *world {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		if err := shared.Faults(context.Background(), nil); err != nil {
			t.Error(err)
		}
		report, err := proof.Wait(context.Background(), shared.Stack, 2*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, mistake := range report.Mistakes() {
			t.Errorf("afterwards: %s", mistake)
		}
	})
	return shared
}

// do asks the control API.
func (w *world) do(t *testing.T, verb string) {
	t.Helper()
	if err := w.Do(context.Background(), verb); err != nil {
		t.Fatal(err)
	}
}

type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

func (a answer) id() string { return a.header.Get("Request-Id") }

// message is a small request to the Messages API.
func message(model, prompt string, stream bool) string {
	text, _ := json.Marshal(prompt)
	return fmt.Sprintf(`{"model":%q,"max_tokens":100,"messages":[{"role":"user","content":%s}],"stream":%v}`, model, text, stream)
}

// open sends a request and returns as soon as the header of the answer is here.
func (w *world) open(ctx context.Context, tier, path, body string, header ...string) (*http.Response, error) {
	return w.openAs(ctx, w.Tokens[tier], path, body, header...)
}

func (w *world) openAs(ctx context.Context, token, path, body string, header ...string) (*http.Response, error) {
	return send(ctx, http.MethodPost, w.Gateway+path, token, strings.NewReader(body), header...)
}

// send sends a request with a caller's token.
func send(ctx context.Context, method, url, token string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return (&http.Client{Timeout: time.Minute}).Do(req)
}

// ask sends a request and reads the whole answer.
func (w *world) ask(ctx context.Context, tier, path, body string, header ...string) answer {
	return w.askAs(ctx, w.Tokens[tier], path, body, header...)
}

func (w *world) askAs(ctx context.Context, token, path, body string, header ...string) answer {
	return whole(w.openAs(ctx, token, path, body, header...))
}

// whole reads an answer to its end.
func whole(res *http.Response, err error) answer {
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: string(text), err: err}
}

// mint makes a token of a new user of a tier.
func (w *world) mint(t *testing.T, tier string) string {
	t.Helper()
	token, err := w.NewUser(t.Context(), tier)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// get reads a JSON answer.
func (w *world) get(t *testing.T, tier, url string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.Tokens[tier])
	res, err := new(http.Client).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if into != nil {
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode
}

// db connects as one of the database's roles.
func (w *world) db(t *testing.T, role string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.PostgresURLs[role])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// temporal connects to the cluster as an operator would.
func (w *world) temporal(t *testing.T) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: w.TemporalAddress, Namespace: w.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// eventually waits for something that other processes bring about.
func eventually(t *testing.T, patience time.Duration, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// inLedger waits until a request has a ledger row, and returns its status.
func (w *world) inLedger(t *testing.T, db *pgx.Conn, id string) string {
	t.Helper()
	var status string
	eventually(t, time.Minute, "request "+id+" in the ledger", func() bool {
		return db.QueryRow(t.Context(), `SELECT status FROM ledger WHERE id = $1`, id).Scan(&status) == nil
	})
	return status
}

// logs is everything the processes wrote.
func (w *world) logs(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.Dir, "log", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no logs in %s: %v", w.Dir, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
