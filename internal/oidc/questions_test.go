package oidc

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
)

func TestAnIssuerThatDoesNotAnswerAdmitsNobody(t *testing.T) {
	for name, fault := range map[string]func(*provider, *config.OIDC){
		"away":                    func(p *provider, _ *config.OIDC) { p.down.Store(true) },
		"broken":                  func(p *provider, _ *config.OIDC) { p.status.Store(http.StatusInternalServerError) },
		"pushing back":            func(p *provider, _ *config.OIDC) { p.status.Store(http.StatusTooManyRequests) },
		"not liking the question": func(p *provider, _ *config.OIDC) { p.status.Store(http.StatusBadRequest) },
		"not knowing the gateway": func(p *provider, _ *config.OIDC) { p.secret.Store("another") },
		"without a secret":        func(_ *provider, c *config.OIDC) { c.Introspection.ClientSecretFile += ".gone" },
		"answering nonsense":      func(p *provider, _ *config.OIDC) { p.status.Store(http.StatusOK) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			cfg := p.introspecting(t, config.IntrospectAlways, time.Hour)
			v := New(cfg)
			if err := v.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			fault(p, &cfg)
			v.issuers[0].questions.cfg = cfg.Introspection
			token := p.token(t, nil)
			p.knows(token, p.claims(nil))
			p.knows(opaque, p.claims(nil))
			for _, token := range []string{token, opaque} {
				e := refused(t, v, token)
				mustBeAway(t, e)
				if strings.Contains(e.Error(), token) || strings.Contains(e.Error(), "s3cret") {
					t.Errorf("the error carries what is secret: %v", e)
				}
			}
		})
	}
}

func TestAQuestionThatTheIssuerDoesNotLikeStopsNoOther(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	p.status.Store(http.StatusBadRequest)
	mustBeAway(t, refused(t, v, "a strange token"))
	p.status.Store(0)
	p.knows(opaque, p.claims(nil))
	accepted(t, v, opaque)
}

func TestATokenInTwoHeadersIsJudgedOnce(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	p.status.Store(http.StatusBadRequest) // which is not remembered
	if _, err := v.Authenticate(t.Context(), opaque, opaque); err == nil || p.asked.Load() != 1 {
		t.Errorf("asked %d times, %v", p.asked.Load(), err)
	}
}

func TestAnAnswerHasToSayWhetherTheTokenIsActive(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	p.about[opaque] = p.claims(nil)
	mustBeAway(t, refused(t, v, opaque))
}

func TestAnIssuerThatFailsIsLeftAlone(t *testing.T) {
	t.Parallel() // it waits
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	if err := v.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.status.Store(http.StatusServiceUnavailable)
	p.pause.Store(int64(20 * time.Millisecond))
	var crowd []string
	for n := range 1000 {
		crowd = append(crowd, fmt.Sprint("token ", n))
		p.knows(crowd[n], p.claims(nil))
	}
	for _, err := range atOnce(v, crowd) {
		mustBeAway(t, asError(t, err))
	}
	if n := p.asked.Load(); n > places {
		t.Errorf("asked %d times, by a crowd of which %d may ask at once", n, places)
	}

	p.asked.Store(0)
	time.Sleep(leaveAlone)
	for _, err := range atOnce(v, crowd) {
		mustBeAway(t, asError(t, err))
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times after it was left alone; one has to find out", n)
	}

	p.status.Store(0)
	time.Sleep(leaveAlone)
	for _, err := range atOnce(v, crowd[:1]) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, err := range atOnce(v, crowd) {
		if err != nil {
			t.Fatalf("token %d: %v", n, err)
		}
	}
}

func TestACrowdAsksOnceAboutOneTokenAndAFewAtATime(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	p.pause.Store(int64(30 * time.Millisecond))
	p.knows(opaque, p.claims(nil))
	same := make([]string, 200)
	var different []string
	for n := range same {
		same[n] = opaque
		different = append(different, fmt.Sprint("token ", n))
		p.knows(different[n], p.claims(nil))
	}
	for _, err := range atOnce(v, same) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times about one token", n)
	}
	for _, err := range atOnce(v, different) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := p.most.Load(); n > places || n < 2 {
		t.Errorf("%d questions at once, want several and at most %d", n, places)
	}
}

func TestATokenGoesNowhereButToTheEndpoint(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	p.status.Store(http.StatusTemporaryRedirect)
	mustBeAway(t, refused(t, v, opaque))
	if p.strayed.Load() != 0 {
		t.Error("the token was sent on to where the endpoint pointed")
	}
}

func TestAnIssuerWithoutAnEndpointIsNotReady(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectOpaque, time.Hour))
	i := v.issuers[0]
	i.keys = newKeyring(func(ctx context.Context, last *ring) (*ring, error) {
		r, err := i.fetch(ctx, last)
		if err != nil {
			return nil, err
		}
		return &ring{keys: r.keys}, nil
	})
	const says = "names no introspection_endpoint"
	if err := v.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("ready: %v", err)
	}
	e := refused(t, v, opaque)
	mustBeAway(t, e)
	if !strings.Contains(e.Error(), says) {
		t.Errorf("the log is not told why: %v", e)
	}
}
