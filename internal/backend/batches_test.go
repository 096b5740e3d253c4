package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// batchService is a service that was told what to answer, and remembers what it was asked.
type batchService struct {
	Batches
	url     string
	answers map[string]http.HandlerFunc // by "GET /v1/batches/b"

	mu    sync.Mutex
	asked []asked
}

type asked struct {
	call   string
	length int64
	header http.Header
	body   string
}

// newBatchService starts a service and the backend that speaks with it, whose configuration change may alter.
func newBatchService(t *testing.T, answers map[string]http.HandlerFunc, change func(*config.Backend)) *batchService {
	t.Helper()
	s := &batchService{answers: answers}
	upstream := httptest.NewServer(s)
	t.Cleanup(upstream.Close)
	transport := NewTransport(config.Default().Upstream)
	t.Cleanup(transport.CloseIdleConnections)
	cfg := config.Backend{Name: "b1", BaseURL: upstream.URL + "/base/", Auth: config.Auth{Mode: config.AuthOperator}}
	if change != nil {
		change(&cfg)
	}
	be, err := New(cfg, Environment{OperatorToken: "operator", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.Batches = upstream.URL, be.(Batches)
	return s
}

func (s *batchService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	call := r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/base")
	s.mu.Lock()
	s.asked = append(s.asked, asked{call, r.ContentLength, r.Header.Clone(), string(body)})
	s.mu.Unlock()
	answer := s.answers[call]
	if answer == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, r)
}

// calls are the requests that came.
func (s *batchService) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, a := range s.asked {
		list = append(list, a.call)
	}
	return list
}

// results reads the results of the batch "b".
func (s *batchService) results(at gateway.Endpoint) (results []BatchResult, err error) {
	err = s.BatchResults(context.Background(), at, "b", func(r BatchResult) error {
		results = append(results, r)
		return nil
	})
	return results, err
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func refuses(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// sendsTo redirects, with no body to be taken for an answer.
func sendsTo(url string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", url)
		w.WriteHeader(http.StatusFound)
	}
}

// breaksOff promises more than it sends.
func breaksOff(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(text)+1))
		_, _ = io.WriteString(w, text)
	}
}

// endsWithItsConnection sends without saying how much it will be.
func endsWithItsConnection(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+text)
		_ = conn.Close()
	}
}

// batchWire is what the two dialects say each in its own way.
type batchWire struct {
	at      gateway.Endpoint
	path    string
	ended   string // the object of a batch that has ended
	results string // the call that reads the results
	line    string // of the item %s
}

func batchWires() map[string]batchWire {
	return map[string]batchWire{
		"messages": {
			gateway.Messages, "/v1/messages/batches", `{"id":"b","processing_status":"ended"}`, "GET /v1/messages/batches/b/results",
			`{"custom_id":"%s","result":{"type":"succeeded","message":{"id":"msg"}}}`,
		},
		"files": {
			gateway.Chat, "/v1/batches", `{"id":"b","status":"completed","output_file_id":"file-o"}`, "GET /v1/files/file-o/content",
			`{"id":"r","custom_id":"%s","response":{"status_code":200,"request_id":"q","body":{"id":"chat"}},"error":null}`,
		},
	}
}

// answering is a service with the results of the batch "b".
func (w batchWire) answering(t *testing.T, results http.HandlerFunc) *batchService {
	t.Helper()
	return newBatchService(t, map[string]http.HandlerFunc{"GET " + w.path + "/b": says(w.ended), w.results: results}, nil)
}

func TestHowFarABatchHasCome(t *testing.T) {
	for status, want := range map[string]bool{"in_progress": false, "canceling": false, "ended": true} {
		s := newBatchService(t, map[string]http.HandlerFunc{"GET /v1/messages/batches/b": says(`{"processing_status":"` + status + `"}`)}, nil)
		if got, err := s.BatchEnded(context.Background(), gateway.Messages, "b"); got != want || err != nil {
			t.Errorf("messages, %s: %v, %v", status, got, err)
		}
	}
	for status, want := range map[string]bool{
		"validating": false, "in_progress": false, "finalizing": false, "cancelling": false,
		"completed": true, "failed": true, "expired": true, "cancelled": true,
	} {
		s := newBatchService(t, map[string]http.HandlerFunc{"GET /v1/batches/b": says(`{"status":"` + status + `"}`)}, nil)
		if got, err := s.BatchEnded(context.Background(), gateway.Embeddings, "b"); got != want || err != nil {
			t.Errorf("files, %s: %v, %v", status, got, err)
		}
	}
}

