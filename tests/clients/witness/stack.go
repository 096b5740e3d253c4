// Package witness tells what really happened when a client used the gateway: what went over the wire, what the
// mock models were asked, what the quota counts and what the ledger holds.
package witness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// Running names the variable with the path of the stack.json of a stack that runs already and is to be used, in
// place of a new one.
const Running = "STACK_JSON"

// Stack is a running stack.
type Stack struct {
	stacktest.State

	own *stacktest.Stack // nil for a stack that ran before
	db  *pgxpool.Pool
}

// Start starts a stack of its own with more arguments, or joins the one that [Running] names, which is then to have
// been started with them.
func Start(ctx context.Context, args ...string) (*Stack, error) {
	s := &Stack{}
	if path := os.Getenv(Running); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &s.State); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	} else {
		own, err := stacktest.Start(ctx, args...)
		if err != nil {
			return nil, err
		}
		s.own, s.State = own, own.State
	}
	var err error
	if s.db, err = pgxpool.New(ctx, s.PostgresURLs["auditor"]); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close stops a stack that Start started.
func (s *Stack) Close() error {
	if s.db != nil {
		s.db.Close()
	}
	if s.own == nil {
		return nil
	}
	return s.own.Close()
}
