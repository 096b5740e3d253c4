package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/openova-io/llm-gateway/internal/config"
)

// refetchInterval is the least time between two questions to the issuer. A flood of tokens with unknown keys then
// costs the issuer one request in that time, and so does a crowd that waits for an issuer that is away.
const refetchInterval = 5 * time.Second

// errJustAsked means that the issuer was asked so recently that asking again would tell nothing new.
var errJustAsked = errors.New("the identity provider was asked a moment ago")

// errNoIssuer means that the configuration names no identity provider.
var errNoIssuer = errors.New("oidc.issuer is not set: without an identity provider nobody is served")

// issuer is the identity provider: discovered when first needed, its keys fetched when an unknown one turns up.
type issuer struct {
	url    string
	client *http.Client

	mu      sync.Mutex // one discovery at a time
	found   oidc.KeySet
	asked   time.Time
	failure error
}

func newIssuer(cfg config.OIDC) *issuer {
	return &issuer{url: cfg.Issuer, client: &http.Client{Timeout: refetchInterval}}
}

// keys returns the issuer's key set, discovering it if need be.
func (i *issuer) keys(ctx context.Context) (oidc.KeySet, error) {
	if i.url == "" {
		return nil, errNoIssuer
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.found != nil {
		return i.found, nil
	}
	if time.Since(i.asked) < refetchInterval {
		return nil, i.failure
	}
	found, err := i.discover(ctx)
	i.found, i.failure, i.asked = found, err, time.Now()
	return found, err
}

func (i *issuer) discover(ctx context.Context) (oidc.KeySet, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refetchInterval)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.url)
	if err != nil {
		return nil, fmt.Errorf("oidc: discover %s: %w", i.url, err)
	}
	var document struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, fmt.Errorf("oidc: discover %s: %w", i.url, err)
	}
	throttled := &http.Client{Timeout: refetchInterval, Transport: &throttle{next: http.DefaultTransport}}
	// The key set keeps this context for every later fetch, so it must not end with the request at hand.
	return oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(ctx), throttled), document.JWKS), nil
}

// throttle lets one request through in each refetchInterval.
type throttle struct {
	next http.RoundTripper

	mu      sync.Mutex
	last    time.Time
	failure error // of the last request let through
}

// RoundTrip answers errJustAsked, or the last failure, to a request that comes too soon.
func (t *throttle) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.last) < refetchInterval {
		if t.failure != nil {
			return nil, t.failure
		}
		return nil, errJustAsked
	}
	t.last = time.Now()
	res, err := t.next.RoundTrip(r)
	t.failure = err
	if err == nil && res.StatusCode >= http.StatusInternalServerError {
		t.failure = fmt.Errorf("oidc: the identity provider answered %s", res.Status)
	}
	return res, err
}

// watchedKeys remembers why a key set refused, which go-oidc flattens to text.
type watchedKeys struct {
	oidc.KeySet
	err error
}

// VerifySignature is the key set's, remembered.
func (w *watchedKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := w.KeySet.VerifySignature(ctx, jwt)
	w.err = err
	return payload, err
}

// isOutage tells "the keys could not be fetched" from "no key of the issuer's made this signature".
func isOutage(err error) bool {
	return err != nil && !errors.Is(err, errJustAsked) && errors.Unwrap(err) != nil
}