func TestAnAnswerThatTellsOfNoBatchIsAnError(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a page":        says("<html>"),
		"another thing": says(`{"id":"b"}`),
		"half":          says(`{"processing_status":"ended","status":"completed",`),
		"cut":           breaksOff(`{"processing_status":"ended","status":"completed"}`),
		"elsewhere":     sendsTo("/elsewhere"),
		"no object":     says(`["ended"]`),
	} {
		for wire, w := range batchWires() {
			s := newBatchService(t, map[string]http.HandlerFunc{"GET " + w.path + "/b": answer}, nil)
			if ended, err := s.BatchEnded(context.Background(), w.at, "b"); err == nil || ended {
				t.Errorf("%s, %s: %v, %v", wire, name, ended, err)
			}
			if len(s.calls()) != 1 {
				t.Errorf("%s, %s: asked %v", wire, name, s.calls())
			}
		}
	}
}

func TestABatchIsCancelled(t *testing.T) {
	for wire, w := range batchWires() {
		s := newBatchService(t, map[string]http.HandlerFunc{"POST " + w.path + "/b/cancel": says(`{}`)}, nil)
		if err := s.CancelBatch(context.Background(), w.at, "b"); err != nil {
			t.Errorf("%s: %v", wire, err)
		}
		if got := s.asked[0]; got.header.Get("Authorization") != "Bearer operator" || got.length != 0 {
			t.Errorf("%s: sent %v, %d bytes", wire, got.header, got.length)
		}
	}
}

func TestARefusalCanBeToldFromAFailureAndQuotesNothing(t *testing.T) {
	ctx := context.Background()
	const body = `{"type":"error","error":{"type":"rate_limit_error","message":"too many: SECRET"}}`
	calls := map[string]func(*batchService, batchWire) error{
		"submit": func(s *batchService, w batchWire) error {
			_, err := s.SubmitBatch(ctx, w.at, nil, []BatchItem{{"a", []byte(`{}`)}})
			return err
		},
		"ended":   func(s *batchService, w batchWire) error { _, err := s.BatchEnded(ctx, w.at, "b"); return err },
		"results": func(s *batchService, w batchWire) error { _, err := s.results(w.at); return err },
		"cancel":  func(s *batchService, w batchWire) error { return s.CancelBatch(ctx, w.at, "b") },
	}
	for wire, w := range batchWires() {
		for name, call := range calls {
			for _, status := range []int{400, 429, 529} {
				s := newBatchService(t, map[string]http.HandlerFunc{}, nil)
				for _, path := range []string{"POST " + w.path, "POST /v1/files", "GET " + w.path + "/b", w.results, "POST " + w.path + "/b/cancel"} {
					s.answers[path] = refuses(status, body)
				}
				err := call(s, w)
				refusal, ok := errors.AsType[*BatchError](err)
				if !ok || refusal.Status != status || refusal.Kind != "rate_limit_error" || refusal.Header.Get("Retry-After") != "7" || refusal.Message != "too many: SECRET" {
					t.Errorf("%s, %s, %d: %v", wire, name, status, err)
				}
				if text := fmt.Sprint(err); strings.Contains(text, "SECRET") || !strings.Contains(text, "backend b1") || !strings.Contains(text, fmt.Sprint(status)) {
					t.Errorf("%s, %s: it reads %q", wire, name, text)
				}
				if len(s.calls()) != 1 {
					t.Errorf("%s, %s: asked %v", wire, name, s.calls())
				}
			}
		}
	}
}

func TestResultsAreHandedOverInTheServicesOrder(t *testing.T) {
	for wire, w := range batchWires() {
		var text strings.Builder
		for i := range 50 {
			fmt.Fprintf(&text, w.line+"\n", fmt.Sprint("item-", 50-i))
		}
		for name, results := range map[string]http.HandlerFunc{
			"whole":                          says(text.String()),
			"without a newline at the end":   says(strings.TrimSuffix(text.String(), "\n")),
			"ended by the connection's end":  endsWithItsConnection(text.String()),
			"with empty lines and CRLF ends": says(strings.ReplaceAll(text.String(), "\n", "\r\n\r\n")),
		} {
			got, err := w.answering(t, results).results(w.at)
			if err != nil || len(got) != 50 || got[0].ID != "item-50" || got[49].ID != "item-1" {
				t.Errorf("%s, %s: %d results, %v", wire, name, len(got), err)
			}
			for i, r := range got {
				if r.Fate != Answered || r.Status != http.StatusOK || !strings.HasPrefix(string(r.Body), `{"id":"`) {
					t.Errorf("%s, %s: %d: %+v", wire, name, i, r)
				}
			}
		}
	}
}

func TestResultsThatAreCutAreAnError(t *testing.T) {
	for wire, w := range batchWires() {
		one, two := fmt.Sprintf(w.line, "one")+"\n", fmt.Sprintf(w.line, "two")+"\n"
		cuts := map[string]http.HandlerFunc{"between two lines": breaksOff(one), "before the first": breaksOff(""), "within a line": breaksOff(one + two[:20])}
		for i := 1; i < len(two)-1; i++ {
			cuts[fmt.Sprint("at byte ", i)] = endsWithItsConnection(one + two[:i])
		}
		for name, results := range cuts {
			got, err := w.answering(t, results).results(w.at)
			if err == nil || len(got) > 1 {
				t.Errorf("%s, cut %s: %d results, %v", wire, name, len(got), err)
			}
		}
	}
}

