package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"
)

func (s *session) configureCommand() *cobra.Command {
	configure := &cobra.Command{
		Use: "configure", Short: "Set other clients up for the gateway",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var scope string
	var yes bool
	claude := &cobra.Command{
		Use: "claude", Short: "Set Claude Code up: the gateway's address, and your login as its token", Args: cobra.NoArgs,
		Long: "Set Claude Code up: the gateway's address, and your login as its token.\n\n" +
			"What would change in its settings is shown before anything is written. All else in them stays as it is, and the file as it was is kept beside it.",
		Example: "  llmgw configure claude\n  llmgw configure claude --scope project --yes",
		RunE:    func(*cobra.Command, []string) error { return s.configureClaude(scope, yes) },
	}
	claude.Flags().StringVar(&scope, "scope", "user", "whose settings: user, or project for the directory you are in")
	claude.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	configure.AddCommand(claude)
	return configure
}

// configured is what llmgw configure claude did.
type configured struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`
	Backup  string `json:"backup,omitempty"` // the file as it was
}

func (s *session) configureClaude(scope string, yes bool) error {
	a, err := s.address()
	if err != nil {
		return err
	}
	file, err := s.claudeSettings(scope)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(file)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return err
	}
	after, err := withSettings(before, claudeValues(a.base, program()))
	if err != nil {
		return fmt.Errorf("%s %w. Nothing was changed", file, err)
	}
	s.warnOfRivals(after)
	done := configured{File: file, Changed: !bytes.Equal(before, after)}
	if done.Changed {
		s.say("%s", strings.TrimRight(string(diff.Diff(file, before, file, after)), "\n"))
		if !yes && !s.agrees() {
			return errors.New("nothing was changed. --yes changes it without a question")
		}
		if done.Backup, err = s.writeSettings(file, before, after, fresh); err != nil {
			return err
		}
	}
	switch {
	case s.json:
		return s.writeJSON(done)
	case !done.Changed:
		s.say("%s says so already.", file)
	default:
		s.say("%s is written. Start Claude Code anew.", file)
	}
	return nil
}

// claudeSettings is the file with the settings of a scope.
func (s *session) claudeSettings(scope string) (string, error) {
	switch scope {
	case "project":
		return filepath.Join(".claude", "settings.json"), nil
	case "user":
		dir, err := s.claudeDir()
		return filepath.Join(dir, "settings.json"), err
	}
	return "", fmt.Errorf("there is no scope %q. Give --scope user or --scope project", scope)
}

// claudeDir is where Claude Code keeps the settings of its user.
func (s *session) claudeDir() (string, error) {
	if dir := s.Getenv("CLAUDE_CONFIG_DIR"); dir != "" {
		return dir, nil
	}
	home, err := s.HomeDir()
	return filepath.Join(home, ".claude"), err
}

// claudeValues are the settings, by their paths. Claude Code asks for the token again before what is left of the life of a
// fresh one is over.
func claudeValues(gateway, program string) []setting {
	return []setting{
		{[]string{"apiKeyHelper"}, program + " token --url " + shellWord(gateway)},
		{[]string{"env", "ANTHROPIC_BASE_URL"}, gateway},
		{[]string{"env", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS"}, "55000"},
	}
}

// program is how a shell starts this one.
func program() string {
	self, err := os.Executable()
	if err != nil {
		return "llmgw"
	}
	if found, err := exec.LookPath("llmgw"); err == nil && sameFile(found, self) {
		return "llmgw"
	}
	return shellWord(self)
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// shellWord is a text that a shell takes for one word.
func shellWord(text string) string {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:._-") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// warnOfRivals names what Claude Code would take in place of the helper.
func (s *session) warnOfRivals(settings []byte) {
	for _, name := range []string{"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"} {
		if gjson.GetBytes(settings, "env."+name).Exists() {
			s.say("These settings have env.%s, which Claude Code takes in place of your login. Remove it.", name)
		}
		if s.Getenv(name) != "" {
			s.say("%s is set, which Claude Code takes in place of your login. Unset it.", name)
		}
	}
}

// agrees asks the user.
func (s *session) agrees() bool {
	fmt.Fprint(s.Err, "Write this? [y/N] ")
	answer, _ := bufio.NewReader(s.In).ReadString('\n') // no answer is a no
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}

// writeSettings writes the file, and beforehand a copy of it as it was, whose name it answers.
func (s *session) writeSettings(file string, before, after []byte, fresh bool) (backup string, err error) {
	mode := fs.FileMode(0o600)
	if fresh {
		err = os.MkdirAll(filepath.Dir(file), 0o750)
	} else {
		backup = file + s.Now().Format(".20060102-150405.bak")
		info, statErr := os.Stat(file)
		if statErr != nil {
			return "", statErr
		}
		mode = info.Mode().Perm()
		err = os.WriteFile(backup, before, mode)
	}
	if err != nil {
		return "", err
	}
	err = replace(file, func(w io.Writer) error {
		_, err := w.Write(after)
		return err
	})
	if err != nil {
		return "", err
	}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	return backup, os.Chmod(file, mode)
}
