package clients_test

import (
	"slices"
	"testing"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// What Claude Code does with a gateway that it does not do with Anthropic's own service.

// It only takes for models those that have "claude" or "anthropic" in their names.
func TestClaudeCodeDiscoversAndUsesAnInternalModel(t *testing.T) {
	for tier, want := range map[string]witness.Counts{"enterprise": {Messages: 1}, over + "openai": {Chat: 1}} {
		t.Run(tier, func(t *testing.T) {
			counted(t)
			const alias = "claude--internal"
			user, tap := stack.User(t, tier), stack.Tap(t)
			counts := stack.Watch(t)
			client := newClaude(t, append(as(tap.URL, user.Token), "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY=1")...)

			client.run(t, "-p", "--model", alias, "hello").answered(t, "This is internal. You said: hello")

			if found := client.discovered(t); !slices.Contains(found, alias) || !slices.Contains(found, "claude-haiku-5-5") {
				t.Errorf("Claude Code knows of the models %v", found)
			}
			asked(t, counts, want)
			row := stack.Ledger(t, user.Subject, 0, 1)[0]
			if row.ModelRequested != alias || row.ModelRouted != "internal" || row.Status != "completed" {
				t.Errorf("ledger row %+v", row)
			}
		})
	}
}

// Its user's own login goes to the model, and the gateway's token does not.
func TestClaudeCodeBringsALoginOfItsOwn(t *testing.T) {
	counted(t)
	const login = "mock-standby-token" // the model takes no other
	user, tap := stack.User(t, over+"standby"), stack.Tap(t)
	stack.Watch(t)

	newClaude(t, append(as(tap.URL, login), "ANTHROPIC_CUSTOM_HEADERS=X-Gateway-Token: "+user.Token)...).
		run(t, "-p", "hello").answered(t, "This is "+defaultModel+". You said: hello")

	sentOnce(t, tap, "/v1/messages", 200)
	if row := stack.Ledger(t, user.Subject, 0, 1)[0]; row.Backend != "standby" || row.UserName != user.Name || row.Status != "completed" {
		t.Errorf("ledger row %+v", row)
	}
	requests := stack.Requests(t, "standby")
	if len(requests) != 1 {
		t.Fatalf("the model was sent %d requests, want 1", len(requests))
	}
	for name, values := range requests[0] {
		if slices.Contains(values, user.Token) || slices.Contains(values, "Bearer "+user.Token) {
			t.Errorf("the model was sent the gateway's token as %s", name)
		}
	}
	for name, secret := range map[string]string{"the user's own login": login, "the gateway's token": user.Token} {
		if stack.Mentions(t, secret) {
			t.Errorf("%s is in the ledger or in a log", name)
		}
	}
}
