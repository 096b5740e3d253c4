package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/api"
)

// The states of a check.
const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkFailed  = "failed"
	checkSkipped = "skipped"
)

// check is what the doctor says of one thing.
type check struct {
	Name   string `json:"check"`
	State  string `json:"state"`
	Fault  string `json:"fault,omitempty"` // its name, for programs
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
}

func good(format string, args ...any) check {
	return check{State: checkOK, Found: fmt.Sprintf(format, args...)}
}

func fault(name, found, advice string) check {
	return check{State: checkFailed, Fault: name, Found: found, Advice: advice}
}

func warning(name, found, advice string) check {
	return check{State: checkWarning, Fault: name, Found: found, Advice: advice}
}

// skipped is a check that was not made.
func skipped(why string) check { return check{State: checkSkipped, Found: why} }

// examination is one run of the doctor, and what it has learned so far.
type examination struct {
	*session
	http     *http.Client
	address  address
	resource api.ProtectedResource
	skew     time.Duration // of this machine's clock: positive if it is ahead of the gateway's
	token    credential
	who      api.Doctor
	model    string // to send a request to; "" if there is none
	spent    bool   // nothing is left of a quota
	checks   []check
}

// doctorTimeout bounds one call of the doctor, so that a gateway that hangs is a finding.
const doctorTimeout = 30 * time.Second

func (s *session) doctorCommand() *cobra.Command {
	var quiet bool
	doctor := &cobra.Command{
		Use: "doctor", Short: "Find out why the gateway does not work for you", Args: cobra.NoArgs,
		Long: "Find out why the gateway does not work for you: address, TLS, what stands in between, clocks, token, subscription, quota, a request, streaming.\n\n" +
			"The exit code is 1 if anything is wrong. The request is a small one, which counts like any other.",
		Example: "  llmgw doctor\n  llmgw doctor --url https://llm.example.com --without-request --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := &examination{session: s, http: newHTTPClient(), spent: quiet}
			return e.run(cmd.Context(), quiet)
		},
	}
	doctor.Flags().BoolVar(&quiet, "without-request", false, "send no request to a model")
	return doctor
}

// run makes one check after the other. Those that rest on one that failed are skipped.
func (e *examination) run(ctx context.Context, quiet bool) error {
	e.environment()
	after := ""
	for _, step := range []struct {
		name  string
		vital bool // the following need it
		look  func(context.Context) check
	}{
		{"address", true, e.checkAddress},
		{"gateway", true, e.checkGateway},
		{"clock", false, e.checkClock},
		{"token", true, e.checkToken},
		{"models", false, e.checkModels},
		{"quota", false, e.checkQuota},
		{"request", false, func(ctx context.Context) check {
			if quiet {
				return skipped("not wanted")
			}
			return e.checkRequest(ctx)
		}},
		{"streaming", false, e.checkStreaming},
	} {
		if after != "" {
			e.tell(step.name, skipped("needs the "+after))
			continue
		}
		c := step.look(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
		e.tell(step.name, c)
		if step.vital && c.State == checkFailed && e.lost(step.name) {
			after = step.name
		}
	}
	return e.verdict()
}

// lost reports whether a check that failed left nothing to go on with. An address with /v1 twice is one to go on with.
func (e *examination) lost(name string) bool { return name != "address" || e.address.base == "" }

// tell notes a check, and shows it.
func (e *examination) tell(name string, c check) {
	c.Name = name
	e.checks = append(e.checks, c)
	if e.json {
		return
	}
	sign := map[string]string{checkOK: "✓", checkWarning: "!", checkFailed: "✗", checkSkipped: "-"}[c.State]
	fmt.Fprintf(e.Out, "%s %-11s  %s\n", sign, name, c.Found)
	if c.Advice != "" {
		fmt.Fprintf(e.Out, "  %-11s  → %s\n", "", c.Advice)
	}
}

func (e *examination) verdict() error {
	failed := 0
	for i := range e.checks {
		if e.checks[i].State == checkFailed {
			failed++
		}
	}
	if e.json {
		if err := e.writeJSON(map[string]any{"gateway": e.address.base, "ok": failed == 0, "checks": e.checks}); err != nil {
			return err
		}
	}
	switch failed {
	case 0:
		e.say("All is well.")
		return nil
	case 1:
		e.say("1 check failed.")
	default:
		e.say("%d checks failed.", failed)
	}
	return exit(exitFailed)
}

// get makes a call, with a token if there is one.
func (e *examination) get(ctx context.Context, path, token string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.address.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "llmgw")
	req.Header.Set("Cache-Control", "no-cache")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return e.http.Do(req)
}
