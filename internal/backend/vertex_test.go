package backend

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// fakeGoogle is a token service and, behind its bearer token, a Vertex AI.
type fakeGoogle struct {
	*httptest.Server
	tokens atomic.Int32 // that were asked for
}

// newTestVertex makes a backend of kind vertex before the handler, with a service account as its default credential.
func newTestVertex(t *testing.T, h http.HandlerFunc) (Backend, *fakeGoogle) {
	t.Helper()
	g := &fakeGoogle{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		g.tokens.Add(1)
		if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || strings.Count(r.FormValue("assertion"), ".") != 2 {
			t.Errorf("the token is asked for with %v", r.Form)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"ya29.test","token_type":"Bearer","expires_in":3600}`)
	})
	mux.HandleFunc("/base/v1/projects/", func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header["Authorization"]; len(got) != 1 || got[0] != "Bearer ya29.test" {
			t.Errorf("authorized with %q", got)
		}
		h(w, r)
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "gateway@p.iam.gserviceaccount.com", "private_key_id": "k", "token_uri": g.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(file, account, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	transport := NewTransport(config.Default().Upstream)
	t.Cleanup(transport.CloseIdleConnections)
	be, err := New(config.Backend{Name: "v", Kind: config.KindVertex, Project: "p", Location: "europe-west1", BaseURL: g.URL + "/base/"}, Environment{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return be, g
}

func TestVertexIsAskedInItsOwnWay(t *testing.T) {
	const at = "/base/v1/projects/p/locations/europe-west1/"
	const sent = `{"model":"M","messages":[{"content":"hi"}],"anthropic_version":"x","stream":true,"odd" : [1.50]}`
	const rest = `"messages":[{"content":"hi"}],"stream":true,"odd" : [1.50]}`
	for name, c := range map[string]struct {
		call       Call
		path, body string
		beta       string
	}{
		"Claude, streamed": {
			Call{Endpoint: gateway.Messages, Stream: true, Model: "claude-sonnet-4-5@20250929"},
			at + "publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict", `{"anthropic_version":"vertex-2023-10-16",` + rest, "a, b",
		},
		"Claude, whole": {
			Call{Endpoint: gateway.Messages, Model: "claude-x"},
			at + "publishers/anthropic/models/claude-x:rawPredict", `{"anthropic_version":"vertex-2023-10-16",` + rest, "a, b",
		},
		"a model that tries to leave its place": {
			Call{Endpoint: gateway.Messages, Model: "../../x?y#z%2f"},
			at + "publishers/anthropic/models/..%2F..%2Fx%3Fy%23z%252f:rawPredict", `{"anthropic_version":"vertex-2023-10-16",` + rest, "a, b",
		},
		"Claude, counted": {
			Call{Endpoint: gateway.CountTokens, Model: "M"},
			at + "publishers/anthropic/models/count-tokens:rawPredict", `{"anthropic_version":"vertex-2023-10-16","model":"M",` + rest, "a, b",
		},
		"Gemini": {
			Call{Endpoint: gateway.Chat, Stream: true, Model: "gemini-3-pro"},
			at + "endpoints/openapi/chat/completions", `{"model":"google/gemini-3-pro","messages":[{"content":"hi"}],"anthropic_version":"x","stream":true,"odd" : [1.50]}`, "",
		},
		"Gemini with its publisher": {Call{Endpoint: gateway.Chat, Model: "google/gemini-3-pro"}, at + "endpoints/openapi/chat/completions", sent, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got *http.Request
			var gotBody []byte
			be, _ := newTestVertex(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.Clone(context.Background())
				gotBody, _ = io.ReadAll(r.Body)
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "data: x\n\n")
			})
			var pool Pool
			call := c.call
			call.ID, call.Query, call.Body = "id-1", "beta=true", body(t, &pool, sent)
			call.Header = http.Header{"Anthropic-Beta": {"a, b"}, "Authorization": {"Bearer user"}, "X-Api-Key": {"user"}}
			res, err := be.Send(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if answer, err := io.ReadAll(res.Body); string(answer) != "data: x\n\n" || err != nil {
				t.Errorf("answer %q, %v", answer, err)
			}
			if got.URL.EscapedPath() != c.path || string(gotBody) != c.body || got.URL.RawQuery != "" || got.ContentLength != int64(len(c.body)) {
				t.Errorf("asked %s\nwith %s\nwant %s\nwith %s", got.URL, gotBody, c.path, c.body)
			}
			if got.Header.Get("X-Gateway-Request-Id") != "id-1" || got.Header.Get("X-Api-Key") != "" || got.Header.Get("Anthropic-Beta") != c.beta {
				t.Errorf("header %v", got.Header)
			}
		})
	}
}

func TestALocationHasItsHost(t *testing.T) {
	for location, want := range map[string]string{
		"europe-west1": "europe-west1-aiplatform.googleapis.com", "global": "aiplatform.googleapis.com",
		"us": "aiplatform.us.rep.googleapis.com", "eu": "aiplatform.eu.rep.googleapis.com",
	} {
		if got := vertexHost(location); got != want {
			t.Errorf("%s: %s, want %s", location, got, want)
		}
	}
}

func TestGooglesTokenIsAskedForOnceAndUsedByMany(t *testing.T) {
	be, g := newTestVertex(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	large := `{"messages":"` + strings.Repeat("x", 1<<20) + `"}`
	var pool Pool
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			res, err := be.Send(t.Context(), Call{Endpoint: gateway.Messages, Model: "m", Body: body(t, &pool, large)})
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if want := `{"anthropic_version":"vertex-2023-10-16",` + large[1:]; string(got) != want || err != nil {
				t.Errorf("sent %d bytes, want %d, %v", len(got), len(want), err)
			}
		})
	}
	all.Wait()
	if n := g.tokens.Load(); n != 1 {
		t.Errorf("the token was asked for %d times", n)
	}
}

func TestWithoutATokenNothingIsSentToVertex(t *testing.T) {
	be, g := newTestVertex(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	g.Close()
	var pool Pool
	c := Call{Endpoint: gateway.Messages, Model: "m", Body: body(t, &pool, `{}`)}
	if res, err := be.Send(t.Context(), c); err == nil {
		res.Body.Close()
		t.Error("it was sent")
	}
	if held := c.Body.held.Load(); held != 0 {
		t.Errorf("%d holders of the body", held)
	}
}

func TestCredentialsThatComeLaterAreFound(t *testing.T) {
	be, g := newTestVertex(t, func(http.ResponseWriter, *http.Request) {})
	present := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS")
	var pool Pool
	for _, file := range []string{present + ".missing", present} {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		res, err := be.Send(t.Context(), Call{Endpoint: gateway.Messages, Model: "m", Body: body(t, &pool, `{}`)})
		if (err == nil) != (file == present) {
			t.Errorf("with %s: %v", file, err)
		}
		if err == nil {
			res.Body.Close()
		}
	}
	if n := g.tokens.Load(); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

func TestGooglesErrorsAreToldInTheDialectOfTheCall(t *testing.T) {
	const spent = `{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}`
	for name, c := range map[string]struct {
		endpoint gateway.Endpoint
		status   int
		body     string
		want     string
	}{
		"to Claude's client":        {gateway.Messages, 429, spent, `{"type":"error","error":{"type":"rate_limit_error","message":"Resource exhausted"},"request_id":"g-1"}`},
		"a list of one":             {gateway.Messages, 403, `[{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}]`, `{"type":"error","error":{"type":"permission_error","message":"denied"},"request_id":"g-1"}`},
		"to Gemini's client":        {gateway.Chat, 400, `[{"error":{"code":400,"message":"bad \"x\"","status":"INVALID_ARGUMENT"}}]`, `{"error":{"message":"bad \"x\"","type":"invalid_request_error","param":null,"code":null}}`},
		"a limit, to Gemini's":      {gateway.Chat, 429, spent, `{"error":{"message":"Resource exhausted","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`},
		"Anthropic's own":           {gateway.Messages, 400, `{"type":"error", "error":{"type":"invalid_request_error","message":"prompt is too long: 2 tokens > 1 maximum"},"x":1}`, `{"type":"error", "error":{"type":"invalid_request_error","message":"prompt is too long: 2 tokens > 1 maximum"},"x":1}`},
		"OpenAI's own":              {gateway.Chat, 400, `{"error":{"message":"m","type":"t"},"x":1}`, `{"error":{"message":"m","type":"t"},"x":1}`},
		"a page of a load balancer": {gateway.Messages, 502, "<html>\n", `{"type":"error","error":{"type":"api_error","message":"\u003chtml\u003e"},"request_id":"g-1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			be, _ := newTestVertex(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Request-Id", "g-1")
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			var pool Pool
			res, err := be.Send(t.Context(), Call{Endpoint: c.endpoint, Model: "m", Body: body(t, &pool, `{}`)})
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if string(got) != c.want || err != nil || res.StatusCode != c.status || res.Header.Get("Retry-After") != "3" {
				t.Errorf("%d %s (%v)\nwant %s", res.StatusCode, got, err, c.want)
			}
		})
	}
}

func TestAnErrorThatIsCutStaysCut(t *testing.T) {
	cut := io.MultiReader(strings.NewReader(`{"error":{"mess`), &failing{})
	res := &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(cut)}
	tellFailure(res, gateway.Anthropic, "")
	if got, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) || len(bytes.TrimSpace(got)) > 0 {
		t.Errorf("%q, %v", got, err)
	}
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestVertexHasNoOtherEndpoints(t *testing.T) {
	be, _ := newTestVertex(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	var pool Pool
	for _, endpoint := range []gateway.Endpoint{gateway.Responses, gateway.Embeddings} {
		c := Call{Endpoint: endpoint, Model: "m", Body: body(t, &pool, `{}`)}
		res, err := be.Send(t.Context(), c)
		if err != nil || res.StatusCode != http.StatusNotFound || c.Body.held.Load() != 0 {
			t.Errorf("%s: %v, %v", endpoint, res, err)
		}
	}
}

func TestAVertexStreamThatIsCutIsAReadError(t *testing.T) {
	be, _ := newTestVertex(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: message_start\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	var pool Pool
	res, err := be.Send(t.Context(), Call{Endpoint: gateway.Messages, Stream: true, Model: "m", Body: body(t, &pool, `{}`)})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("it ended cleanly")
	}
}

func TestGooglesOwnEventIsLeftOutHoweverTheStreamIsCut(t *testing.T) {
	const rest = "event: message_start\ndata: {}\n\nevent: vertex_event\n\n"
	for whole, want := range map[string]string{
		"event: vertex_event\ndata: {\"type\":\"vertex_event\"}\n\n" + rest: rest,
		rest: rest, "": "", "event: ver": "event: ver", "event: vertex_event\ndata: {": "event: vertex_event\ndata: {",
	} {
		for at := range len(whole) + 1 {
			source := io.MultiReader(strings.NewReader(whole[:at]), strings.NewReader(whole[at:]))
			got, err := io.ReadAll(&ownEvent{ReadCloser: io.NopCloser(source)})
			if err != nil || string(got) != want {
				t.Fatalf("%q cut at %d: %q %v", whole, at, got, err)
			}
		}
		if got, err := io.ReadAll(iotest.OneByteReader(&ownEvent{ReadCloser: io.NopCloser(iotest.OneByteReader(strings.NewReader(whole)))})); err != nil || string(got) != want {
			t.Fatalf("%q byte by byte: %q %v", whole, got, err)
		}
	}
}
