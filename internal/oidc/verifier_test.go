package oidc

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
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
	key     *rsa.PrivateKey
	fetches atomic.Int64
	down    atomic.Bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/jwks", "authorization_endpoint": p.URL, "token_endpoint": p.URL})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		if p.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) claims(change map[string]any) map[string]any {
	claims := map[string]any{
		"iss": p.URL, "sub": "s-1", "aud": "llm-gateway", "exp": time.Now().Add(time.Hour).Unix(), "preferred_username": "petra",
		"subscription": map[string]any{"tier": "pro"}, "roles": []string{"auditor"},
	}
	for k, v := range change {
		claims[k] = v
	}
	return claims
}

func (p *provider) token(t *testing.T, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
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

func (p *provider) verifier() *Verifier {
	cfg := config.Default().OIDC
	cfg.Issuer, cfg.TierClaim = p.URL, "subscription.tier"
	return New(cfg)
}

func TestAValidTokenIsAPrincipal(t *testing.T) {
	p := newProvider(t)
	v := p.verifier()
	token := p.token(t, p.key, jose.RS256, "k1", p.claims(nil))
	for range 3 {
		got, err := v.Authenticate(context.Background(), "", token)
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != "s-1" || got.User != "petra" || got.Tier != "pro" || !got.HasRole("auditor") {
			t.Errorf("got %+v", got)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times for one token", n)
	}
}

func TestTheSecondTokenCountsWhenTheFirstIsBad(t *testing.T) {
	p := newProvider(t)
	good := p.token(t, p.key, jose.RS256, "k1", p.claims(nil))
	if _, err := p.verifier().Authenticate(context.Background(), "not-a-token", good); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	p := newProvider(t)
	other, _ := rsa.GenerateKey(rand.Reader, 2048)
	unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(p.token(t, p.key, jose.RS256, "k1", p.claims(nil)), ".")[1] + "."
	for name, c := range map[string]struct{ token, says string }{
		"no token":          {"", "No access token was sent"},
		"no JWT":            {"sk-12345", "not valid"},
		"expired":           {p.token(t, p.key, jose.RS256, "k1", p.claims(map[string]any{"exp": 1_700_000_000})), "expired at 2023-11-14"},
		"not yet valid":     {p.token(t, p.key, jose.RS256, "k1", p.claims(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})), "not valid yet"},
		"another issuer":    {p.token(t, p.key, jose.RS256, "k1", p.claims(map[string]any{"iss": "https://evil.example.org"})), "another identity provider"},
		"another audience":  {p.token(t, p.key, jose.RS256, "k1", p.claims(map[string]any{"aud": "billing"})), `audience "llm-gateway"`},
		"another key":       {p.token(t, other, jose.RS256, "k1", p.claims(nil)), "not signed by"},
		"an unknown key id": {p.token(t, other, jose.RS256, "k9", p.claims(nil)), "not signed by"},
		"another algorithm": {p.token(t, []byte("0123456789abcdef0123456789abcdef"), jose.HS256, "k1", p.claims(nil)), "not valid"},
		"alg none":          {unsigned, "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.verifier().Authenticate(context.Background(), c.token)
			e, ok := errors.AsType[*gateway.Error](err)
			if !ok || e.Code != gateway.Unauthenticated || !e.NoRetry || !strings.Contains(e.Message, c.says) {
				t.Errorf("got %+v, want a refusal that says %q", err, c.says)
			}
			if ok && strings.Contains(e.Message, "x-api-key") {
				t.Error("the message mentions x-api-key: Claude Code then tells its user to log in elsewhere")
			}
		})
	}
}

func TestAFloodOfUnknownKeysAsksTheIssuerOnce(t *testing.T) {
	p := newProvider(t)
	v := p.verifier()
	other, _ := rsa.GenerateKey(rand.Reader, 2048)
	for i := range 50 {
		_, err := v.Authenticate(context.Background(), p.token(t, other, jose.RS256, "k9", p.claims(map[string]any{"jti": i})))
		if e := gateway.AsError(err); e.Code != gateway.Unauthenticated {
			t.Fatal(err)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestWithTheIssuerAway(t *testing.T) {
	t.Run("known tokens go on, unknown ones are told to wait", func(t *testing.T) {
		p := newProvider(t)
		v := p.verifier()
		known := p.token(t, p.key, jose.RS256, "k1", p.claims(nil))
		if _, err := v.Authenticate(context.Background(), known); err != nil {
			t.Fatal(err)
		}
		p.down.Store(true)
		if _, err := v.Authenticate(context.Background(), known); err != nil {
			t.Error(err)
		}
	})
	t.Run("before the first key", func(t *testing.T) {
		p := newProvider(t)
		p.down.Store(true)
		_, err := p.verifier().Authenticate(context.Background(), p.token(t, p.key, jose.RS256, "k1", p.claims(nil)))
		if e := gateway.AsError(err); e.Code != gateway.Overloaded || e.RetryAfter == 0 {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("nobody listens at all", func(t *testing.T) {
		p := newProvider(t)
		v := p.verifier()
		token := p.token(t, p.key, jose.RS256, "k1", p.claims(nil))
		p.Close()
		for range 2 {
			_, err := v.Authenticate(context.Background(), token)
			if e := gateway.AsError(err); e.Code != gateway.Overloaded {
				t.Errorf("got %+v", err)
			}
		}
	})
}

func TestTheCacheForgetsExpiredTokensAndStaysSmall(t *testing.T) {
	c := newCache(3)
	now := time.Now()
	for i := range byte(10) {
		c.put([32]byte{i}, gateway.Principal{}, now.Add(time.Minute), now)
	}
	if len(c.known) > 3 {
		t.Errorf("%d entries", len(c.known))
	}
	c.put([32]byte{99}, gateway.Principal{}, now.Add(time.Minute), now)
	if _, ok := c.get([32]byte{99}, now.Add(time.Minute)); ok {
		t.Error("an expired token was accepted")
	}
}

func TestWithoutAnIssuerNobodyIsServed(t *testing.T) {
	p := newProvider(t)
	v := New(config.Default().OIDC)
	if err := v.Ready(context.Background()); err == nil || !strings.Contains(err.Error(), "oidc.issuer is not set") {
		t.Errorf("ready: %v; it must not be, and say why", err)
	}
	for name, token := range map[string]string{"no token": "", "somebody's token": p.token(t, p.key, jose.RS256, "k1", p.claims(nil))} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Authenticate(context.Background(), token)
			e, ok := errors.AsType[*gateway.Error](err)
			if !ok || e.Code != gateway.Overloaded || !e.NoRetry || !strings.Contains(e.Message, "set oidc.issuer") {
				t.Errorf("got %+v, want a refusal that tells the operator what to set", err)
			}
		})
	}
}
