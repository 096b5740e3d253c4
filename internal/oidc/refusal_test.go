package oidc

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// TestRefusals holds every refusal to its words: people are helped by them, and tools read them.
func TestRefusals(t *testing.T) {
	const (
		get  = "Get a new one and set it as ANTHROPIC_AUTH_TOKEN, or as OPENAI_API_KEY in an OpenAI client."
		copy = "Your access token is malformed: it is not the whole of a signed JWT. Copy all of it, or get a new one and set it as ANTHROPIC_AUTH_TOKEN, or as OPENAI_API_KEY in an OpenAI client."
	)
	p := newProvider(t)
	good := p.token(t, nil)
	parts := strings.Split(good, ".")
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	publicKey, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicKey})
	wrongAlgorithm := "Your access token is not signed with RS256, and this gateway takes nothing else from " + p.URL + ". " + get
	wrongSignature := "Your access token's signature is wrong: the token was changed, or it is not of " + p.URL + ". " + get

	for name, c := range map[string]struct{ token, says string }{
		"no token": {
			"", `No access token was sent. Set ANTHROPIC_AUTH_TOKEN (Anthropic clients) or OPENAI_API_KEY (OpenAI clients) to your subscription token, or send it as "Authorization: Bearer".`,
		},
		"no JWT":               {"sk-12345", copy},
		"half a JWT":           {parts[0] + "." + parts[1], copy},
		"a JWT cut in between": {parts[0] + "." + parts[1][:20] + "." + parts[2], copy},
		"a JWT with a tail":    {good + ".x", copy},
		"no header":            {header("none") + "." + parts[1] + "." + parts[2], copy},
		"alg none":             {header(`{"alg":"none"}`) + "." + parts[1] + ".", wrongAlgorithm},
		"alg None":             {header(`{"alg":"None"}`) + "." + parts[1] + ".", wrongAlgorithm},
		"alg none, signed":     {header(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2], wrongAlgorithm},
		"no signature":         {parts[0] + "." + parts[1] + ".", wrongSignature},
		"HS256 with the public key": {
			sign(t, publicPEM, jose.HS256, "k1", p.claims(nil)), wrongAlgorithm,
		},
		"another algorithm of the same key": {sign(t, p.key, jose.PS256, "k1", p.claims(nil)), wrongAlgorithm},
		"another issuer": {
			p.token(t, map[string]any{"iss": "https://evil.example.org"}),
			"Your access token was issued by an identity provider that this gateway does not know. Get one from " + p.URL + ".",
		},
		"the issuer with a slash": {
			p.token(t, map[string]any{"iss": p.URL + "/"}),
			"Your access token was issued by an identity provider that this gateway does not know. Get one from " + p.URL + ".",
		},
		"no issuer": {
			p.token(t, map[string]any{"iss": nil}),
			"Your access token was issued by an identity provider that this gateway does not know. Get one from " + p.URL + ".",
		},
		"another's key": {sign(t, newKey(t), jose.RS256, "k1", p.claims(nil)), wrongSignature},
		"changed claims": {
			parts[0] + "." + strings.Split(p.token(t, map[string]any{"subscription": map[string]any{"tier": "enterprise"}}), ".")[1] + "." + parts[2],
			wrongSignature,
		},
		"an unknown key id": {
			sign(t, newKey(t), jose.RS256, "k9", p.claims(nil)),
			"Your access token is signed with a key that " + p.URL + " does not publish, or no longer. " + get,
		},
		"a key that is for encryption": {
			sign(t, p.key, jose.RS256, "encrypts", p.claims(nil)),
			"Your access token is signed with a key that " + p.URL + " does not publish, or no longer. " + get,
		},
		"another audience": {
			p.token(t, map[string]any{"aud": []string{"billing", "account"}}),
			`Your access token is not meant for this gateway. Get one with the audience "llm-gateway".`,
		},
		"no audience": {
			p.token(t, map[string]any{"aud": nil}),
			`Your access token is not meant for this gateway. Get one with the audience "llm-gateway".`,
		},
		"expired": {
			p.token(t, map[string]any{"exp": 1_700_000_000}),
			"Your access token expired at 2023-11-14T22:13:20Z. " + get,
		},
		"no expiry": {
			p.token(t, map[string]any{"exp": nil}),
			"Your access token names no expiry. Ask the operator of your identity provider to issue tokens with an exp claim.",
		},
		"not yet valid": {
			p.token(t, map[string]any{"nbf": at(time.Hour)}),
			"Your access token is valid from <T+1h> on, and this gateway's clock says <T>. Wait until then; if it should be valid by now, tell the operators of the gateway and of the identity provider that their clocks differ.",
		},
		"issued in the future": {
			p.token(t, map[string]any{"iat": at(time.Hour)}),
			"Your access token was issued at <T+1h>, and this gateway's clock says <T>. Tell the operators of the gateway and of the identity provider that their clocks differ.",
		},
		"no subject": {
			p.token(t, map[string]any{"sub": nil}),
			"Your access token names no subject. Ask the operator of your identity provider to issue tokens with a sub claim.",
		},
		"claims that are no claims": {p.token(t, map[string]any{"exp": "tomorrow"}), "Your access token's claims cannot be read. " + get},
	} {
		t.Run(name, func(t *testing.T) {
			e := refused(t, New(p.config()), c.token)
			if e.Code != gateway.Unauthenticated || !e.NoRetry {
				t.Errorf("got %+v, want a refusal for good", e)
			}
			if !sameButForTheTime(e.Message, c.says) {
				t.Errorf("it says\n%s\nwant\n%s", e.Message, c.says)
			}
			if strings.Contains(e.Error(), "x-api-key") {
				t.Error("the message mentions x-api-key: Claude Code then tells its user to log in elsewhere")
			}
			if c.token != "" && strings.Contains(e.Error(), c.token) {
				t.Error("the error carries the token")
			}
		})
	}
}

