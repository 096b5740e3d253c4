package conformance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// client is how a dialect puts a question and reads the answer.
type client interface {
	path() string
	body(model string, q question) string
	read(text string, a *told)
	readStream(text string, a *told)
}

func clientOf(dialect string) client {
	if dialect == anthropic {
		return messagesClient{}
	}
	return chatClient{}
}

// row is one backend asked in one dialect by a user of its own.
type row struct {
	backend
	client string // its dialect
	token  string
}

// newRow mints a user of the backend's tier.
func newRow(t *testing.T, b backend, client string) row {
	t.Helper()
	now := time.Now()
	id := uuid.NewString()
	var minted struct {
		Token string `json:"access_token"`
	}
	claims := map[string]any{
		"iss": shared.Issuer, "sub": id, "aud": "llm-gateway", "preferred_username": "test-" + id[:8], "tier": b.name, "roles": []string{},
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if err := shared.Mint(t.Context(), claims, &minted); err != nil {
		t.Fatal(err)
	}
	return row{backend: b, client: client, token: minted.Token}
}

// exchange is one question, its answer, and what the witnesses say of them.
type exchange struct {
	row
	question
	sent   string // the client's body
	told   told
	wire   []stacktest.ModelRequest // what reached the backend, attempt by attempt
	ledger entry
}

// ask sends a question and gathers everything that is known of it.
func (r row) ask(t *testing.T, q question) *exchange {
	t.Helper()
	c := clientOf(r.client)
	x := &exchange{row: r, question: q, sent: c.body(r.model, q)}
	contentType, err := x.send(t, c.path())
	if strings.HasPrefix(contentType, "text/event-stream") {
		c.readStream(x.told.body, &x.told)
	} else {
		c.read(x.told.body, &x.told)
	}
	if err != nil {
		x.told.whole = false // a connection that breaks tells the client too
	}
	x.print(t)
	if x.told.broken != nil {
		t.Errorf("the answer is not in the form of the dialect: %v\n%s", x.told.broken, x.told.body)
	}
	return x
}

// post sends a body to a path whose answers no client of ours reads.
func (r row) post(t *testing.T, path, body string) *exchange {
	t.Helper()
	x := &exchange{row: r, sent: body}
	if _, err := x.send(t, path); err != nil {
		t.Fatal(err)
	}
	x.print(t)
	return x
}

// send sends the body and asks the witnesses. The error is of reading the answer.
func (x *exchange) send(t *testing.T, path string) (contentType string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, shared.Gateway+path, strings.NewReader(x.sent))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+x.token)
	req.Header.Set("X-Api-Key", x.token)
	req.Header.Set("Content-Type", "application/json")
	if x.client == anthropic {
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	if x.betas != "" {
		req.Header.Set("Anthropic-Beta", x.betas)
	}
	res, err := new(http.Client).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, broken := io.ReadAll(res.Body)
	x.told.status, x.told.id, x.told.retryAfter = res.StatusCode, res.Header.Get("Request-Id"), res.Header.Get("Retry-After")
	x.told.body = string(text)
	if x.wire, err = shared.MountRequests(t.Context(), x.mount, x.told.id); err != nil {
		t.Fatal(err)
	}
	x.ledger = await(t, x.told.id)
	return res.Header.Get("Content-Type"), broken
}

// print says what was sent and what came back, in one line.
func (x *exchange) print(t *testing.T) {
	var out strings.Builder
	fmt.Fprintf(&out, "%-9s %-9s %-40s", x.name, x.client, t.Name()[strings.LastIndexByte(t.Name(), '/')+1:])
	for _, sent := range x.wire {
		kind, _, _ := strings.Cut(sent.Headers.Get("Authorization"), " ")
		fmt.Fprintf(&out, " | sent %s %s %s %dB %s, told %d", sent.Method, sent.Path, kind, sent.Size, x.routed, sent.Answer.Status)
	}
	if len(x.wire) == 0 {
		out.WriteString(" | sent nothing")
	}
	a := x.told
	fmt.Fprintf(&out, " | came back %d", a.status)
	if a.events > 0 {
		fmt.Fprintf(&out, " events=%d", a.events)
	}
	if len(a.calls) > 0 {
		fmt.Fprintf(&out, " calls=%d", len(a.calls))
	}
	if a.errorKind != "" {
		fmt.Fprintf(&out, " error=%s %q", a.errorKind, a.errorText)
	}
	fmt.Fprintf(&out, " stop=%s usage=%d+%d+%d/%d", a.stop, a.usage.input, a.usage.cacheRead, a.usage.cacheWrite, a.usage.output)
	if l := x.ledger; l.Status != "" {
		fmt.Fprintf(&out, " | ledger %s attempts=%d %s", l.Status, l.Attempts, l.Error)
	}
	fmt.Println(out.String())
}
