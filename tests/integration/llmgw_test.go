package integration

import (
	"bytes"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// llmgw runs the program itself, as somebody who has a token.
func (w *world) llmgw(t *testing.T, token string, args ...string) (out, complaints string, err error) {
	t.Helper()
	root, err := stacktest.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "llmgw"), args...)
	home := t.TempDir()
	cmd.Env = []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, "LLMGW_URL=" + w.Gateway, "LLMGW_TOKEN=" + token}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

func TestTheCommandShowsHealthQuotaAndModels(t *testing.T) {
	w := stack(t)
	token := w.mint(t, "pro")
	for _, c := range []struct{ command, says string }{
		{"doctor", "✓ streaming    events arrive as they are sent"},
		{"quota", "1 of 1,000"}, // the doctor's
		{"models", "claude-opus"},
	} {
		if out, complaints, err := w.llmgw(t, token, c.command); err != nil || !strings.Contains(out, c.says) {
			t.Errorf("llmgw %s: %v, and not %q:\n%s%s", c.command, err, c.says, out, complaints)
		}
	}
}

func TestTheCommandReadsTheRecord(t *testing.T) {
	w := stack(t)
	owner, other := w.mint(t, "pro"), w.mint(t, "pro")
	prompt := message("claude-haiku-5-5", "what nobody else may read", false)
	sent := w.askAs(t.Context(), owner, "/v1/messages", prompt)
	if sent.status != http.StatusOK {
		t.Fatal(sent)
	}
	id := sent.id()
	for _, c := range []struct {
		name, token string
		args        []string
		says        string // "": it is refused
	}{
		{"the owner finds it", owner, []string{"requests", "list"}, id},
		{"the owner reads it", owner, []string{"requests", "show", id, "--body", "request"}, prompt},
		{"the owner reads the answer", owner, []string{"requests", "show", id, "--body", "response"}, sent.body},
		{"another does not find it", other, []string{"requests", "show", id}, ""},
		{"another does not read it", other, []string{"requests", "show", id, "--body", "request"}, ""},
		{"another may not ask by user", other, []string{"requests", "list", "--user", "petra"}, ""},
		{"an auditor reads it", w.Tokens["auditor"], []string{"requests", "show", id, "--body", "request", "--reason", "ticket 4711"}, prompt},
		{"and is on record", owner, []string{"requests", "show", id}, `"ticket 4711"`},
	} {
		out, complaints, err := w.llmgw(t, c.token, c.args...)
		switch {
		case c.says == "" && (err == nil || out != "" || complaints == ""):
			t.Errorf("%s: it was not refused: %s", c.name, out)
		case c.says != "" && (err != nil || !strings.Contains(out, c.says)):
			t.Errorf("%s: %v, and not %q:\n%s%s", c.name, err, c.says, out, complaints)
		}
	}
}
