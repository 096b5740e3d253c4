package app

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Explain writes where a configuration sends each tier's models, for whoever has just changed it.
func Explain(w io.Writer, cfg *config.Config) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	routes := cfg.Routes()
	for _, tier := range slices.Sorted(maps.Keys(routes)) {
		name := string(tier)
		for _, rule := range routes[tier].Rules {
			_, _ = fmt.Fprintf(table, "%s\t%s\t→ %s\n", name, rule.Match, way(rule)) // Flush tells
			name = ""
		}
	}
	return table.Flush()
}

// way is a rule's targets in a line: "anthropic (80) · bedrock (20), else vertex; at most 4 attempts".
func way(rule gateway.Rule) string {
	var drawn, others []string
	for _, c := range rule.Choices {
		target := c.Target.Backend
		if c.Target.Model != "" {
			target += " " + c.Target.Model
		}
		if c.Weight > 0 {
			drawn = append(drawn, fmt.Sprintf("%s (%d)", target, c.Weight))
		} else {
			others = append(others, target)
		}
	}
	if len(drawn) > 0 {
		others = append([]string{strings.Join(drawn, " · ")}, others...)
	}
	text := strings.Join(others, ", else ")
	if rule.Attempts != len(rule.Choices) {
		text += fmt.Sprintf("; at most %d attempts", rule.Attempts)
	}
	return text
}
