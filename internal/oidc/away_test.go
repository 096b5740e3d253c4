package oidc

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// strangers are n tokens signed with a key that nobody knows.
func (p *provider) strangers(t *testing.T, n int) []string {
	t.Helper()
	token := sign(t, newKey(t), jose.RS256, "k9", p.claims(nil))
	head := token[:strings.LastIndex(token, ".")+1]
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = head + fmt.Sprintf("%08d", i)
	}
	return tokens
}

// atOnce judges tokens all at the same time.
func atOnce(v *Verifier, tokens []string) []error {
	errs := make([]error, len(tokens))
	var all sync.WaitGroup
	for n, token := range tokens {
		all.Go(func() { _, errs[n] = v.Authenticate(context.Background(), token) })
	}
	all.Wait()
	return errs
}

func TestACrowdWithUnknownKeysCostsTheIssuerOneFetchASecond(t *testing.T) {
	p := newProvider(t)
	v := New(p.config())
	began := time.Now()
	for n, err := range atOnce(v, p.strangers(t, 1000)) {
		if err == nil || !strings.Contains(err.Error(), "does not publish") {
			t.Fatalf("token %d: %v", n, err)
		}
	}
	if most := 1 + int64(time.Since(began)/lookAgain); p.fetches.Load() > most {
		t.Errorf("%d fetches in %s", p.fetches.Load(), time.Since(began))
	}
}

func TestWithTheIssuerAway(t *testing.T) {
	t.Run("known tokens and known keys go on, unknown keys are told to wait", func(t *testing.T) {
		p := newProvider(t)
		v := New(p.config())
		known := p.token(t, nil)
		accepted(t, v, known)
		p.down.Store(true)
		accepted(t, v, known)
		accepted(t, v, p.token(t, map[string]any{"jti": "another"}))
		mustBeAway(t, refused(t, v, p.strangers(t, 1)[0]))
		accepted(t, v, known)
	})
	t.Run("a crowd asks it once, before the first key and after", func(t *testing.T) {
		p := newProvider(t)
		v := New(p.config())
		p.down.Store(true)
		for _, err := range atOnce(v, p.strangers(t, 1000)) {
			mustBeAway(t, asError(t, err))
		}
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		if err := v.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), p.URL) {
			t.Errorf("ready: %v", err)
		}
	})
	t.Run("nobody listens at all", func(t *testing.T) {
		p := newProvider(t)
		v := New(p.config())
		token := p.token(t, nil)
		p.Close()
		for range 2 {
			mustBeAway(t, refused(t, v, token))
		}
	})
	t.Run("it is back", func(t *testing.T) {
		t.Parallel() // it waits
		p := newProvider(t)
		v := New(p.config())
		p.down.Store(true)
		mustBeAway(t, refused(t, v, p.token(t, nil)))
		p.down.Store(false)
		time.Sleep(leaveAlone)
		accepted(t, v, p.token(t, nil))
	})
}
