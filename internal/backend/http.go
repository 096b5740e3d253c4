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

// service speaks a dialect over plain HTTP: the Anthropic API, vLLM, anything compatible with OpenAI.
type service struct {
	*filter
	name       string
	base       *url.URL
	credential Credential
	transport  http.RoundTripper
}

func newService(cfg config.Backend, env Environment) (*service, error) {
	base, err := url.Parse(strings.TrimRight(cfg.BaseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("base_url: %w", err)
	}
	credential, err := NewCredential(cfg.Auth, env.OperatorToken)
	if err != nil {
		return nil, err
	}
	return &service{newFilter(cfg.Betas), cfg.Name, base, credential, env.Transport}, nil
}

// Send implements Backend.
func (s *service) Send(ctx context.Context, c Call) (*http.Response, error) {
	header := requestHeader(c)
	if err := s.credential.Authorize(header, c.Caller); err != nil {
		c.Body.release()
		return nil, fmt.Errorf("backend %s: %w", s.name, err)
	}
	body := c.Body.edit(s.leaveOut(c, header), "")
	s.putIn(c, header)
	target := *s.base
	target.Path += c.Endpoint.Path()
	target.RawQuery = c.Query
	res, err := post(ctx, s.transport, &target, header, body)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", s.name, err)
	}
	if _, own := s.credential.(callers); !own {
		hideAccount(res.Header)
	}
	return res, nil
}

// post sends a body and takes over the caller's hold on it.
func post(ctx context.Context, transport http.RoundTripper, target *url.URL, header http.Header, body *Body) (*http.Response, error) {
	req := &http.Request{
		Method: http.MethodPost, URL: target, Host: target.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: body.reader(), ContentLength: int64(len(body.Bytes())),
	}
	return transport.RoundTrip(req.WithContext(ctx))
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
