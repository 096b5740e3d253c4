package oidc

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openova-io/llm-gateway/internal/config"
)

var errAway = errors.New("away")

// TestAnIssuerIsAskedNoMoreThanItMayBe lets crowds come at random to an issuer that is now there, now slow and now away.
func TestAnIssuerIsAskedNoMoreThanItMayBe(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			issuer := &moodyIssuer{random: rand.New(rand.NewPCG(seed, 1))}
			k := newKeyring(issuer.fetch)
			var crowd sync.WaitGroup
			for range 300 {
				time.Sleep(time.Duration(random.IntN(int(200 * time.Millisecond))))
				came := time.Now()
				at := came
				if random.IntN(2) == 0 {
					at = time.Time{}
				}
				crowd.Go(func() {
					r, err := k.since(context.Background(), at)
					switch {
					case err != nil && !errors.Is(err, errAway):
						t.Errorf("seed %d: %v", seed, err)
					case err == nil && issuer.began(r).Before(at):
						t.Errorf("seed %d: a ring of before the token came", seed)
					}
					if took := time.Since(came); took > 2*askTimeout+lookAgain {
						t.Errorf("seed %d: waited %s", seed, took)
					}
				})
			}
			crowd.Wait()
			issuer.check(t, seed)
		})
	}
}

// moodyIssuer notes when it was asked.
type moodyIssuer struct {
	mu     sync.Mutex
	random *rand.Rand
	calls  []call
	rings  map[*ring]time.Time
}

type call struct {
	begin, end time.Time
	failed     bool
}

func (m *moodyIssuer) fetch(context.Context, *ring) (*ring, error) {
	m.mu.Lock()
	c := call{begin: time.Now(), failed: m.random.IntN(3) == 0}
	takes := time.Duration(m.random.IntN(int(askTimeout)))
	m.mu.Unlock()
	time.Sleep(takes)
	m.mu.Lock()
	defer m.mu.Unlock()
	c.end = time.Now()
	m.calls = append(m.calls, c)
	if c.failed {
		return nil, errAway
	}
	if m.rings == nil {
		m.rings = map[*ring]time.Time{}
	}
	r := &ring{introspect: c.begin.String()}
	m.rings[r] = c.begin
	return r, nil
}

func (m *moodyIssuer) began(r *ring) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rings[r]
}

func (m *moodyIssuer) check(t *testing.T, seed uint64) {
	t.Helper()
	for n := 1; n < len(m.calls); n++ {
		least := lookAgain
		if m.calls[n-1].failed {
			least = leaveAlone
		}
		if pause := m.calls[n].begin.Sub(m.calls[n-1].end); pause < least {
			t.Errorf("seed %d: asked again after %s, want %s", seed, pause, least)
		}
	}
	if len(m.calls) < 5 {
		t.Errorf("seed %d: only %d fetches: this shows nothing", seed, len(m.calls))
	}
}

func TestOldKeysAreFetchedAgainBehindTheCallersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches, away := 0, false
		k := newKeyring(func(context.Context, *ring) (*ring, error) {
			time.Sleep(time.Second)
			fetches++
			if away {
				return nil, errAway
			}
			return &ring{}, nil
		})
		if k.current(t.Context()) != nil {
			t.Error("a ring before the first fetch")
		}
		first, err := k.since(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(keysAge - 2*time.Second)
		if k.current(t.Context()); fetches != 1 {
			t.Error("fetched before the keys were old")
		}
		time.Sleep(2 * time.Second)
		if before := time.Now(); k.current(t.Context()) != first || time.Since(before) != 0 {
			t.Error("a caller had to wait")
		}
		time.Sleep(2 * time.Second)
		second := k.current(t.Context())
		if second == first || fetches != 2 {
			t.Errorf("the old ring is still there, after %d fetches", fetches)
		}

		away = true
		time.Sleep(keysAge)
		for range 100 {
			if k.current(t.Context()) != second {
				t.Fatal("a ring was given up because the issuer is away")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if fetches > 4 {
			t.Errorf("%d fetches in 10 s of an issuer that is away", fetches-2)
		}
	})
}

func TestACallerThatLeavesDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyring(func(context.Context, *ring) (*ring, error) {
			time.Sleep(askTimeout)
			return &ring{}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.since(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := k.since(t.Context(), time.Time{}); err != nil {
			t.Errorf("the fetch ended with the caller who began it: %v", err)
		}
	})
}

func TestKeysAreRotated(t *testing.T) {
	t.Parallel() // it waits
	p := newProvider(t)
	v := New(p.config())
	cached, other := p.token(t, nil), p.token(t, map[string]any{"jti": "another"})
	accepted(t, v, cached)

	second := newKey(t)
	p.publish(map[string]any{"k1": p.key.Public(), "k2": second.Public()})
	accepted(t, v, sign(t, second, jose.RS256, "k2", p.claims(nil))) // though the keys were fetched a moment ago
	accepted(t, v, cached)

	p.publish(map[string]any{"k2": second.Public()})
	_ = refused(t, v, sign(t, newKey(t), jose.RS256, "k9", p.claims(nil))) // makes the gateway look
	for name, token := range map[string]string{"cached": cached, "new": other} {
		if e := refused(t, v, token); !strings.Contains(e.Message, "does not publish, or no longer") {
			t.Errorf("a %s token of the key that is gone: %v", name, e)
		}
	}
	accepted(t, v, sign(t, second, jose.RS256, "k2", p.claims(map[string]any{"jti": "another"})))
}

func TestATokenIsNotLookedAtAnewWhenTheKeysAreTheSame(t *testing.T) {
	p := newProvider(t)
	v := New(p.introspecting(t, config.IntrospectAlways, time.Hour))
	token := p.token(t, nil)
	p.knows(token, p.claims(nil))
	accepted(t, v, token)
	_ = refused(t, v, p.strangers(t, 1)[0])
	accepted(t, v, token)
	if p.fetches.Load() < 2 || p.asked.Load() != 1 {
		t.Errorf("%d fetches of the keys, asked %d times about the token", p.fetches.Load(), p.asked.Load())
	}
}

func TestATokenNeedNotNameItsKey(t *testing.T) {
	t.Parallel() // it waits
	p := newProvider(t)
	v := New(p.config())
	accepted(t, v, sign(t, p.key, jose.RS256, "", p.claims(nil)))
	second := newKey(t)
	p.publish(map[string]any{"k1": p.key.Public(), "k2": second.Public()})
	accepted(t, v, sign(t, second, jose.RS256, "", p.claims(nil)))
	if e := refused(t, v, sign(t, newKey(t), jose.RS256, "", p.claims(nil))); !strings.Contains(e.Message, "does not publish") {
		t.Errorf("got %v", e)
	}
}
