// Package conformance asks every kind of backend the same, in both dialects, through the real gateway: what comes back
// must be what a client of the dialect expects, and what went out what the backend's service takes. One line a row says
// what was sent and what came back.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// world is the one stack that the rows share.
type world struct {
	*stacktest.Stack
	db *pgxpool.Pool
}

var shared *world

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	// Rows of one backend fail on purpose, one after the other; that must not make the gateway leave it alone.
	args := []string{
		"--set", "frontend:upstream.eject_after=1000", "--set", "frontend:http.drain_delay=200ms", "--set", "frontend:tiers.failover=" + failoverTier,
		// Bedrock does not say which beta it refuses, so the one it is known to have must not be suspected.
		"--set", "frontend:backends.4.betas.keep=[interleaved-thinking-2025-05-14]",
	}
	for _, b := range backends() {
		args = append(args, "--set", fmt.Sprintf("frontend:tiers.%s={routes: [{match: \"*\", backend: %s}]}", b.name, b.route))
	}
	stack, err := stacktest.Start(ctx, args...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = &world{Stack: stack}
	code := 1
	if shared.db, err = pgxpool.New(ctx, stack.PostgresURLs["auditor"]); err == nil {
		code = m.Run()
		shared.db.Close()
	}
	if err := errors.Join(err, stack.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
