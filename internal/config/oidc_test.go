package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// issuers is a configuration with two identity providers.
const issuers = `
oidc:
  issuer: https://id.example.org/realms/x
  algorithms: [RS256, ES256]
  tier_claim: subscription.tier
  introspection: {mode: always, client_id: gateway, client_secret_file: /secret, cache: 5s}
  additional:
    - {issuer: "https://partner.example.com", subject_prefix: "partner:", tier_claim: plan, clock_skew: 1m}
database: {url: "postgres://f@db/llmgw"}
redis: {url: "redis://r:6379/0"}
backends:
  - {name: anthropic, dialects: [anthropic], base_url: "https://a.example.org", auth: {mode: operator}}
  - {name: internal, dialects: [anthropic, openai], base_url: "http://vllm:8000", auth: {mode: none}}
`

func TestAnAdditionalIssuerIsLikeTheFirstInWhatItLeavesOut(t *testing.T) {
	cfg, err := Parse([]byte(issuers), noEnviron)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckFrontend(); err != nil {
		t.Fatal(err)
	}
	first := Provider{
		Issuer: "https://id.example.org/realms/x", Audience: "llm-gateway", Algorithms: []string{"RS256", "ES256"}, TierClaim: "subscription.tier",
		UserClaim: "preferred_username", RolesClaim: "roles", GroupsClaim: "groups", ClockSkew: 30 * time.Second,
		Introspection: Introspection{Mode: IntrospectAlways, ClientID: "gateway", ClientSecretFile: "/secret", Cache: 5 * time.Second},
	}
	second := first
	second.Issuer, second.SubjectPrefix, second.TierClaim, second.ClockSkew = "https://partner.example.com", "partner:", "plan", time.Minute
	second.Introspection = Introspection{Cache: 5 * time.Second} // the first one's credentials are not the second's to see
	if got, want := cfg.OIDC.Providers(), []Provider{first, second}; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAFileNeedNotSayWhatTheDefaultsDo(t *testing.T) {
	cfg, err := Parse([]byte("oidc: {issuer: \"https://id.example.org\", introspection: {mode: opaque}}\n"), func() []string {
		return []string{"LLMGW_OIDC__GROUPS_CLAIM=teams", "LLMGW_OIDC__INTROSPECTION__CLIENT_ID=gateway"}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default().OIDC
	want.Issuer, want.GroupsClaim = "https://id.example.org", "teams"
	want.Introspection.Mode, want.Introspection.ClientID = IntrospectOpaque, "gateway"
	if !reflect.DeepEqual(cfg.OIDC, want) {
		t.Errorf("got  %+v\nwant %+v", cfg.OIDC, want)
	}
}

func TestMistakesAboutIssuersAreTold(t *testing.T) {
	with := func(line string) string {
		return strings.Replace(issuers, "  additional:\n", line+"  additional:\n", 1)
	}
	another := func(item string) string {
		return strings.Replace(issuers, "database:", "    - "+item+"\ndatabase:", 1)
	}
	for name, c := range map[string]struct{ yaml, want string }{
		"additional issuers without a first": {
			strings.Replace(issuers, "issuer: https://id.example.org/realms/x", `issuer: ""`, 1), "oidc.additional is set, but oidc.issuer is not",
		},
		"an additional issuer without a prefix": {another(`{issuer: "https://c.example.org"}`), "oidc.additional[1].subject_prefix is not set"},
		"a prefix that begins another": {
			another(`{issuer: "https://c.example.org", subject_prefix: "part"}`), `subject_prefix is "part" and another's is "partner:"`,
		},
		"the same prefix twice":         {another(`{issuer: "https://c.example.org", subject_prefix: "partner:"}`), "one must not begin with the other"},
		"the first issuer once more":    {another(`{issuer: "https://id.example.org/realms/x", subject_prefix: "c:"}`), "oidc.additional[1].issuer is https://id.example.org/realms/x, which is configured already"},
		"an additional issuer twice":    {another(`{issuer: "https://partner.example.com", subject_prefix: "c:"}`), "which is configured already"},
		"an additional issuer, no URL":  {another(`{issuer: partner, subject_prefix: "c:"}`), "oidc.additional[1].issuer"},
		"a weak algorithm in one":       {another(`{issuer: "https://c.example.org", subject_prefix: "c:", algorithms: [HS256]}`), "oidc.additional[1].algorithms: HS256 is not accepted"},
		"a prefix of the first":         {with("  subject_prefix: \"own:\"\n"), "oidc.subject_prefix is for additional issuers"},
		"a default tier that is none":   {with("  default_tier: gold\n"), `oidc.default_tier is "gold", which tiers does not have`},
		"a negative skew":               {with("  clock_skew: -1s\n"), "oidc.clock_skew must not be negative"},
		"an unknown mode":               {strings.Replace(issuers, "mode: always", "mode: often", 1), `oidc.introspection.mode is "often"`},
		"introspection without client":  {strings.Replace(issuers, "client_id: gateway, ", "", 1), "oidc.introspection.client_id is not set"},
		"introspection without secret":  {strings.Replace(issuers, "client_secret_file: /secret, ", "", 1), "oidc.introspection.client_secret_file is not set"},
		"introspection without a cache": {strings.Replace(issuers, "cache: 5s", "cache: 0s", 1), "oidc.introspection.cache must be greater than zero"},
		"a client without a mode":       {strings.Replace(issuers, "mode: always, ", "", 1), "oidc.introspection.mode is not set"},
		"an unknown key in one":         {another(`{issuer: "https://c.example.org", prefix: "c:"}`), "prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse([]byte(c.yaml), noEnviron)
			if err == nil {
				err = cfg.CheckFrontend()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}
