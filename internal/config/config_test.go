package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
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

func TestAGatewayWithoutAnIssuerMayRun(t *testing.T) {
	cfg, err := Parse([]byte(strings.Replace(good, `issuer: "https://id.example.org/realms/x"`, `issuer: ""`, 1)), noEnviron)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckFrontend(); err != nil {
		t.Errorf("refused: %v; it runs, and serves nobody", err)
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

func TestARouteMayBeWrittenShortOrWithTargets(t *testing.T) {
	cfg, err := Parse([]byte(good+`
tiers:
  team:
    routes:
      - match: claude
        attempts: 4
        targets: [{backend: anthropic, weight: 80}, {backend: internal, model: "org/model.v1", weight: 20}]
      - {match: "*", backend: internal, model: internal}
`), noEnviron)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckFrontend(); err != nil {
		t.Fatal(err)
	}
	want := []gateway.Rule{
		{Match: "claude", Attempts: 4, Choices: []gateway.Choice{
			{Target: gateway.Target{Backend: "anthropic"}, Weight: 80},
			{Target: gateway.Target{Backend: "internal", Model: "org/model.v1"}, Weight: 20},
		}},
		{Match: "*", Attempts: 1, Choices: []gateway.Choice{{Target: gateway.Target{Backend: "internal", Model: "internal"}}}},
	}
	if got := cfg.Routes()["team"].Rules; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
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
		"routes that lead nowhere": {
			good + "tiers: {pro: {routes: [{match: claude, backend: anthropic, targets: [{backend: nowhere, weight: -1}]}, {backend: internal, attempts: -2}]}}\n",
			[]string{"tiers.pro.routes[0]", "either backend and model, or targets", `no backend "nowhere"`, "weight must not be negative", "routes[1]: match is not set", "attempts must not be negative"},
		},
		"a target twice": {
			good + "tiers: {pro: {routes: [{match: claude, targets: [{backend: internal}, {backend: internal}]}]}}\n",
			[]string{"target internal is named twice"},
		},
		"backends that cannot be": {
			good + `  - {name: a, kind: bedrock, dialects: [openai], auth: {mode: none}}
  - {name: b, kind: vertex, dialects: [anthropic, openai]}
  - {name: c, kind: azure, dialects: [openai]}
  - {name: d, dialects: [openai], base_url: "http://d", auth: {mode: bearer}, max_concurrent: -1}
  - {name: e, dialects: [openai], base_url: "http://e", auth: {mode: operator}, region: x, project: y}
`,
			[]string{"anthropic dialect only", "default chain", "project is not set", "location is not set", "make a backend of each", `kind is "azure"`, "token_file is not set", "max_concurrent must not be negative", "is a Claude login", "region is for kind bedrock", "project and location are for kind vertex"},
		},
		"prices that cannot be": {good + "prices: [{match: opus, input: -1}, {input: 1}]\n", []string{"a price is negative", "prices[1]: match is not set"}},
		"no prices":             {good + "prices: []\n", []string{"prices is empty"}},
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
