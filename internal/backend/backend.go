// Package backend sends requests to the services that answer prompts.
package backend

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
)

// Call is one request to a backend.
type Call struct {
	ID     string // ours; sent as X-Gateway-Request-Id, so that a backend's log can be held against the ledger
	Path   string // "/v1/messages"
	Query  string // raw, without the question mark
	Header http.Header
	Body   *Body
}

// Backend is a service that speaks a dialect over plain HTTP.
type Backend struct {
	name       string
	base       *url.URL
	credential Credential
	transport  http.RoundTripper
}

// New makes a backend.
func New(cfg config.Backend, credential Credential, transport http.RoundTripper) (*Backend, error) {
	base, err := url.Parse(strings.TrimRight(cfg.BaseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	return &Backend{name: cfg.Name, base: base, credential: credential, transport: transport}, nil
}

// NewTransport makes the transport that all backends share. It keeps as many idle connections as there is load,
// speaks HTTP/1.1 (one stream a connection: a slow stream never stands in another's way), and leaves encodings
// alone. The time until a response begins is bounded by upstream.header_timeout, the time between its bytes by
// whoever reads them.
func NewTransport(cfg config.Upstream) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   cfg.ConnectTimeout,
		ResponseHeaderTimeout: cfg.HeaderTimeout,
		MaxIdleConnsPerHost:   4096,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true,
		ReadBufferSize:        16 << 10,
		WriteBufferSize:       32 << 10,
		Protocols:             &protocols,
	}
}

// Send sends the call and returns the response as soon as its header is here. It takes over the caller's hold on
// c.Body, also when it fails.
func (b *Backend) Send(ctx context.Context, c Call) (*http.Response, error) {
	header := requestHeader(c.Header)
	header.Set("Accept-Encoding", "identity") // usage and the end of a stream are read from the bytes
	header.Set("X-Gateway-Request-Id", c.ID)
	if err := b.credential.Authorize(header); err != nil {
		c.Body.release()
		return nil, fmt.Errorf("backend %s: %w", b.name, err)
	}
	target := *b.base
	target.Path += c.Path
	target.RawQuery = c.Query
	req := &http.Request{
		Method: http.MethodPost, URL: &target, Host: target.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: c.Body.reader(), ContentLength: int64(len(c.Body.Bytes())),
	}
	res, err := b.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", b.name, err)
	}
	return res, nil
}
