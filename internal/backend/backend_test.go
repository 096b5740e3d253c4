package backend

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func body(t *testing.T, p *Pool, text string) *Body {
	t.Helper()
	b, err := p.Read(strings.NewReader(text), int64(len(text)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheRequestArrivesAsTheClientSentItButForTheCredential(t *testing.T) {
	var got *http.Request
	var gotBody []byte
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		gotBody, _ = io.ReadAll(r.Body)
		w.Header().Set("Request-Id", "req_upstream")
		w.Header().Set("Set-Cookie", "operator=1")
		w.Header().Set("Anthropic-Ratelimit-Requests-Remaining", "7")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer upstream.Close()
	transport := NewTransport(config.Default().Upstream)
	defer transport.CloseIdleConnections()
	be, err := New(config.Backend{Name: "a", BaseURL: upstream.URL + "/base/", Auth: config.Auth{Mode: config.AuthOperator}},
		Environment{OperatorToken: "operator", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	var pool Pool
	res, err := be.Send(context.Background(), Call{
		ID: "id-1", Endpoint: gateway.Messages, Model: "m", Query: "beta=true", Body: body(t, &pool, `{"model":"m"}`),
		Header: http.Header{
			"Authorization": {"Bearer user"}, "X-Api-Key": {"user"}, "Cookie": {"c"}, "X-Forwarded-For": {"10.0.0.1"}, "Connection": {"close"},
			"Anthropic-Beta": {"a,b", "c"}, "Anthropic-Version": {"2026-10-21"}, "X-Unknown": {"kept"}, "Accept-Encoding": {"gzip, br"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got.URL.Path != "/base/v1/messages" || got.URL.RawQuery != "beta=true" || string(gotBody) != `{"model":"m"}` || got.ContentLength != 13 {
		t.Errorf("sent %s?%s %q", got.URL.Path, got.URL.RawQuery, gotBody)
	}
	want := map[string]string{
		"Authorization": "Bearer operator", "Anthropic-Beta": "a,b|c", "Anthropic-Version": "2026-10-21", "X-Unknown": "kept",
		"X-Gateway-Request-Id": "id-1", "Accept-Encoding": "identity", "X-Api-Key": "", "Cookie": "", "X-Forwarded-For": "",
	}
	for name, value := range want {
		if have := strings.Join(got.Header[name], "|"); have != value {
			t.Errorf("%s: %q, want %q", name, have, value)
		}
	}
	answer := http.Header{}
	CopyResponseHeader(answer, res.Header)
	for name, value := range map[string]string{
		"Retry-After": "3", "X-Gateway-Upstream-Request-Id": "req_upstream", "Set-Cookie": "", "Anthropic-Ratelimit-Requests-Remaining": "", "Request-Id": "",
	} {
		if have := answer.Get(name); have != value {
			t.Errorf("answer %s: %q, want %q", name, have, value)
		}
	}
}

func TestABufferGoesBackOnlyWhenNobodyHoldsIt(t *testing.T) {
	var pool Pool
	b := body(t, &pool, "hello")
	r := b.Hold().reader()
	b.Release()
	if got, _ := io.ReadAll(r); string(got) != "hello" {
		t.Errorf("read %q after the handler let go", got)
	}
	if b.held.Load() != 1 {
		t.Errorf("%d holders", b.held.Load())
	}
	_ = r.Close()
	_ = r.Close()
	if b.held.Load() != 0 {
		t.Errorf("%d holders after two closes", b.held.Load())
	}
}

func TestReadingABody(t *testing.T) {
	var pool Pool
	if b, err := pool.Read(strings.NewReader("abc"), 10, 100); err == nil {
		t.Errorf("a body cut short was accepted: %q", b.Bytes())
	}
	b, err := pool.Read(bytes.NewReader(make([]byte, 200)), -1, 100)
	if err != nil || len(b.Bytes()) != 101 {
		t.Errorf("read %d bytes of a chunked body over its limit of 100, %v", len(b.Bytes()), err)
	}
}

func TestATokenFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := NewCredential(config.Auth{Mode: config.AuthBearer, TokenFile: path}, ""); err == nil {
		t.Error("a missing token file was accepted")
	}
	now := time.Now()
	write("one\n", now)
	f := &tokenFile{path: path}
	for i, step := range []struct {
		text string
		want string
	}{{"", "Bearer one"}, {"two", "Bearer two"}, {" ", "Bearer two"}, {"three", "Bearer three"}} {
		at := now.Add(time.Duration(i) * 2 * recheck)
		if step.text != "" {
			write(step.text, at)
		}
		if got, err := f.read(at); got != step.want || err != nil {
			t.Errorf("step %d: %q, %v; want %q", i, got, err, step.want)
		}
	}
}

func TestTheOperatorsTokenComesFromTheEnvironmentOrAFile(t *testing.T) {
	c, err := NewCredential(config.Auth{Mode: config.AuthOperator}, "tok")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	if err := c.Authorize(h, nil); err != nil || h.Get("Authorization") != "Bearer tok" {
		t.Errorf("%v %v", h, err)
	}
	if _, err := NewCredential(config.Auth{Mode: config.AuthOperator}, ""); err == nil {
		t.Error("no token at all was accepted")
	}
}
