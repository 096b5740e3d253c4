package conformance

import (
	"context"
	"fmt"
	"testing"
)

// failoverTier leads to a service of the OpenAI dialect first, and to one of the Anthropic dialect when that fails.
const failoverTier = `{routes: [{match: "*", targets: [{backend: openai}, {backend: standby}]}]}`

// TestAnotherBackendAnswersInTheOthersPlace is for what happens before the first byte, in each dialect: one of the two
// targets does not need the translation that the other does.
func TestAnotherBackendAnswersInTheOthersPlace(t *testing.T) {
	standby := backend{
		name: "failover", route: "standby", mount: "standby", speaks: []string{anthropic}, model: "claude-sonnet-5-5", routed: "claude-sonnet-5-5",
		credential: "Bearer mock-standby-token",
	}
	for name, fault := range map[string]map[string]any{
		"503": {"status": 503}, "429": {"status": 429}, "a connection that breaks": {"cut": 0}, "an error in place of the first event": {"error": 0},
	} {
		for _, client := range []string{anthropic, openai} {
			t.Run(client+" after "+name, func(t *testing.T) {
				if err := shared.MountFaults(t.Context(), "openai", fault); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := shared.MountFaults(context.Background(), "openai", nil); err != nil {
						t.Error(err)
					}
				})
				x := newRow(t, standby, client).ask(t, question{text: "hello there", stream: true})
				tried, err := shared.MountRequests(t.Context(), "openai", x.told.id)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Printf("%-9s tried before: %d requests at openai\n", "", len(tried))
				if len(tried) != 1 {
					t.Errorf("the first target was sent %d requests", len(tried))
				}
				x.wire = append(tried, x.wire...)
				x.checkLedger(t)
				x.wire = x.wire[1:]
				x.ledger.Attempts-- // those at the target that answered
				x.completed(t)
			})
		}
	}
}
