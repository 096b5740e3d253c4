package oidc

import (
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	opaque = "2YotnFZFEjr1zCsicMWpAA"
	brief  = 50 * time.Millisecond // that an answer is good for, in tests that wait for its end
)

func TestAnOpaqueTokenIsAskedAbout(t *testing.T) {
	for _, mode := range []string{config.IntrospectOpaque, config.IntrospectAlways} {
		t.Run(mode, func(t *testing.T) {
			p := newProvider(t)
			v := New(p.introspecting(t, mode, time.Hour))
			p.knows(opaque, p.claims(nil))
			for range 3 {
				if got := accepted(t, v, opaque); got.Subject != "s-1" || got.User != "petra" || got.Tier != "pro" || !got.HasRole("auditor") {
					t.Errorf("got %+v", got)
				}
			}
			if n := p.asked.Load(); n != 1 {
				t.Errorf("asked %d times about one token", n)
			}
		})
	}
}

func TestAnAnswerIsForgottenInTime(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, brief))
	for range 2 {
		p.knows(opaque, p.claims(nil))
		time.Sleep(brief)
		accepted(t, v, opaque)
		p.knows(opaque, nil)
		time.Sleep(brief)
		_ = refused(t, v, opaque)
	}
}

func TestTheRulesForAnAnswerAreThoseForAToken(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	for name, c := range map[string]struct {
		change map[string]any
		says   string // "" is accepted
	}{
		"the issuer need not name itself": {map[string]any{"iss": nil}, ""},
		"another issuer":                  {map[string]any{"iss": "https://evil.example.org"}, "identity provider that this gateway does not know"},
		"another audience":                {map[string]any{"aud": "billing"}, `Get one with the audience "llm-gateway".`},
		"no audience":                     {map[string]any{"aud": nil}, `Get one with the audience "llm-gateway".`},
		"expired":                         {map[string]any{"exp": 1_700_000_000}, "expired at 2023-11-14T22:13:20Z"},
		"no expiry":                       {map[string]any{"exp": nil}, "names no expiry"},
		"not yet valid":                   {map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}, "valid from"},
		"no subject":                      {map[string]any{"sub": nil}, "names no subject"},
	} {
		t.Run(name, func(t *testing.T) {
			token := "opaque " + name
			p.knows(token, p.claims(c.change))
			if c.says == "" {
				accepted(t, v, token)
				return
			}
			if e := refused(t, v, token); e.Code != gateway.Unauthenticated || !strings.Contains(e.Message, c.says) {
				t.Errorf("got %v, want it to say %q", e, c.says)
			}
		})
	}
}

func TestARevokedTokenIsRefusedWithinTheTimeOfTheCache(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectAlways, brief))
	token := p.token(t, nil)
	p.knows(token, p.claims(nil))
	accepted(t, v, token)
	p.knows(token, nil)
	time.Sleep(brief)
	const says = "Your access token was revoked, or its session has ended. Log in again. " + anew
	if e := refused(t, v, token); e.Code != gateway.Unauthenticated || !e.NoRetry || e.Message != says {
		t.Errorf("got %+v", e)
	}
}

func TestATokenThatIsBadOnItsOwnIsNotAskedAbout(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectAlways, time.Hour))
	_ = refused(t, v, p.token(t, map[string]any{"exp": 1_700_000_000}))
	_ = refused(t, v, p.token(t, map[string]any{"iss": "https://evil.example.org"}))
	_ = refused(t, v, sign(t, newKey(t), "RS256", "k1", p.claims(nil)))
	if n := p.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
	accepted(t, New(p.introspecting(t, config.IntrospectOpaque, time.Hour)), p.token(t, nil))
	if n := p.asked.Load(); n != 0 {
		t.Errorf("asked %d times about a JWT, by one who asks about opaque tokens", n)
	}
}

// A token may be light: what it leaves out, its issuer tells.
func TestAnAnswerCompletesAToken(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectAlways, time.Hour))
	light := p.token(t, map[string]any{"aud": nil, "subscription": nil, "preferred_username": nil, "roles": nil, "groups": nil, "nonce": "kept"})
	p.knows(light, p.claims(map[string]any{"subscription": map[string]any{"tier": "enterprise"}}))
	if got := accepted(t, v, light); got.Tier != "enterprise" || got.User != "petra" || !got.HasRole("auditor") {
		t.Errorf("got %+v", got)
	}
	other := p.token(t, map[string]any{"jti": "2"})
	p.knows(other, map[string]any{"iss": "https://evil.example.org"})
	_ = refused(t, v, other)
}

func TestATokenThatNobodyKnows(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	const says = "Your access token is not known to the identity provider, or no longer: it expired or was revoked, or is not the whole token. " + anew
	for range 20 {
		if e := refused(t, v, opaque); e.Code != gateway.Unauthenticated || !e.NoRetry || e.Message != says {
			t.Fatalf("got %+v", e)
		}
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times about one token", n)
	}
}

func TestAnOpaqueTokenIsShownToEachIssuerThatMayBeAsked(t *testing.T) {
	first, partner := newProvider(t), newProvider(t)
	cfg := first.introspecting(t, config.IntrospectOpaque, brief)
	cfg.Additional = []config.Provider{{Issuer: partner.URL, SubjectPrefix: "partner:", Introspection: cfg.Introspection}}
	v := New(cfg)
	partner.knows(opaque, partner.claims(nil))
	if got := accepted(t, v, opaque); got.Subject != "partner:s-1" {
		t.Errorf("got %+v", got)
	}
	first.down.Store(true)
	time.Sleep(brief)
	accepted(t, v, opaque)

	fresh := New(cfg)
	accepted(t, fresh, opaque)
	mustBeAway(t, refused(t, fresh, "another"))
}

func TestTheSecretIsReadForEachQuestion(t *testing.T) {
	p := newProvider(t)
	cfg := p.introspecting(t, config.IntrospectOpaque, time.Hour)
	v := New(cfg)
	p.knows("one", p.claims(nil))
	p.knows("two", p.claims(nil))
	accepted(t, v, "one")
	p.secret.Store("n%2Bw+ &secret")
	writeSecret(t, cfg.Introspection.ClientSecretFile, "n%2Bw+ &secret")
	accepted(t, v, "two")
}
