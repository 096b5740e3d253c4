package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
)

const (
	sealAtOnce = 10_000 // rows in one seal
	sealRounds = 100    // seals in one workflow; the next one goes on
)

// Seal seals the ledger's rows that wait for it, and answers the last seal that it made: the head of the chain.
func Seal(ctx workflow.Context) (head activities.Sealed, err error) {
	var steps *activities.Seals // nil: only the names of its methods are used
	ctx = workflow.WithLocalActivityOptions(ctx, once())
	for range sealRounds {
		var made activities.Sealed
		if err := workflow.ExecuteLocalActivity(ctx, steps.Seal, sealAtOnce).Get(ctx, &made); err != nil {
			return head, err
		}
		if made.N == 0 {
			head.Waiting = made.Waiting
			break
		}
		if head = made; made.Rows < sealAtOnce {
			break
		}
	}
	return head, nil
}
