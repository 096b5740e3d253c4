package keycloak

import (
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
)

// proxy is in front of Keycloak, and counts.
type proxy struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int // requests by their path
}

func newProxy(target string) (*proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	p := &proxy{seen: map[string]int{}}
	forward := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ErrorLog: log.New(io.Discard, "", 0), // Keycloak is away at times, on purpose
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen[r.URL.Path]++
		p.mu.Unlock()
		forward.ServeHTTP(w, r)
	}))
	return p, nil
}

// counted returns what was asked since the last call.
func (p *proxy) counted() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := maps.Clone(p.seen)
	clear(p.seen)
	return seen
}
