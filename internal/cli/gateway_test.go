package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// fakeGateway answers as the gateway does, from what a test put into it.
type fakeGateway struct {
	*httptest.Server
	token string

	mu       sync.Mutex
	requests []string          // what came, in words
	progress []json.RawMessage // what the next looks at a batch see; the last stays
	pages    []api.BatchList   // of the list of batches
	results  string
	pass     int // so many calls are answered whatever is said below,
	fail     int // so many are refused,
	refusal  func(w http.ResponseWriter)
	lose     int               // so many answers are lost, though the call was carried out,
	cut      []int             // the next results break off after so many bytes
	keys     map[string]string // the batch of each idempotency key
	names    map[string]string // of keys that the command made up
	says     map[string]string // answers of other paths
	issuer   string            // that it names
}

func newFakeGateway() *fakeGateway {
	g := &fakeGateway{token: "good", keys: map[string]string{}, names: map[string]string{}, says: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages/batches", g.createMessageBatch)
	mux.HandleFunc("DELETE /v1/messages/batches/{id}", func(w http.ResponseWriter, r *http.Request) {
		write(w, anthropic.MessageBatchDeleted(r.PathValue("id")))
	})
	mux.HandleFunc("POST /v1/files", g.createFile)
	mux.HandleFunc("DELETE /v1/files/{id}", func(w http.ResponseWriter, r *http.Request) { write(w, openai.FileDeleted(r.PathValue("id"))) })
	mux.HandleFunc("POST /v1/batches", g.createBatch)
	mux.HandleFunc("GET /batches", g.list)
	mux.HandleFunc("GET /batches/{id}", g.look)
	mux.HandleFunc("POST /batches/{id}/cancel", g.look)
	mux.HandleFunc("GET /batches/{id}/results", g.sendResults)
	mux.HandleFunc("GET /", g.say)
	open := http.NewServeMux()
	open.Handle("/", g.guard(mux))
	open.HandleFunc("GET /.well-known/oauth-protected-resource", g.resource)
	g.Server = httptest.NewServer(open)
	return g
}

// resource names the identity provider.
func (g *fakeGateway) resource(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = json.NewEncoder(w).Encode(api.ProtectedResource{
		Resource: g.URL, AuthorizationServers: []string{g.issuer}, ScopesSupported: []string{"openid", "offline_access"}, Client: "llmgw",
	})
}

// say answers what a test has said for the path.
func (g *fakeGateway) say(w http.ResponseWriter, r *http.Request) {
	answer, ok := g.says[r.URL.Path]
	if !ok {
		g.error(w, r, &gateway.Error{Code: gateway.Missing, Message: "There is no such thing."})
		return
	}
	write(w, []byte(answer))
}

// guard records a call, and refuses or loses it if the test wants that.
func (g *fakeGateway) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		w.Header().Set("Request-Id", "req_0001")
		g.note(r)
		switch {
		case r.Header.Get("Authorization") != "Bearer "+g.token && !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer access-"):
			g.error(w, r, &gateway.Error{Code: gateway.Unauthenticated, Message: "The token is not valid."})
			return
		case g.pass > 0:
			g.pass--
		case g.fail > 0:
			g.fail--
			g.refusal(w)
			return
		case g.lose > 0:
			g.lose--
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// note writes down a call, but for its body.
func (g *fakeGateway) note(r *http.Request) {
	line := r.Method + " " + r.URL.RequestURI()
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		if uuid.Validate(key) == nil {
			if g.names[key] == "" {
				g.names[key] = fmt.Sprintf("(made up %d)", len(g.names)+1)
			}
			key = g.names[key]
		}
		line += "\n  Idempotency-Key: " + key
	}
	if r.Header.Get("Expect") == "100-continue" {
		line += "\n  asks before it sends"
	}
	if r.ContentLength < 0 {
		line += "\n  of unknown length"
	}
	g.requests = append(g.requests, line)
}

func (g *fakeGateway) noteBody(format string, args ...any) {
	g.requests[len(g.requests)-1] += "\n  " + strings.TrimSpace(fmt.Sprintf(format, args...))
}

func (*fakeGateway) error(w http.ResponseWriter, r *http.Request, e *gateway.Error) {
	status, body := anthropic.ErrorBody(e, "req_0001")
	if strings.HasPrefix(r.URL.Path, "/v1/files") || strings.HasPrefix(r.URL.Path, "/v1/batches") {
		status, body = openai.ErrorBody(e)
	}
	w.WriteHeader(status)
	write(w, body)
}

func write(w io.Writer, body []byte) { _, _ = w.Write(body) }

// numbered is the n-th id.
func numbered(n int) uuid.UUID { return uuid.UUID{14: byte(n >> 8), 15: byte(n)} }

// once is the batch of the call's key, as the dialect's ids have it.
func (g *fakeGateway) once(r *http.Request, endpoint gateway.Endpoint) *gateway.Batch {
	key := r.Header.Get("Idempotency-Key")
	n, ok := g.keys[key]
	if !ok {
		n = strconv.Itoa(len(g.keys) + 1)
		g.keys[key] = n
	}
	id, _ := strconv.Atoi(n)
	return &gateway.Batch{ID: numbered(id), Endpoint: endpoint, State: gateway.BatchValidating, CreatedAt: start, ExpiresAt: start.Add(24 * time.Hour)}
}

func (g *fakeGateway) createMessageBatch(w http.ResponseWriter, r *http.Request) {
	var items []string
	_, err := anthropic.ReadBatch(r.Body, anthropic.BatchLimits{Items: 100_000, ItemBytes: 1 << 20}, func(_ int, id string, params []byte) error {
		items = append(items, id+" "+string(params))
		return nil
	})
	if err != nil {
		g.error(w, r, gateway.AsError(err))
		return
	}
	g.noteBody("%s", strings.Join(items, "\n  "))
	write(w, anthropic.MessageBatch(g.once(r, gateway.Messages), ""))
}

func (g *fakeGateway) createFile(w http.ResponseWriter, r *http.Request) {
	form, err := r.MultipartReader()
	if err != nil {
		g.error(w, r, &gateway.Error{Code: gateway.Invalid, Message: err.Error()})
		return
	}
	for part, err := form.NextPart(); err == nil; part, err = form.NextPart() {
		content, _ := io.ReadAll(part)
		g.noteBody("%s %s:\n%s", part.FormName(), part.FileName(), content)
	}
	write(w, openai.FileObject(&gateway.File{ID: numbered(0xf1), Purpose: gateway.FileForBatch, CreatedAt: start}))
}

func (g *fakeGateway) createBatch(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.noteBody("%s", body)
	request, err := openai.ReadBatchRequest(body)
	if err != nil {
		g.error(w, r, gateway.AsError(err))
		return
	}
	write(w, openai.Batch(g.once(r, request.Endpoint)))
}

func (g *fakeGateway) look(w http.ResponseWriter, r *http.Request) {
	if len(g.progress) == 0 {
		g.error(w, r, &gateway.Error{Code: gateway.Missing, Message: "There is no such batch."})
		return
	}
	b := api.Batch{
		ID: r.PathValue("id"), Dialect: "anthropic", Endpoint: "/v1/messages", State: "running",
		WorkflowID: r.PathValue("id"), CreatedAt: start.Add(-time.Hour), ExpiresAt: start.Add(23 * time.Hour),
	}
	if err := json.Unmarshal(g.progress[0], &b); err != nil {
		panic(err)
	}
	if len(g.progress) > 1 {
		g.progress = g.progress[1:]
	}
	_ = json.NewEncoder(w).Encode(b)
}

func (g *fakeGateway) list(w http.ResponseWriter, r *http.Request) {
	after := 0
	for i, page := range g.pages {
		if n := len(page.Data); n > 0 && page.Data[n-1].ID == r.URL.Query().Get("after") {
			after = i + 1
		}
	}
	_ = json.NewEncoder(w).Encode(g.pages[after])
}

func (g *fakeGateway) sendResults(w http.ResponseWriter, _ *http.Request) {
	if len(g.cut) > 0 {
		n := g.cut[0]
		g.cut = g.cut[1:]
		write(w, []byte(g.results[:n]))
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	write(w, []byte(g.results))
}

// refuse makes the next n calls fail with a status, as the gateway or something before it answers.
func (g *fakeGateway) refuse(n, status int, header map[string]string) {
	g.fail = n
	g.refusal = func(w http.ResponseWriter) {
		for _, name := range slices.Sorted(maps.Keys(header)) {
			w.Header().Set(name, header[name])
		}
		w.WriteHeader(status)
		if status != http.StatusBadGateway && status/100 != 3 {
			write(w, []byte(`{"type":"error","error":{"type":"api_error","message":"The gateway says no."}}`))
		}
	}
}

var start = time.Date(2026, 11, 23, 20, 47, 48, 0, time.UTC)
