package clients_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// atOnce is how soon a user has to be told of what no retry mends. Left to itself the client retries for minutes.
const atOnce = 10 * time.Second

func TestClaudeCodeSaysAtOnceThatATokenIsWrong(t *testing.T) {
	expired := stack.ExpiredUser(t, "pro")
	for _, c := range []struct{ name, token string }{
		{"nonsense", "this-is-no-token"},
		{"expired", expired.Token},
		{"forged", tampered(stack.User(t, "pro").Token)},
	} {
		for _, variable := range []string{"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"} {
			t.Run(c.name+" in "+variable, func(t *testing.T) {
				counted(t)
				tap, counts := stack.Tap(t), stack.Watch(t)
				got := newClaude(t, "ANTHROPIC_BASE_URL="+tap.URL, variable+"="+c.token).run(t, "-p", "hello")
				refusedAtOnce(t, got, "Failed to authenticate", "401")
				sentOnce(t, tap, "/v1/messages", 401)
				asked(t, counts, witness.Counts{})
			})
		}
	}
	if rows := stack.Rows(t, expired.Subject); rows != 0 {
		t.Errorf("%d ledger rows of refused requests", rows)
	}
}

func TestClaudeCodeSaysAtOnceThatTheQuotaIsSpent(t *testing.T) {
	counted(t)
	user, tap := stack.User(t, "free"), stack.Tap(t)
	stack.Spend(t, user, 10)
	counts := stack.Watch(t)

	got := newClaude(t, as(tap.URL, user.Token)...).run(t, "-p", "one more")

	refusedAtOnce(t, got, "429", "used today's 10 requests of your free subscription")
	sentOnce(t, tap, "/v1/messages", 429)
	asked(t, counts, witness.Counts{})
	stack.Ledger(t, user.Subject, 0, 10)
	if used := stack.Used(t, user); used != 10 {
		t.Errorf("%d requests used, want 10", used)
	}
}

func TestClaudeCodeRecoversFromAnOverloadedModel(t *testing.T) {
	counted(t)
	user, tap := stack.User(t, "pro"), stack.Tap(t)
	stack.Fault(t, "anthropic", map[string]any{"status": 529, "status_first": 1})

	newClaude(t, as(tap.URL, user.Token)...).run(t, "-p", "hello").answered(t, "This is claude-haiku-5-5. You said: hello")

	if calls := tap.Calls(); len(calls) != 2 || calls[0].Status != 529 || calls[1].Status != 200 {
		t.Errorf("requests: %s, want 529 and 200", paths(calls))
	}
	rows := stack.Ledger(t, user.Subject, 0, 2)
	if rows[0].Status != "failed" || rows[0].Charge != 0 || rows[1].Status != "completed" || rows[1].Charge != 1 {
		t.Errorf("ledger rows %+v, want a failed one that costs nothing and a completed one", rows)
	}
	if used := stack.Used(t, user); used != 1 {
		t.Errorf("%d requests used, want 1", used)
	}
}

// A stream that breaks must not look complete: the client then asks again, without streaming in the end.
func TestClaudeCodeAsksAgainWhenAStreamBreaks(t *testing.T) {
	for name, fault := range breaks() {
		t.Run(name, func(t *testing.T) {
			counted(t)
			user, tap := stack.User(t, "pro"), stack.Tap(t)
			stack.FaultOnce(t, "anthropic", fault)

			newClaude(t, as(tap.URL, user.Token)...).run(t, "-p", "hello").answered(t, "This is claude-haiku-5-5. You said: hello")

			calls := tap.Calls()
			rows := stack.Ledger(t, user.Subject, 0, len(calls))
			if len(calls) != 2 || !bytes.Contains(calls[0].Body, []byte(`"stream":true`)) {
				t.Fatalf("requests: %s, want a stream and one more", paths(calls))
			}
			if rows[0].Status != "failed" || rows[1].Status != "completed" {
				t.Errorf("ledger rows %+v, want a failed one and a completed one", rows)
			}
		})
	}
}

// breaks are the ways in which a model's stream ends too early.
func breaks() map[string]map[string]any {
	return map[string]map[string]any{
		"by an error event":         {"error": 4, "gap": "50ms"},
		"by the connection's death": {"cut": 700, "gap": "50ms"},
	}
}

// refusedAtOnce checks that the client gave up soon, and that its user can tell why.
func refusedAtOnce(t *testing.T, got shown, says ...string) {
	t.Helper()
	if got.code == 0 {
		t.Errorf("Claude Code ended with 0 and showed:\n%s", got.all())
	}
	if got.took > atOnce {
		t.Errorf("Claude Code took %s", got.took)
	}
	for _, text := range says {
		if !strings.Contains(got.all(), text) {
			t.Errorf("Claude Code does not say %q:\n%s", text, got.all())
		}
	}
	for _, advice := range []string{"/login", "log in", "Login"} {
		if strings.Contains(got.all(), advice) {
			t.Errorf("Claude Code advises %q, which does not help:\n%s", advice, got.all())
		}
	}
}

// tampered changes the last part of a token, its signature.
func tampered(token string) string {
	at := strings.LastIndex(token, ".") + 1
	swapped := "A"
	if token[at] == 'A' {
		swapped = "B"
	}
	return token[:at] + swapped + token[at+1:]
}
