package conformance

import (
	"testing"
)

// rule is one thing that holds for every row that it applies to.
type rule struct {
	name    string
	applies func(r row) bool // nil: to all
	check   func(t *testing.T, r row)
}

func TestEveryBackendInBothDialects(t *testing.T) {
	rules := append(answers(), failures()...)
	rules = append(rules, features()...)
	for _, b := range backends() {
		for _, client := range []string{anthropic, openai} {
			t.Run(b.name+"/"+client, func(t *testing.T) {
				t.Parallel()
				r := newRow(t, b, client)
				for _, rule := range rules {
					if rule.applies == nil || rule.applies(r) {
						t.Run(rule.name, func(t *testing.T) { rule.check(t, r) })
					}
				}
			})
		}
	}
}
