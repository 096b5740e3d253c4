package witness

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Tap is an address of the gateway that remembers what goes through it.
type Tap struct {
	URL string

	mu    sync.Mutex
	calls []Call
}

// Call is one request of a client and the head of its answer.
type Call struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
	Status              int // 0 if no answer came
	Answer              http.Header
}

// Tap opens an address that forwards to the gateway until the end of the test.
func (s *Stack) Tap(t *testing.T) *Tap {
	t.Helper()
	target, err := url.Parse(s.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	tap := &Tap{}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded() // so that the addresses in answers lead here
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client left
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		i := tap.begin(Call{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body})
		proxy.ServeHTTP(&tapWriter{ResponseWriter: w, answered: func(status int) { tap.answer(i, status, w.Header().Clone()) }}, r)
	}))
	t.Cleanup(server.Close)
	tap.URL = server.URL
	return tap
}

// Calls returns what has gone through so far, in the order of arrival.
func (tap *Tap) Calls() []Call {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	return append([]Call(nil), tap.calls...)
}

func (tap *Tap) begin(c Call) int {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	tap.calls = append(tap.calls, c)
	return len(tap.calls) - 1
}

func (tap *Tap) answer(i, status int, header http.Header) {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	tap.calls[i].Status, tap.calls[i].Answer = status, header
}

// tapWriter tells of the status before it is written.
type tapWriter struct {
	http.ResponseWriter
	answered func(status int)
}

func (w *tapWriter) WriteHeader(status int) {
	w.answered(status)
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the proxy flush.
func (w *tapWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
