package clients_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// What Claude Code asks for when it is not told which model to use.
const defaultModel = "claude-opus-5-5"

func TestClaudeCodeIsTheVersionTheseTestsKnow(t *testing.T) {
	counted(t)
	if got := newClaude(t).run(t, "--version"); got.out != "2.1.330 (Claude Code)" {
		t.Errorf("version %q", got.all())
	}
}

func TestClaudeCodeAnswersInEveryTier(t *testing.T) {
	for _, c := range []struct{ tier, backend, model string }{
		{"free", "internal", "internal"},
		{"pro", "anthropic", "claude-haiku-5-5"},
		{"enterprise", "anthropic", defaultModel},
		{over + "openai", "openai", defaultModel},
	} {
		t.Run(c.tier, func(t *testing.T) {
			counted(t)
			user, tap := stack.User(t, c.tier), stack.Tap(t)
			counts := stack.Watch(t)

			newClaude(t, as(tap.URL, user.Token)...).run(t, "-p", "good morning").
				answered(t, "This is "+c.model+". You said: good morning")

			sentOnce(t, tap, "/v1/messages", 200)
			want := witness.Counts{Messages: 1}
			if c.backend == "openai" {
				want = witness.Counts{Chat: 1}
			}
			asked(t, counts, want)
			call, row := tap.Calls()[0], stack.Ledger(t, user.Subject, 0, 1)[0]
			entry := witness.Entry{
				ID: call.Answer.Get("Request-Id"), UserName: user.Name, Tier: c.tier, Endpoint: "messages",
				Session: call.Header.Get("X-Claude-Code-Session-Id"), ModelRequested: defaultModel, ModelRouted: c.model,
				Backend: c.backend, Status: "completed", HTTPStatus: 200, Stream: true, Charge: 1,
				InputTokens: row.InputTokens, OutputTokens: row.OutputTokens,
			}
			if row != entry {
				t.Errorf("ledger row\n%+v, want\n%+v", row, entry)
			}
			if row.Session == "" || row.InputTokens < 1 || row.OutputTokens < 1 {
				t.Errorf("session %q, %d tokens in and %d out: one is not on record", row.Session, row.InputTokens, row.OutputTokens)
			}
			if len(call.Body) < 40_000 {
				t.Errorf("a prompt of %d bytes is not one of a session", len(call.Body))
			}
			if got := stack.Used(t, user); got != 1 {
				t.Errorf("%d requests used, want 1", got)
			}
		})
	}
}

func TestClaudeCodeRunsATool(t *testing.T) {
	for tier, want := range map[string]witness.Counts{"pro": {Messages: 2}, over + "openai": {Chat: 2}} {
		t.Run(tier, func(t *testing.T) {
			counted(t)
			user, tap := stack.User(t, tier), stack.Tap(t)
			counts := stack.Watch(t)

			newClaude(t, as(tap.URL, user.Token)...).
				run(t, "-p", "--allowedTools", "Bash", "--", `use the Bash tool with {"command":"echo h''i there","description":"greet"}`).
				answered(t, "The tool answered: hi there")

			calls := tap.Calls()
			if len(calls) != 2 {
				t.Fatalf("a tool turn took %d requests, want 2: %s", len(calls), paths(calls))
			}
			if bytes.Contains(calls[0].Body, []byte(`"tool_result"`)) || !bytes.Contains(calls[1].Body, []byte(`"tool_result"`)) {
				t.Error("the tool's result is not in the second request, and only there")
			}
			asked(t, counts, want)
			rows := stack.Ledger(t, user.Subject, 0, 2)
			for i, row := range rows {
				if row.ID != calls[i].Answer.Get("Request-Id") || row.Status != "completed" || row.Session != rows[0].Session {
					t.Errorf("ledger row %d: %+v", i, row)
				}
			}
		})
	}
}

func TestClaudeCodeResumesASession(t *testing.T) {
	for tier, model := range map[string]string{"pro": "claude-haiku-5-5", over + "openai": defaultModel} {
		for _, how := range []string{"--continue", "--resume"} {
			t.Run(tier+" "+how, func(t *testing.T) {
				counted(t)
				resume(t, tier, how, "This is "+model+". You said: what was it?")
			})
		}
	}
}

