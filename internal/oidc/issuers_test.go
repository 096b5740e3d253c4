package oidc

import (
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/config"
)

// two are a first issuer and a partner's, in one verifier.
func two(t *testing.T) (first, partner *provider, v *Verifier) {
	t.Helper()
	first, partner = newProvider(t), newProvider(t)
	cfg := first.config()
	cfg.Additional = []config.Provider{{Issuer: partner.URL, SubjectPrefix: "partner:", TierClaim: "plan"}}
	return first, partner, New(cfg)
}

func TestEachIssuerHasItsOwnPeople(t *testing.T) {
	first, partner, v := two(t)
	if got := accepted(t, v, first.token(t, nil)); got.Subject != "s-1" || got.Tier != "pro" {
		t.Errorf("got %+v of the first", got)
	}
	if got := accepted(t, v, partner.token(t, map[string]any{"plan": "free"})); got.Subject != "partner:s-1" || got.Tier != "free" || got.User != "petra" {
		t.Errorf("got %+v of the partner", got)
	}
}

func TestNobodyCanBeTakenForSomebodyOfAnotherIssuer(t *testing.T) {
	first, partner, v := two(t)
	for name, c := range map[string]struct{ token, says string }{
		"a subject of the first that begins like the partner's": {
			first.token(t, map[string]any{"sub": "partner:s-1"}),
			`Your account's subject begins with "partner:", which stands for the accounts of another identity provider. Ask the operator of yours for another subject.`,
		},
		"the partner's key in a token of the first": {
			sign(t, partner.key, "RS256", "k1", first.claims(nil)),
			"Your access token's signature is wrong: the token was changed, or it is not of " + first.URL + ". " + anew,
		},
		"the first one's key in a token of the partner": {
			sign(t, first.key, "RS256", "k1", partner.claims(nil)),
			"Your access token's signature is wrong: the token was changed, or it is not of " + partner.URL + ". " + anew,
		},
		"an issuer that is neither": {
			first.token(t, map[string]any{"iss": "https://evil.example.org"}),
			"Your access token was issued by an identity provider that this gateway does not know. Get one from " + first.URL + " or " + partner.URL + ".",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if e := refused(t, v, c.token); e.Message != c.says {
				t.Errorf("it says\n%s\nwant\n%s", e.Message, c.says)
			}
		})
	}
	// A prefix makes a subject; what stands behind it may look as it likes.
	if got := accepted(t, v, partner.token(t, map[string]any{"sub": "partner:s-1"})); got.Subject != "partner:partner:s-1" {
		t.Errorf("got %+v", got)
	}
}

func TestAnIssuerThatIsAwayDoesNotHurtTheOther(t *testing.T) {
	for name, which := range map[string]int{"the first": 0, "the partner": 1} {
		t.Run(name, func(t *testing.T) {
			first, partner, v := two(t)
			away, there := first, partner
			if which == 1 {
				away, there = partner, first
			}
			away.down.Store(true)
			for _, err := range atOnce(v, away.strangers(t, 100)) {
				mustBeAway(t, asError(t, err))
			}
			accepted(t, v, there.token(t, nil))
			if err := v.Ready(t.Context()); err != nil {
				t.Errorf("not ready: %v", err)
			}
			if err := v.AllReady(t.Context()); err == nil || !strings.Contains(err.Error(), away.URL) || strings.Contains(err.Error(), there.URL) {
				t.Errorf("all ready: %v; want to hear of %s alone", err, away.URL)
			}
		})
	}
}
