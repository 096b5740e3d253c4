package clients_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// claudeTimeout is more than any case may take; a client that retries in silence runs into it.
const claudeTimeout = time.Minute

// claude is an installation of Claude Code as a user has it: a home and a directory to work in.
type claude struct {
	home, work string
	env        []string
}

// newClaude makes an empty home. The variables point it at the gateway, as in "ANTHROPIC_BASE_URL=…".
func newClaude(t *testing.T, variables ...string) *claude {
	t.Helper()
	c := &claude{home: t.TempDir(), work: t.TempDir()}
	c.env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + c.home,
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
		"DISABLE_TELEMETRY=1",
		"DISABLE_AUTOUPDATER=1",
	}, variables...)
	return c
}

// as are the variables of a user who follows the documentation.
func as(baseURL, token string) []string {
	return []string{"ANTHROPIC_BASE_URL=" + baseURL, "ANTHROPIC_AUTH_TOKEN=" + token}
}

// shown is what a run showed its user.
type shown struct {
	out, err string
	code     int
	took     time.Duration
}

// all is everything that was shown.
func (s shown) all() string { return s.out + s.err }

// run runs the client to its end.
func (c *claude) run(t *testing.T, args ...string) shown {
	t.Helper()
	return c.command(t, append([]string{claudeBinary(t)}, args...)...)
}

// command runs any command in the client's environment.
func (c *claude) command(t *testing.T, argv ...string) shown {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), claudeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = c.work, c.env
	cmd.WaitDelay = 5 * time.Second // for children of the client that hold its output open
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	begin := time.Now()
	err := cmd.Run()
	s := shown{out: strings.TrimSpace(out.String()), err: strings.TrimSpace(complaints.String()), took: time.Since(begin)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("Claude Code did not end within %s; it showed:\n%s", claudeTimeout, s.all())
	case errors.As(err, &exit):
		s.code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return s
}

// answered checks that a run succeeded and what it showed.
func (s shown) answered(t *testing.T, want string) {
	t.Helper()
	if s.code != 0 || s.out != want {
		t.Errorf("Claude Code ended with %d and showed:\n%s\nwant:\n%s", s.code, s.all(), want)
	}
}

// discovered are the models that the client keeps as those of the gateway.
func (c *claude) discovered(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.home, ".claude/cache/gateway-models.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, id := range regexp.MustCompile(`"id":\s*"([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		ids = append(ids, id[1])
	}
	return ids
}

// claudeBinary is the client for this machine. The package's launcher would need a newer Node than the client does.
func claudeBinary(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("node_modules/@anthropic-ai/claude-code-*/claude")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("Claude Code is not installed: run `make clients`, or `npm ci --ignore-scripts` here")
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}
