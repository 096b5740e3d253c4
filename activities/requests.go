package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// settleChunk is how many requests SettleMany takes in one transaction.
const settleChunk = 100

// Ledger is where ended requests are put on record.
type Ledger interface {
	// WriteLedger moves ended requests to the ledger and answers what each takes from its quota, those that were
	// there before included. What cannot be written is named in the error, and the rest is answered all the same.
	WriteLedger(ctx context.Context, ids []uuid.UUID) ([]gateway.Settlement, error)
}

// Settler counts requests against the quota, each once however often it is given.
type Settler interface {
	Settle(ctx context.Context, settlements ...gateway.Settlement) error
}

// Requests are the activities of requests that have ended. The ledger comes first and the quota second: the quota
// can be rebuilt from the ledger at any moment, so a request may be missing there, but never the other way round.
type Requests struct {
	Ledger Ledger
	Quota  Settler
	// OnRecord is told which requests the ledger has now; nil tells nobody.
	OnRecord func(ids []uuid.UUID)
}

// WriteLedger puts one request on record and answers what it takes from its quota.
func (r *Requests) WriteLedger(ctx context.Context, id uuid.UUID) (gateway.Settlement, error) {
	settlements, err := r.write(ctx, []uuid.UUID{id})
	if err != nil {
		return gateway.Settlement{}, err
	}
	if len(settlements) != 1 {
		return gateway.Settlement{}, fmt.Errorf("the ledger answered %d settlements for request %s", len(settlements), id)
	}
	return settlements[0], nil
}

// SettleQuota replaces a request's reservation by its final charge. Its ledger row must be committed.
func (r *Requests) SettleQuota(ctx context.Context, s gateway.Settlement) error {
	return r.Quota.Settle(ctx, s)
}

// SettleMany puts requests on record and settles them, and answers how many. What fails for one does not keep the
// others from the ledger, nor from the quota.
func (r *Requests) SettleMany(ctx context.Context, ids []uuid.UUID) (int, error) {
	var (
		settlements []gateway.Settlement
		errs        []error
	)
	for chunk := range slices.Chunk(ids, settleChunk) {
		written, err := r.write(ctx, chunk)
		settlements = append(settlements, written...)
		errs = append(errs, err)
		activity.RecordHeartbeat(ctx, len(settlements))
	}
	errs = append(errs, r.Quota.Settle(ctx, settlements...))
	return len(settlements), errors.Join(errs...)
}

func (r *Requests) write(ctx context.Context, ids []uuid.UUID) ([]gateway.Settlement, error) {
	settlements, err := r.Ledger.WriteLedger(ctx, ids)
	if r.OnRecord != nil && len(settlements) > 0 {
		recorded := make([]uuid.UUID, len(settlements))
		for i, s := range settlements {
			recorded[i] = s.ID
		}
		r.OnRecord(recorded)
	}
	return settlements, err
}
