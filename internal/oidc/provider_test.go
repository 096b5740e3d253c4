package oidc

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// provider is an identity provider in a box.
type provider struct {
	*httptest.Server
	key *rsa.PrivateKey // of the key id k1

	fetches, asked, atOnce, most atomic.Int64   // of the keys; about tokens, now and at most
	strayed                      atomic.Int64   // questions about tokens at the wrong place
	down                         atomic.Bool    // answers 503
	pause                        atomic.Int64   // before it answers about a token, in nanoseconds
	status                       atomic.Int64   // that it answers about tokens, if not 0
	secret                       atomic.Value   // of the client gateway
	mu                           sync.Mutex     // guards
	published                    map[string]any // public keys by id
	about                        map[string]any // what it answers about tokens
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{key: newKey(t), about: map[string]any{}}
	p.secret.Store("s3cret")
	p.publish(map[string]any{"k1": p.key.Public()})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("POST /introspect", p.introspect)
	mux.HandleFunc("POST /elsewhere", func(w http.ResponseWriter, _ *http.Request) {
		p.strayed.Add(1)
		_ = json.NewEncoder(w).Encode(merged(p.claims(nil), map[string]any{"active": true}))
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			p.fetches.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) discovery(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": p.URL, "jwks_uri": p.URL + "/jwks", "introspection_endpoint": p.URL + "/introspect",
		"authorization_endpoint": p.URL, "token_endpoint": p.URL,
	})
}

// jwks answers the keys, among others that are of no use here.
func (p *provider) jwks(w http.ResponseWriter, _ *http.Request) {
	p.fetches.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	set := []any{map[string]any{"kty": "AKP", "kid": "k0"}, jose.JSONWebKey{Key: p.key.Public(), KeyID: "encrypts", Use: "enc"}}
	for id, key := range p.published {
		set = append(set, jose.JSONWebKey{Key: key, KeyID: id, Use: "sig"})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": set})
}

func (p *provider) introspect(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	now := p.atOnce.Add(1)
	defer p.atOnce.Add(-1)
	for most := p.most.Load(); now > most && !p.most.CompareAndSwap(most, now); most = p.most.Load() {
	}
	time.Sleep(time.Duration(p.pause.Load()))
	if status := p.status.Load(); status != 0 {
		w.Header().Set("Location", p.URL+"/elsewhere")
		w.WriteHeader(int(status))
		return
	}
	id, encoded, _ := r.BasicAuth()
	if secret, err := url.QueryUnescape(encoded); err != nil || id != "gateway" || secret != p.secret.Load() {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	p.mu.Lock()
	answer, known := p.about[r.PostFormValue("token")]
	p.mu.Unlock()
	if !known {
		answer = map[string]any{"active": false}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (p *provider) publish(keys map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published = keys
}

// knows makes the provider answer claims about a token; nil makes it not active.
func (p *provider) knows(token string, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.about, token)
	if claims != nil {
		p.about[token] = merged(claims, map[string]any{"active": true})
	}
}

func merged(claims, change map[string]any) map[string]any {
	all := maps.Clone(claims)
	for k, v := range change {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	return all
}

// claims are good ones, changed. A nil takes one away.
func (p *provider) claims(change map[string]any) map[string]any {
	return merged(map[string]any{
		"iss": p.URL, "sub": "s-1", "aud": "llm-gateway", "exp": time.Now().Add(time.Hour).Unix(), "preferred_username": "petra",
		"subscription": map[string]any{"tier": "pro"}, "roles": []string{"auditor"}, "groups": []string{"/research"},
	}, change)
}

func sign(t *testing.T, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// token is a good one, with changed claims.
func (p *provider) token(t *testing.T, change map[string]any) string {
	t.Helper()
	return sign(t, p.key, jose.RS256, "k1", p.claims(change))
}

func (p *provider) config() config.OIDC {
	cfg := config.Default().OIDC
	cfg.Issuer, cfg.TierClaim = p.URL, "subscription.tier"
	return cfg
}

// introspecting is the configuration with the right to ask about tokens.
func (p *provider) introspecting(t *testing.T, mode string, cache time.Duration) config.OIDC {
	t.Helper()
	cfg := p.config()
	file := filepath.Join(t.TempDir(), "secret")
	writeSecret(t, file, "s3cret\n")
	cfg.Introspection = config.Introspection{Mode: mode, ClientID: "gateway", ClientSecretFile: file, Cache: cache}
	return cfg
}

func writeSecret(t *testing.T, file, secret string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
}

// accepted is the principal of a token that has to be good.
func accepted(t *testing.T, v *Verifier, token string) gateway.Principal {
	t.Helper()
	p, err := v.Authenticate(context.Background(), token)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return p
}

// refused is the error of a token that must not be good.
func refused(t *testing.T, v *Verifier, token string) *gateway.Error {
	t.Helper()
	_, err := v.Authenticate(context.Background(), token)
	if err == nil {
		t.Fatal("accepted")
	}
	return gateway.AsError(err)
}

// mustBeAway fails unless the error asks to try again later.
func mustBeAway(t *testing.T, e *gateway.Error) {
	t.Helper()
	const says = "The identity provider cannot be reached, so your token cannot be checked. Try again in a few seconds."
	if e.Code != gateway.Overloaded || e.RetryAfter != leaveAlone || e.NoRetry || e.Message != says {
		t.Errorf("got %+v, want a refusal that says when to come back", e)
	}
}

// asError is the *gateway.Error of a refusal.
func asError(t *testing.T, err error) *gateway.Error {
	t.Helper()
	if err == nil {
		t.Fatal("accepted")
	}
	return gateway.AsError(err)
}
