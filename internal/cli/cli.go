package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/version"
)

// System is what the commands see of the machine they run on.
type System struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error // an error if the context ends first
	Columns  func() int                                 // of the terminal that Err is; 0 if it is none

	ConfigDir func() (string, error) // where programs keep what they know of their user
	HomeDir   func() (string, error)
	Keyring   Keyring // nil if there is none
}

// The exit codes of a command.
const (
	exitFailed      = 1   // the command could not do what it was asked to
	exitWithErrors  = 3   // the batch ended, and not every item succeeded
	exitStopped     = 4   // the batch was canceled, or expired
	exitInterrupted = 130 // by Ctrl-C, as shells have it
)

// exit is the error of a command that has said everything already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Run carries out a command line, which is without the program's name, and answers the exit code.
func Run(ctx context.Context, sys System, args []string) int {
	root := newRoot(sys) //nolint:contextcheck // the commands get it from cobra
	root.SetArgs(args)
	root.SetIn(sys.In)
	root.SetOut(sys.Out)
	root.SetErr(sys.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[exit](err); ok {
		return int(code)
	}
	fmt.Fprintln(sys.Err, "llmgw:", err)
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitFailed
}

func newRoot(sys System) *cobra.Command {
	s := &session{System: sys}
	root := &cobra.Command{
		Use: "llmgw", Version: version.String(), Short: "Work with an LLM gateway",
		SilenceUsage: true, SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.url, "url", "", "address of the `gateway`; LLMGW_URL, ANTHROPIC_BASE_URL, OPENAI_BASE_URL or that of your last login without it")
	flags.StringVar(&s.token, "token", "", "your `token`, which others may see in the list of processes; LLMGW_TOKEN, ANTHROPIC_AUTH_TOKEN, OPENAI_API_KEY or your login without it")
	flags.StringVar(&s.tokenFile, "token-file", "", "`file` with your token, read again whenever it is needed")
	flags.BoolVar(&s.json, "json", false, "write what was found as JSON")
	root.MarkFlagsMutuallyExclusive("token", "token-file")
	root.AddCommand(
		s.loginCommand(), s.logoutCommand(), s.tokenCommand(), s.configureCommand(), s.doctorCommand(),
		s.quotaCommand(), s.modelsCommand(), s.requestsCommand(), s.batchCommand(), s.auditCommand(),
	)
	return root
}

// session is one run of the program: the machine, and the flags that all commands have.
type session struct {
	System
	url, token, tokenFile string
	json                  bool
}

// say tells the user something that is not what the command was asked for.
func (s *session) say(format string, args ...any) { fmt.Fprintf(s.Err, format+"\n", args...) }
