package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const limitsText = `
classes:
  - {name: dear, match: [opus, gpt-9]}
tiers:
  pro:
    requests_per_day: 1000
    tokens_per_day: 5000
    requests_per_minute: 60
    concurrent_requests: 8
    classes: {dear: {requests_per_day: 50}}
overrides:
  - group: /research
    requests_per_day: 5000
    classes: {dear: {tokens_per_day: 9}}
  - subject: 7c1d
    requests_per_day: -1
    tokens_per_day: -1
    requests_per_minute: 0
    concurrent_requests: 32
`

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse([]byte(text), func() []string { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestATiersLimitsAreWhatTheFileSays(t *testing.T) {
	cfg := parsed(t, limitsText)
	if err := cfg.checkLimits(); err != nil {
		t.Fatal(err)
	}
	want := gateway.Limits{
		DayLimits: gateway.DayLimits{Requests: 1000, Tokens: 5000}, PerMinute: 60, Concurrent: 8,
		Classes: map[string]gateway.DayLimits{"dear": {Requests: 50, Tokens: gateway.Unlimited}},
	}
	if got := cfg.Routes()["pro"].Limits; !reflect.DeepEqual(got, want) {
		t.Errorf("pro: %+v, want %+v", got, want)
	}
	free := cfg.Routes()["free"].Limits
	if free.Requests != 10 || free.PerMinute >= 0 || free.Concurrent >= 0 || free.Open || free.Of("dear").Requests >= 0 {
		t.Errorf("a tier of which the file says nothing: %+v", free)
	}
	if enterprise := cfg.Routes()["enterprise"].Limits; enterprise.Set() || !enterprise.Open {
		t.Errorf("a tier without limits: %+v", enterprise)
	}
}

func TestAnOverrideLeavesWhatItDoesNotName(t *testing.T) {
	cfg := parsed(t, limitsText)
	pro := cfg.Routes()["pro"].Limits
	research, one := cfg.Overrides[0].Apply(pro), cfg.Overrides[1].Apply(pro)
	if research.Requests != 5000 || research.Tokens != 5000 || research.PerMinute != 60 || research.Of("dear") != (gateway.DayLimits{Requests: 50, Tokens: 9}) {
		t.Errorf("%s: %+v", cfg.Overrides[0], research)
	}
	if one.Requests >= 0 || one.Tokens >= 0 || one.PerMinute >= 0 || one.Concurrent != 32 || one.Of("dear").Requests != 50 {
		t.Errorf("%s: %+v", cfg.Overrides[1], one)
	}
	if pro.Of("dear").Tokens >= 0 {
		t.Error("the tier's own limits were changed")
	}
	if enterprise := cfg.Overrides[1].Apply(cfg.Routes()["enterprise"].Limits); enterprise.Open {
		t.Error("a caller who is limited now passes unchecked while Redis is away")
	}
}

func TestAnOverrideIsForASubjectOrAGroup(t *testing.T) {
	cfg := parsed(t, limitsText)
	for name, c := range map[string]struct {
		caller gateway.Principal
		want   []bool
	}{
		"a member":              {gateway.Principal{Subject: "x", Groups: []string{"/staff", "/research"}}, []bool{true, false}},
		"a subject":             {gateway.Principal{Subject: "7c1d"}, []bool{false, true}},
		"of the subject's name": {gateway.Principal{Subject: "x", User: "7c1d"}, []bool{false, false}},
		"nobody":                {gateway.Principal{}, []bool{false, false}},
	} {
		for i, o := range cfg.Overrides {
			if o.Of(c.caller) != c.want[i] {
				t.Errorf("%s: %s", name, o)
			}
		}
	}
}

func TestMistakesInLimitsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"classes: [{match: [opus]}]":                                      "classes[0] : name is not set",
		"classes: [{name: dear}]":                                         "classes[0] dear: match is empty",
		"classes: [{name: a, match: [x]}, {name: a, match: [y]}]":         "classes[1] a: the name is used twice",
		"tiers: {pro: {classes: {dear: {requests_per_day: 1}}}}":          `tiers.pro.classes: there is no class "dear" under classes`,
		"tiers: {pro: {without_redis: perhaps}}":                          `tiers.pro.without_redis is "perhaps"; it must be one of`,
		"overrides: [{requests_per_day: 1}]":                              "overrides[0]: name either a subject or a group",
		"overrides: [{subject: a, group: b}]":                             "overrides[0]: name either a subject or a group",
		"overrides: [{subject: a, classes: {dear: {tokens_per_day: 1}}}]": `overrides[0].classes: there is no class "dear" under classes`,
	} {
		if err := parsed(t, text).checkLimits(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