// resume has a session, and then goes on with it.
func resume(t *testing.T, tier, how, answer string) {
	t.Helper()
	user, tap := stack.User(t, tier), stack.Tap(t)
	client := newClaude(t, as(tap.URL, user.Token)...)

	first := client.run(t, "-p", "--output-format", "json", "remember the heron")
	var told struct {
		Session string `json:"session_id"`
		Result  string `json:"result"`
	}
	if err := json.Unmarshal([]byte(first.out), &told); err != nil {
		t.Fatalf("%v in %s", err, first.all())
	}
	again := []string{"-p", how, "what was it?"}
	if how == "--resume" {
		again = []string{"-p", how, told.Session, "what was it?"}
	}
	client.run(t, again...).answered(t, answer)

	calls := tap.Calls()
	if len(calls) != 2 {
		t.Fatalf("%d requests, want 2: %s", len(calls), paths(calls))
	}
	for _, part := range []string{"remember the heron", told.Result} {
		if !bytes.Contains(calls[1].Body, []byte(part)) {
			t.Errorf("the second request does not carry %q", part)
		}
	}
	for _, row := range stack.Ledger(t, user.Subject, 0, 2) {
		if row.Status != "completed" || row.Session != told.Session {
			t.Errorf("ledger row %+v, want it completed and of session %s", row, told.Session)
		}
	}
}

func TestClaudeCodeShowsItsContextForNothing(t *testing.T) {
	for _, tier := range []string{"free", "pro", over + "openai"} {
		t.Run(tier, func(t *testing.T) {
			counted(t)
			user, tap := stack.User(t, tier), stack.Tap(t)
			counts := stack.Watch(t)

			got := newClaude(t, as(tap.URL, user.Token)...).run(t, "-p", "/context")
			if got.code != 0 || !bytes.Contains([]byte(got.out), []byte("Context Usage")) {
				t.Errorf("ended with %d and showed:\n%s", got.code, got.all())
			}

			calls := tap.Calls()
			if len(calls) <= 10 {
				t.Errorf("%d requests: too few to tell that a free user's 10 are not touched", len(calls))
			}
			for _, call := range calls {
				if call.Path != "/v1/messages/count_tokens" || call.Status != 200 {
					t.Errorf("%s was answered %d", call.Path, call.Status)
				}
			}
			if c := counts(); c.Messages != 0 || c.CountTokens > len(calls) {
				t.Errorf("the models were asked %+v for %d requests", c, len(calls))
			}
			recorded := len(calls)
			if tier == over+"openai" {
				recorded = 0 // its backend cannot count: the gateway estimates, and nothing leaves that would be on record
			}
			for _, row := range stack.Ledger(t, user.Subject, 0, recorded) {
				if row.Endpoint != "count_tokens" || row.Charge != 0 || row.Status != "completed" {
					t.Errorf("ledger row %+v, want a completed count_tokens that costs nothing", row)
				}
			}
			if used := stack.Used(t, user); used != 0 {
				t.Errorf("%d requests used, want none", used)
			}
		})
	}
}

// Variants of pointing the client at the gateway.
func TestClaudeCodeIsConfigured(t *testing.T) {
	user := stack.User(t, "pro")
	for _, c := range []struct {
		name      string
		variables func(tap string) []string
		path      string
	}{
		{"by the documentation", func(tap string) []string { return as(tap, user.Token) }, "/v1/messages"},
		{"with a base URL that ends in a slash", func(tap string) []string { return as(tap+"/", user.Token) }, "/v1/messages"},
		{"with a base URL that ends in /v1", func(tap string) []string { return as(tap+"/v1", user.Token) }, "/v1/v1/messages"},
		{"with the token as an API key", func(tap string) []string {
			return []string{"ANTHROPIC_BASE_URL=" + tap, "ANTHROPIC_API_KEY=" + user.Token}
		}, "/v1/messages"},
		{"with the token as an API key beside a wrong one", func(tap string) []string {
			return append(as(tap, "not-a-token"), "ANTHROPIC_API_KEY="+user.Token)
		}, "/v1/messages"},
	} {
		t.Run(c.name, func(t *testing.T) {
			counted(t)
			tap, before := stack.Tap(t), stack.Rows(t, user.Subject)
			newClaude(t, c.variables(tap.URL)...).run(t, "-p", "hello").answered(t, "This is claude-haiku-5-5. You said: hello")
			sentOnce(t, tap, c.path, 200)
			stack.Ledger(t, user.Subject, before, 1)
		})
	}
}

func TestClaudeCodeIsConfiguredByTheLinesThatTheStackPrints(t *testing.T) {
	counted(t)
	const petra = "f0000000-0000-4000-8000-000000000002"
	before := stack.Rows(t, petra)
	counts := stack.Watch(t)

	client := newClaude(t)
	client.command(t, "/bin/sh", "-c", `. "$0" && exec "$1" -p "hello"`, filepath.Join(stack.Dir, "claude-pro.env"), claudeBinary(t)).
		answered(t, "This is claude-haiku-5-5. You said: hello")

	asked(t, counts, witness.Counts{Messages: 1})
	if row := stack.Ledger(t, petra, before, 1)[0]; row.UserName != "petra" || row.Status != "completed" {
		t.Errorf("ledger row %+v", row)
	}
}
