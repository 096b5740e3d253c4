package workflows_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/seal"
	"github.com/openova-io/llm-gateway/workflows"
)

// backlog is a ledger with rows that wait.
type backlog struct {
	waiting int
	head    seal.Seal
	err     error
}

func (b *backlog) Seal(_ context.Context, limit int, _ func(*seal.Seal) error) (seal.Seal, error) {
	rows := min(b.waiting, limit)
	if rows == 0 || b.err != nil {
		return seal.Seal{}, b.err
	}
	b.waiting -= rows
	b.head = seal.New(b.head, b.head.SealedAt, nil, "[]")
	b.head.Rows = rows
	return b.head, nil
}

func (b *backlog) Unsealed(context.Context) (int64, error) { return int64(b.waiting), nil }

func TestSeal(t *testing.T) {
	for name, c := range map[string]struct {
		backlog backlog
		seals   int64
		rows    int // of the last
		left    int64
		err     string
	}{
		"finds nothing":                             {},
		"makes one seal of what there is":           {backlog: backlog{waiting: 9_999}, seals: 1, rows: 9_999},
		"looks again after a full one":              {backlog: backlog{waiting: 10_000}, seals: 1, rows: 10_000},
		"makes as many as it takes":                 {backlog: backlog{waiting: 25_000}, seals: 3, rows: 5_000},
		"leaves what is too much for the next time": {backlog: backlog{waiting: 1_020_000}, seals: 100, rows: 10_000, left: 20_000},
		"says why it could not":                     {backlog: backlog{waiting: 1, err: errors.New("no key")}, err: "no key"},
	} {
		t.Run(name, func(t *testing.T) {
			env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
			var told, waiting int64
			env.RegisterActivity(&activities.Seals{Ledger: &c.backlog, OnSeal: func(made seal.Seal) { told = max(told, made.N) }, OnWaiting: func(n int64) { waiting = n }})
			env.ExecuteWorkflow(workflows.Seal)
			if c.err != "" {
				require.ErrorContains(t, env.GetWorkflowError(), c.err)
				require.EqualValues(t, 1, waiting, "what waits is told, although it cannot be sealed")
				return
			}
			var head activities.Sealed
			require.NoError(t, env.GetWorkflowResult(&head))
			require.Equal(t, c.seals, head.N)
			require.Equal(t, c.seals, told)
			require.Equal(t, c.rows, head.Rows)
			require.Equal(t, c.left, head.Waiting)
			if c.seals > 0 {
				require.Equal(t, c.backlog.head.Hash.String(), head.Hash)
			}
		})
	}
}
