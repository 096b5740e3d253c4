package oidc

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestAValidTokenIsAPrincipal(t *testing.T) {
	p := newProvider(t)
	v := New(p.config())
	token := p.token(t, nil)
	want := gateway.Principal{Subject: "s-1", User: "petra", Tier: "pro", Roles: []string{"auditor"}, Groups: []string{"/research"}}
	for range 3 {
		got, err := v.Authenticate(context.Background(), "", token)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times for one token", n)
	}
}

func TestWhatAClaimLeavesOut(t *testing.T) {
	p := newProvider(t)
	for name, c := range map[string]struct {
		change map[string]any
		set    func(*config.OIDC)
		want   gateway.Principal
	}{
		"a name is the subject's": {
			map[string]any{"preferred_username": nil, "roles": nil, "groups": nil},
			func(*config.OIDC) {},
			gateway.Principal{Subject: "s-1", User: "s-1", Tier: "pro"},
		},
		"a tier is the default one": {
			map[string]any{"subscription": nil, "roles": nil, "groups": "/one"},
			func(c *config.OIDC) { c.DefaultTier = "free" },
			gateway.Principal{Subject: "s-1", User: "petra", Tier: "free", Groups: []string{"/one"}},
		},
		"the default tier replaces no other": {
			map[string]any{"subscription": map[string]any{"tier": "gold"}, "roles": nil, "groups": nil},
			func(c *config.OIDC) { c.DefaultTier = "free" },
			gateway.Principal{Subject: "s-1", User: "petra", Tier: "gold"},
		},
		"without a default there is no tier": {
			map[string]any{"subscription": nil, "roles": nil, "groups": nil},
			func(*config.OIDC) {},
			gateway.Principal{Subject: "s-1", User: "petra"},
		},
		"claims are found where the configuration says": {
			map[string]any{"email": "p@example.org", "realm_access": map[string]any{"roles": []string{"a", "b"}}, "teams": []string{"x"}, "https://example.org/tier": "free"},
			func(c *config.OIDC) {
				c.UserClaim, c.RolesClaim, c.GroupsClaim, c.TierClaim = "email", "realm_access.roles", "teams", `https://example\.org/tier`
			},
			gateway.Principal{Subject: "s-1", User: "p@example.org", Tier: "free", Roles: []string{"a", "b"}, Groups: []string{"x"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := p.config()
			c.set(&cfg)
			if got := accepted(t, New(cfg), p.token(t, c.change)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTheSecondTokenCountsWhenTheFirstIsBad(t *testing.T) {
	p := newProvider(t)
	if _, err := New(p.config()).Authenticate(context.Background(), "not-a-token", p.token(t, nil)); err != nil {
		t.Error(err)
	}
}

func TestWithoutAnIssuerNobodyIsServed(t *testing.T) {
	p := newProvider(t)
	v := New(config.Default().OIDC)
	if err := v.Ready(context.Background()); err == nil || !strings.Contains(err.Error(), "oidc.issuer is not set") {
		t.Errorf("ready: %v; it must not be, and say why", err)
	}
	for name, token := range map[string]string{"no token": "", "somebody's token": p.token(t, nil)} {
		t.Run(name, func(t *testing.T) {
			e := refused(t, v, token)
			if e.Code != gateway.Overloaded || !e.NoRetry || !strings.Contains(e.Message, "set oidc.issuer") {
				t.Errorf("got %+v, want a refusal that tells the operator what to set", e)
			}
		})
	}
}

func TestTheCacheForgetsWhatIsOverAndStaysSmall(t *testing.T) {
	now := time.Now()
	for _, size := range []int{-1, 1, 3, 100} {
		c := newCache[int](size)
		for i := range 500 {
			of := digest{byte(i), byte(i >> 8)}
			c.put(of, i, now.Add(time.Minute), now)
			if got, ok := c.get(of, now); !ok || got != i {
				t.Fatalf("size %d: entry %d is not there after it was put", size, i)
			}
			if len(c.known) > max(size, 1) {
				t.Fatalf("size %d: %d entries", size, len(c.known))
			}
		}
	}
	c := newCache[int](3)
	c.put(digest{1}, 1, now.Add(time.Minute), now)
	if _, ok := c.get(digest{1}, now.Add(time.Minute)); ok {
		t.Error("what is over was still there")
	}
	c.put(digest{2}, 2, now.Add(time.Hour), now)
	c.put(digest{3}, 3, now.Add(time.Minute), now)
	c.put(digest{4}, 4, now.Add(2*time.Hour), now.Add(time.Minute))
	if _, ok := c.get(digest{2}, now); !ok {
		t.Error("an entry had to go although others were over")
	}
}