// sameButForTheTime compares a message with one in which <T> stands for about now, and <T+1h> for an hour later.
func sameButForTheTime(got, want string) bool {
	for second := -5; second <= 5; second++ {
		now := time.Now().Add(time.Duration(second) * time.Second)
		for later := -5; later <= 5; later++ {
			text := strings.ReplaceAll(want, "<T>", clock(now))
			text = strings.ReplaceAll(text, "<T+1h>", clock(now.Add(time.Hour+time.Duration(later)*time.Second)))
			if got == text {
				return true
			}
		}
	}
	return false
}

func TestATierThatIsNotConfiguredIsRefusedWhereItIsNeeded(t *testing.T) {
	p := newProvider(t)
	defaults := config.Default()
	who := accepted(t, New(p.config()), p.token(t, map[string]any{"subscription": map[string]any{"tier": "gold"}}))
	_, err := defaults.Routes().Plan(who.Tier)
	const says = `Your subscription tier "gold" is not known to this gateway. Ask its operator to add the tier or to correct your account.`
	if e := gateway.AsError(err); e.Code != gateway.Forbidden || !e.NoRetry || e.Message != says {
		t.Errorf("got %+v", e)
	}
}

func TestTheClockSkewIsAllowedAndNoMore(t *testing.T) {
	p := newProvider(t)
	const skew, edge = 30 * time.Second, 5 * time.Second
	for claim, sign := range map[string]time.Duration{"exp": -1, "nbf": 1, "iat": 1} {
		for within, off := range map[bool]time.Duration{true: skew - edge, false: skew + edge} {
			t.Run(fmt.Sprintf("%s %s off", claim, off), func(t *testing.T) {
				cfg := p.config()
				cfg.ClockSkew = skew
				_, err := New(cfg).Authenticate(t.Context(), p.token(t, map[string]any{claim: time.Now().Add(sign * off).Unix()}))
				if (err == nil) != within {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	t.Run("none", func(t *testing.T) {
		cfg := p.config()
		cfg.ClockSkew = 0
		_ = refused(t, New(cfg), p.token(t, map[string]any{"exp": time.Now().Add(-2 * time.Second).Unix()}))
	})
	t.Run("a cached token is good until then, too", func(t *testing.T) {
		t.Parallel() // it waits
		cfg := p.config()
		cfg.ClockSkew = 2 * time.Second
		v, token := New(cfg), p.token(t, map[string]any{"exp": time.Now().Add(-time.Second).Unix()})
		accepted(t, v, token)
		if _, kept := v.known.get(sha256.Sum256([]byte(token)), time.Now()); !kept {
			t.Error("it is verified each time")
		}
		time.Sleep(2 * time.Second)
		if e := refused(t, v, token); !strings.Contains(e.Message, "expired at") {
			t.Errorf("got %v", e)
		}
	})
}
