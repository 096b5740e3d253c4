package clients_test

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// A user who has logged in with llmgw and let it write Claude Code's settings needs no variable.
func TestClaudeCodeWorksAsLlmgwConfiguresIt(t *testing.T) {
	counted(t)
	user, tap := stack.User(t, "enterprise"), stack.Tap(t)
	counts := stack.Watch(t)
	client := newClaude(t)
	client.loggedIn(t, tap.URL, user.Token)
	llmgw, err := filepath.Abs("../../bin/llmgw")
	if err != nil {
		t.Fatal(err)
	}
	if s := client.command(t, llmgw, "configure", "claude", "--url", tap.URL, "--yes"); s.code != 0 || !strings.Contains(s.err, "apiKeyHelper") {
		t.Fatalf("llmgw configure claude ended with %d and showed:\n%s", s.code, s.all())
	}

	client.run(t, "-p", "good morning").answered(t, "This is "+defaultModel+". You said: good morning")

	sentOnce(t, tap, "/v1/messages", 200)
	asked(t, counts, witness.Counts{Messages: 1})
	if row := stack.Ledger(t, user.Subject, 0, 1)[0]; row.UserName != user.Name || row.Status != "completed" {
		t.Errorf("ledger row %+v", row)
	}
}

// loggedIn leaves what llmgw login leaves.
func (c *claude) loggedIn(t *testing.T, gateway, token string) {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"gateway": gateway, "store": "file", "access_token": token, "issued_at": time.Now(), "expires_at": time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(c.home, ".config", "llmgw")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, url.QueryEscape(gateway)+".json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