func TestAReceiverThatFailsEndsTheResults(t *testing.T) {
	full := errors.New("the disk is full")
	for wire, w := range batchWires() {
		seen := 0
		s := w.answering(t, says(strings.Repeat(fmt.Sprintf(w.line, "a")+"\n", 3)))
		err := s.BatchResults(context.Background(), w.at, "b", func(BatchResult) error { seen++; return full })
		if !errors.Is(err, full) || seen != 1 {
			t.Errorf("%s: %v after %d", wire, err, seen)
		}
	}
}

func TestALineOfResultsIsBounded(t *testing.T) {
	piece := []byte(strings.Repeat("x", 1<<20))
	w := batchWires()["files"]
	s := w.answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"custom_id":"`)
		for range maxResult>>20 + 1 {
			_, _ = w.Write(piece)
		}
	})
	if got, err := s.results(w.at); err == nil || !strings.Contains(err.Error(), "line 1: longer than") || len(got) > 0 {
		t.Errorf("%d results, %v", len(got), err)
	}
}

func TestAServiceThatWantsEachCallersLoginIsSentNoBatch(t *testing.T) {
	for wire, w := range batchWires() {
		s := newBatchService(t, nil, func(cfg *config.Backend) { cfg.Auth.Mode = config.AuthCaller })
		h := http.Header{"Authorization": {"Bearer user"}}
		_, err := s.SubmitBatch(context.Background(), w.at, h, []BatchItem{{"a", []byte(`{}`)}})
		if err == nil || !strings.Contains(err.Error(), "own login") || len(s.calls()) > 0 {
			t.Errorf("%s: %v, asked %v", wire, err, s.calls())
		}
	}
}

func TestAnIDThatLeadsElsewhereIsNotFollowed(t *testing.T) {
	for wire, w := range batchWires() {
		for _, id := range []string{"", "..", "a/../../x", "a?b", "a#b", "%2e%2e"} {
			made := says(fmt.Sprintf(`{"id":%q}`, id))
			s := newBatchService(t, map[string]http.HandlerFunc{"POST " + w.path: made, "POST /v1/files": says(`{"id":"file-i"}`)}, nil)
			if got, err := s.SubmitBatch(context.Background(), w.at, nil, []BatchItem{{"a", []byte(`{}`)}}); err == nil {
				t.Errorf("%s: %q was taken for an id: %q", wire, id, got)
			}
		}
	}
}

func TestEachRequestCarriesWhatTheBackendIsGivenAndNothingOfOthers(t *testing.T) {
	ctx := context.Background()
	for wire, w := range batchWires() {
		s := newBatchService(t, map[string]http.HandlerFunc{
			"POST " + w.path: says(`{"id":"b"}`), "POST /v1/files": says(`{"id":"file-i"}`), "POST " + w.path + "/b/cancel": says(`{}`),
			"GET " + w.path + "/b": says(w.ended), w.results: says(""),
		}, func(cfg *config.Backend) { cfg.Betas.Add = []string{"oauth-1"} })
		h := http.Header{"Authorization": {"Bearer user"}, "X-Api-Key": {"user"}, "Cookie": {"c"}, "Content-Type": {"text/plain"}, "Anthropic-Beta": {"mine"}}
		_, err := s.SubmitBatch(ctx, w.at, h, []BatchItem{{"a", []byte(`{}`)}})
		_, ended := s.BatchEnded(ctx, w.at, "b")
		_, results := s.results(w.at)
		if err := cmp.Or(err, ended, results, s.CancelBatch(ctx, w.at, "b")); err != nil {
			t.Fatalf("%s: %v", wire, err)
		}
		if h.Get("Authorization") != "Bearer user" {
			t.Errorf("%s: the client's header was changed: %v", wire, h)
		}
		for i, a := range s.asked {
			if got := a.header["Authorization"]; !slices.Equal(got, []string{"Bearer operator"}) || a.header.Get("Accept-Encoding") != "identity" {
				t.Errorf("%s, %s: %v", wire, a.call, a.header)
			}
			for _, name := range []string{"X-Api-Key", "Cookie", "X-Gateway-Request-Id"} {
				if a.header[name] != nil {
					t.Errorf("%s, %s: %s went out", wire, a.call, name)
				}
			}
			if kind := a.header.Get("Content-Type"); (kind != "") != (a.length > 0) || kind == "text/plain" {
				t.Errorf("%s, %s: %d bytes of %q", wire, a.call, a.length, kind)
			}
			beta, version := "", ""
			if wire == "messages" {
				beta, version = "oauth-1", "2023-06-01"
				if i == 0 {
					beta = "mine,oauth-1"
				}
			}
			if a.header.Get("Anthropic-Beta") != beta || a.header.Get("Anthropic-Version") != version {
				t.Errorf("%s, %s: %v", wire, a.call, a.header)
			}
		}
	}
}
