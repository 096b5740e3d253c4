package app

import (
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/config"
)

func TestAConfigurationIsExplained(t *testing.T) {
	cfg := &config.Config{Tiers: map[string]config.Tier{
		"pro": {Routes: []config.Route{
			{Match: "haiku", Backend: "anthropic"},
			{Match: "claude", Attempts: 4, Targets: []config.Target{{Backend: "anthropic", Weight: 80}, {Backend: "vertex"}, {Backend: "bedrock", Model: "m", Weight: 20}}},
		}},
		"free": {Routes: []config.Route{{Match: "*", Backend: "internal", Model: "internal"}}},
	}}
	var text strings.Builder
	if err := Explain(&text, cfg); err != nil {
		t.Fatal(err)
	}
	const want = `free  *       → internal internal
pro   haiku   → anthropic
      claude  → anthropic (80) · bedrock m (20), else vertex; at most 4 attempts
`
	if text.String() != want {
		t.Errorf("got\n%s", text.String())
	}
}
