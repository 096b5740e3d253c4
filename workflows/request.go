package workflows

import (
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// OutcomeSignal tells a [Request] that was started while its request ran that it has ended. It carries an [Outcome]
// and may come any number of times.
const OutcomeSignal = "outcome"

// lookAgain is how often a Request that waits for its signal looks for itself whether the request has ended.
const lookAgain = 10 * time.Minute

// RequestInput says which request a [Request] is of.
type RequestInput struct {
	ID      uuid.UUID
	Running bool // the request has not ended yet: wait for OutcomeSignal
}

// Outcome is what a waiting [Request] is told of its request's end.
type Outcome struct {
	Status  gateway.Status
	Target  gateway.Target // of the last attempt; none in a signal of a version that sent every request once
	Details string         // markdown, see [Details]
}

// Request puts one request on record and settles it, once. Its id is the request's. It answers what the request took
// from its quota. Cancelling it ends the wait for a running request; what has ended is settled all the same.
func Request(ctx workflow.Context, in RequestInput) (gateway.Charge, error) {
	r := request{id: in.ID, outcomes: workflow.GetSignalChannel(ctx, OutcomeSignal)}
	if in.Running {
		if err := r.awaitEnd(ctx); err != nil {
			return gateway.Charge{}, err
		}
	}
	ctx, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	settlement, err := r.writeLedger(ctx)
	if err != nil {
		return gateway.Charge{}, err
	}
	if err := r.settleQuota(ctx, settlement); err != nil {
		return gateway.Charge{}, err
	}
	r.drain()
	return settlement.Charge, nil
}

// request is the state of a Request workflow.
type request struct {
	id       uuid.UUID
	outcomes workflow.ReceiveChannel
	steps    *activities.Requests // nil: only the names of its methods are used
}

// awaitEnd waits until the request has ended, and shows how. The signal is the fast way; the ledger is asked now and
// then so that a request settled by another way does not leave a workflow behind that waits for ever.
func (r *request) awaitEnd(ctx workflow.Context) error {
	for {
		var outcome Outcome
		received := r.outcomes.ReceiveAsync(&outcome) // it is there if the signal cut the start delay
		if !received {
			received, _ = r.outcomes.ReceiveWithTimeout(ctx, lookAgain, &outcome)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if received {
			workflow.SetCurrentDetails(ctx, outcome.Details)
			return workflow.UpsertTypedSearchAttributes(ctx, outcome.attributes()...)
		}
		if r.onRecord(ctx) {
			return workflow.UpsertTypedSearchAttributes(ctx, newAttributes().status.ValueUnset())
		}
	}
}

// onRecord reports whether the request is in the ledger, or can be written there now. While it runs it cannot.
func (r *request) onRecord(ctx workflow.Context) bool {
	return workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, once()), r.steps.WriteLedger, r.id).Get(ctx, nil) == nil
}

func (r *request) writeLedger(ctx workflow.Context) (gateway.Settlement, error) {
	var settlement gateway.Settlement
	err := step(ctx, &settlement, r.steps.WriteLedger, r.id)
	return settlement, err
}

func (r *request) settleQuota(ctx workflow.Context, settlement gateway.Settlement) error {
	return step(ctx, nil, r.steps.SettleQuota, settlement)
}

// drain takes the signals that came more than once: a workflow that ends with signals unread is logged as a mistake.
func (r *request) drain() {
	for r.outcomes.ReceiveAsync(nil) {
	}
}
