package config

import (
	"strings"
	"testing"
	"time"
)

const good = `
oidc: {issuer: "https://id.example.org/realms/x"}
database: {url: "postgres://f@db/llmgw"}
redis: {url: "redis://r:6379/0"}
backends:
  - {name: anthropic, dialects: [anthropic], base_url: "https://a.example.org", auth: {mode: operator}}
  - {name: internal, dialects: [anthropic, openai], base_url: "http://vllm:8000", auth: {mode: none}}
`

func noEnviron() []string { return nil }

func TestAFileOverTheDefaultsRuns(t *testing.T) {
	cfg, err := Parse([]byte(good), noEnviron)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckFrontend(); err != nil {
		t.Fatal(err)
	}
	if got := cfg.Tiers["free"].RequestsPerDay; got != 10 {
		t.Errorf("free requests_per_day = %d, want the default 10", got)
	}
	if cfg.HTTP.PingInterval != 15*time.Second {
		t.Errorf("ping_interval = %s", cfg.HTTP.PingInterval)
	}
}

func TestOneLimitOfOneTierCanBeChanged(t *testing.T) {
	cfg, err := Parse([]byte(good+"tiers: {pro: {requests_per_day: 5}, gold.plus: {routes: [{match: \"*\", backend: internal}]}}\n"), noEnviron)
	if err != nil {
		t.Fatal(err)
	}
	pro := cfg.Tiers["pro"]
	if pro.RequestsPerDay != 5 || len(pro.Routes) != 3 || pro.TokensPerDay != -1 {
		t.Errorf("pro = %+v, want only requests_per_day changed", pro)
	}
	if gold := cfg.Tiers["gold.plus"]; gold.RequestsPerDay != -1 || gold.Routes[0].Backend != "internal" {
		t.Errorf("gold.plus = %+v", gold)
	}
	if len(cfg.Tiers) != 4 {
		t.Errorf("%d tiers", len(cfg.Tiers))
	}
}

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	cfg, err := Parse([]byte(good), func() []string {
		return []string{"LLMGW_HTTP__LISTEN=127.0.0.1:1", "LLMGW_AUDIT__MODE=async", "LLMGW_HTTP__PING_INTERVAL=1s", "HOME=/x"}
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.HTTP.Listen != "127.0.0.1:1" || cfg.Audit.Mode != Async || cfg.HTTP.PingInterval != time.Second {
		t.Errorf("got %q %q %s", cfg.HTTP.Listen, cfg.Audit.Mode, cfg.HTTP.PingInterval)
	}
	if cfg.HTTP.MaxBody != 32<<20 {
		t.Errorf("the neighbour of an overridden key lost its default: %d", cfg.HTTP.MaxBody)
	}
}

func TestEveryMistakeIsReportedTogether(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"unknown keys": {good + "htp: {listen: x}\naudit: {mod: strict}\n", []string{"htp", "mod"}},
		"unknown key in a tier": {
			good + "tiers: {pro: {request_per_day: 5}}\n",
			[]string{"request_per_day"},
		},
		"wrong type": {good + "http: {ping_interval: soon}\n", []string{"ping_interval"}},
		"values that cannot work": {
			"audit: {mode: sometimes}\nquota: {timezone: Mars/Olympus}\noidc: {issuer: here, algorithms: [none]}\n",
			[]string{"audit.mode", "quota.timezone", "oidc.issuer", "none is not accepted", "database.url", "redis.url", "no backend"},
		},
		"a route to a backend of the other dialect": {
			strings.Replace(good, "[anthropic, openai]", "[openai]", 1),
			[]string{"tiers.free.routes[0]", "does not speak the anthropic dialect"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse([]byte(c.yaml), noEnviron)
			if err == nil {
				err = cfg.CheckFrontend()
			}
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not mention %q:\n%v", want, err)
				}
			}
		})
	}
}
