package activities

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// closeItems is how many items are closed in one transaction.
const closeItems = 250

// BatchSummary is how a batch ended.
type BatchSummary struct {
	ID         string           `json:"id"`  // "msgbatch_…", "batch_…"
	End        gateway.BatchEnd `json:"end"` // "completed", "refused", "canceled", "expired"
	Counts     BatchCounts      `json:"counts"`
	Usage      api.Usage        `json:"usage"`
	OutputFile string           `json:"output_file,omitempty"` // "file-…": what succeeded
	ErrorFile  string           `json:"error_file,omitempty"`  // all other items
	Errors     []api.InputError `json:"errors,omitempty"`      // why the input was refused
	StartedAt  time.Time        `json:"started_at,omitzero"`
	EndedAt    time.Time        `json:"ended_at"`
}

// BatchCounts are the items of a batch by what became of them.
type BatchCounts struct {
	Total     int `json:"total"`
	Succeeded int `json:"succeeded"`
	Errored   int `json:"errored"`
	Canceled  int `json:"canceled"`
	Expired   int `json:"expired"`
}

// CountsOf are the counts of a batch of so many items.
func CountsOf(total int, c gateway.ItemCounts) BatchCounts {
	return BatchCounts{total, c.Succeeded, c.Errored, c.Canceled, c.Expired}
}

func summarize(b *gateway.Batch) BatchSummary {
	return BatchSummary{
		ID: b.PublicID(), End: b.End, Counts: CountsOf(b.Total, b.Counts), Usage: api.UsageOf(b), Errors: api.InputErrorsOf(b),
		OutputFile: gateway.PublicFileID(b.OutputFile), ErrorFile: gateway.PublicFileID(b.ErrorFile),
		StartedAt: b.StartedAt, EndedAt: b.EndedAt,
	}
}

// Close gives each item that did not run its result, since the batch was canceled or has expired. No item may be running.
// What backends have in batches of their own is taken back first. One that was sent by a worker that died, and whose end
// nobody knows, is charged as it was reserved.
func (b *Batches) Close(ctx context.Context, id uuid.UUID, end gateway.BatchEnd) error {
	batch, err := b.batch(ctx, id)
	if err != nil {
		return err
	}
	if end == gateway.BatchCanceled { // it may have been through Temporal, which has told nobody
		if err := b.Store.CancelBatch(ctx, id); err != nil {
			return err
		}
	}
	if err := b.recall(ctx, id); err != nil {
		return err
	}
	if err := b.Store.CloseBatch(ctx, id); err != nil {
		return err
	}
	for from := 0; ; {
		endings, err := b.Store.Unfinished(ctx, id, from, closeItems)
		if err != nil {
			return err
		}
		if len(endings) > 0 {
			from = endings[len(endings)-1].Result.N + 1
			if err := b.closeSome(ctx, batch.Endpoint.Dialect(), end, endings); err != nil {
				return err
			}
		}
		if len(endings) < closeItems {
			return nil
		}
		activity.RecordHeartbeat(ctx, from)
	}
}

// recall takes back what backends have in batches of their own, which takes as long as they do.
func (b *Batches) recall(ctx context.Context, id uuid.UUID) error {
	alive := beat(ctx, nil)
	defer alive()
	return b.Runner.Recall(ctx, id)
}

// closeSome completes the endings and commits them.
func (b *Batches) closeSome(ctx context.Context, d gateway.Dialect, end gateway.BatchEnd, endings []gateway.Ending) error {
	all := make([]*gateway.Ending, len(endings))
	for i := range endings {
		all[i] = &endings[i]
		b.complete(all[i], d, end)
	}
	settlements, err := b.Store.Commit(ctx, nil, nil, all)
	if err != nil {
		return err
	}
	if len(settlements) == 0 {
		return nil
	}
	if err := b.Quota.Settle(ctx, settlements...); err != nil {
		// The ledger has them, so the sweep will find their reservations and settle them.
		activity.GetLogger(ctx).Warn("Settlements are left to the sweep.", "requests", len(settlements), "error", err)
	}
	return nil
}

// complete says what became of an item that will not run any more.
func (b *Batches) complete(e *gateway.Ending, d gateway.Dialect, end gateway.BatchEnd) {
	r := &e.Result
	switch {
	case e.Outcome != nil:
		r.State = gateway.ItemErrored
	case end == gateway.BatchCanceled:
		r.State = gateway.ItemCanceled
	default:
		r.State = gateway.ItemExpired
	}
	var (
		request uuid.UUID
		status  int
		body    []byte
	)
	if e.Outcome != nil {
		request = e.Outcome.ID
		status, body = wire.ErrorBody(d, interrupted(e.Outcome), request.String())
		r.Kind = wire.ErrorKind(d, body)
	}
	r.Line = b.Bodies.Body(wire.ResultLine(d, r.State, r.CustomID, request, status, body))
}

// interrupted is the error of an item that was sent, and nobody knows what came of it.
func interrupted(o *gateway.Outcome) *gateway.Error {
	return &gateway.Error{Code: gateway.Internal, Message: o.Error}
}

// End sums a batch up, whose items all have their results, and answers how it ended.
func (b *Batches) End(ctx context.Context, id uuid.UUID, end gateway.BatchEnd) (BatchSummary, error) {
	batch, err := b.Store.EndBatch(ctx, id, end)
	if err != nil {
		return BatchSummary{}, err
	}
	return summarize(&batch), nil
}
