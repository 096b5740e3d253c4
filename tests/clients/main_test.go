// Package clients_test runs the real clients, Claude Code and the SDKs of both vendors, through the gateway of a running
// stack, and compares what they show their user with what the models were asked and what the ledger holds.
package clients_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openova-io/llm-gateway/tests/clients/witness"
)

// What TestMain shares with the tests: the stack is started once, since that takes seconds.
var (
	stack          *witness.Stack
	passed, failed atomic.Int64
)

func TestMain(m *testing.M) {
	// The SDKs of this process look into the environment too.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "ANTHROPIC_") {
			_ = os.Unsetenv(name)
		}
	}
	var err error
	if stack, err = witness.Start(context.Background(), tiers()...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := stack.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the stack:", err)
	}
	fmt.Printf("%d passed, %d failed\n", passed.Load(), failed.Load())
	os.Exit(code)
}

// over begins the names of the tiers whose models are all those of one backend, as in "overopenai".
const over = "over"

// tiers are arguments of the stack for tiers that lead to one backend each, and for a backend that its callers have
// logins of their own for.
func tiers() []string {
	var args []string
	for _, backend := range []string{"anthropic", "openai", "standby"} {
		var routes []string
		for _, model := range []string{"claude", "internal", "text-embedding-3-small"} {
			routes = append(routes, fmt.Sprintf("{match: %s, backend: %s}", model, backend))
		}
		args = append(args, "--set", fmt.Sprintf("tiers.%s%s={routes: [%s]}", over, backend, strings.Join(routes, ", ")))
	}
	return append(args,
		"--set", "worker:batch.per_tenant=2", // so that a batch can be canceled before all of it runs
		"--set", "backends.2.reasoning=true", // of openai
		"--set", "backends.3.auth={mode: caller}") // of standby
}

// counted puts a case into the closing count.
func counted(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		switch {
		case t.Failed():
			failed.Add(1)
		case !t.Skipped():
			passed.Add(1)
		}
	})
}

// sentOnce checks that a client sent one request of a path and what was answered.
func sentOnce(t *testing.T, tap *witness.Tap, path string, status int) {
	t.Helper()
	calls := tap.Calls()
	if len(calls) != 1 {
		t.Fatalf("the client sent %d requests, want 1: %s", len(calls), paths(calls))
	}
	if calls[0].Path != path || calls[0].Status != status {
		t.Errorf("%s was answered %d, want %s and %d", calls[0].Path, calls[0].Status, path, status)
	}
}

func paths(calls []witness.Call) string {
	list := make([]string, len(calls))
	for i, c := range calls {
		list[i] = fmt.Sprintf("%s %s %d", c.Method, c.Path, c.Status)
	}
	return strings.Join(list, ", ")
}

// asked checks what the models were asked since a watch began.
func asked(t *testing.T, counts func() witness.Counts, want witness.Counts) {
	t.Helper()
	if got := counts(); got != want {
		t.Errorf("the models were asked %+v, want %+v", got, want)
	}
}
