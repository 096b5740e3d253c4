package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// pulse is how often a chunk tells Temporal that its worker lives, at least.
const pulse = 2 * time.Second

// recountTimeout is for the one question that is asked though the chunk was cancelled.
const recountTimeout = 5 * time.Second

// BatchStore is where batches and their items are on record. See package postgres for each of them.
type BatchStore interface {
	CreateBatch(ctx context.Context, b *gateway.Batch) error
	AddItems(ctx context.Context, items []gateway.Item) error
	AcceptBatch(ctx context.Context, id uuid.UUID, total int, digest []byte) error
	Batch(ctx context.Context, id uuid.UUID) (gateway.Batch, error)
	BatchByKey(ctx context.Context, subject, key string) (gateway.Batch, error)
	CancelBatch(ctx context.Context, id uuid.UUID) error
	File(ctx context.Context, id uuid.UUID) (gateway.File, error)
	FileChunks(ctx context.Context, id uuid.UUID, from int, fn func(n int, chunk gateway.Body) error) error
	BeginBatch(ctx context.Context, id uuid.UUID, total int) error
	GrowBatch(ctx context.Context, id uuid.UUID, total int, open bool) error
	RefuseBatch(ctx context.Context, id uuid.UUID, errs []gateway.InputError) error
	HoldBatch(ctx context.Context, id uuid.UUID, w gateway.Wait) error
	CloseBatch(ctx context.Context, id uuid.UUID) error
	CountItems(ctx context.Context, c gateway.Chunk) (gateway.ItemCounts, error)
	Unfinished(ctx context.Context, id uuid.UUID, from, limit int) ([]gateway.Ending, error)
	Commit(ctx context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, endings []*gateway.Ending) ([]gateway.Settlement, error)
	EndBatch(ctx context.Context, id uuid.UUID, end gateway.BatchEnd) (gateway.Batch, error)
}

// Runner works on the items of a chunk that have no result, until they have, or nothing can be done for now, or others
// are to have the place, or ctx ends or stopping is closed: then it waits for what is at a backend, and returns.
type Runner interface {
	Run(ctx context.Context, c gateway.Chunk, stopping <-chan struct{}, heartbeat func(next int)) (gateway.ChunkResult, error)
	// Recall ends the batches of backends' own that have items of the batch, and takes in what they have answered.
	Recall(ctx context.Context, id uuid.UUID) error
}

// Submissions tells which batch a token permits to start, and whose it is. The error is a *gateway.Error.
type Submissions interface {
	Verify(token string, now time.Time) (batch uuid.UUID, p gateway.Principal, err error)
}

// Bodies makes bytes into what is stored, and back.
type Bodies interface {
	Body(b []byte) gateway.Body
	Open(dst []byte, b gateway.Body) ([]byte, error)
}

// BatchLimits is what a batch may be.
type BatchLimits struct {
	Items  int           // that are added to an open batch, all together
	Lines  int           // of an input file
	Line   int           // bytes of one, and of an item
	Window time.Duration // from a batch's making until what has not run expires
}

// BatchPace is how a batch's items are run.
type BatchPace struct {
	TaskQueue string        // of the chunks
	Chunk     int           // items in one
	Chunks    int           // at once
	Recheck   time.Duration // a wait that is longer is interrupted this often, to see whether it is over
}

// Batches are the activities of batches. Begin and Chunk take long and belong on a task queue of their own, that of
// [BatchPace]; the others take moments, or must not queue behind them.
type Batches struct {
	Store       BatchStore
	Quota       Settler
	Runner      Runner
	Submissions Submissions // nil: no batches are started through Temporal
	Bodies      Bodies
	Limits      BatchLimits
	Pace        func(b *gateway.Batch) BatchPace
}

// BatchPlan is what the workflow of a batch has to know of it.
type BatchPlan struct {
	BatchPace
	PublicID        string
	User            string
	Tier            gateway.Tier
	Endpoint        string // its path
	Total           int
	Open            bool
	Wait            gateway.Wait // that is on record
	CancelRequested bool
	ExpiresAt       time.Time
	Ended           *BatchSummary // nil until it has
}

// Load answers what is on record of a batch.
func (b *Batches) Load(ctx context.Context, id uuid.UUID) (BatchPlan, error) {
	batch, err := b.batch(ctx, id)
	if err != nil {
		return BatchPlan{}, err
	}
	plan := BatchPlan{
		BatchPace: b.Pace(&batch), PublicID: batch.PublicID(), User: batch.Principal.User, Tier: batch.Principal.Tier,
		Endpoint: batch.Endpoint.Path(), Total: batch.Total, Open: batch.Open, Wait: batch.Wait,
		CancelRequested: !batch.CancelRequestedAt.IsZero(), ExpiresAt: batch.ExpiresAt,
	}
	if batch.State == gateway.BatchEnded {
		summary := summarize(&batch)
		plan.Ended = &summary
	}
	return plan, nil
}

// batch answers a batch that must be there.
func (b *Batches) batch(ctx context.Context, id uuid.UUID) (gateway.Batch, error) {
	batch, err := b.Store.Batch(ctx, id)
	if errors.Is(err, gateway.ErrNotFound) {
		return batch, temporal.NewNonRetryableApplicationError(fmt.Sprintf("There is no batch %s, or it was deleted.", id), "NotFound", err)
	}
	return batch, err
}

// Chunk works on a part of a batch. The counts in its answer are those of the whole chunk so far, whoever did it: a
// worker that died has told nobody.
func (b *Batches) Chunk(ctx context.Context, c gateway.Chunk) (gateway.ChunkResult, error) {
	next := make(chan int, 1)
	alive := beat(ctx, next)
	defer alive()
	result, err := b.Runner.Run(ctx, c, activity.GetWorkerStopChannel(ctx), func(n int) {
		select {
		case next <- n:
		default: // the next one will tell
		}
	})
	if err != nil {
		return result, err
	}
	counting, cancel := context.WithTimeout(context.WithoutCancel(ctx), recountTimeout)
	defer cancel()
	result.Counts, err = b.Store.CountItems(counting, c)
	return result, err
}

// beat sends heartbeats with what next receives, and between them the last of that, until stop is called.
func beat(ctx context.Context, next <-chan int) (stop func()) {
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(pulse)
		defer ticker.Stop()
		var last int
		for {
			select {
			case last = <-next:
			case <-ticker.C:
			case <-stopped:
				return
			}
			activity.RecordHeartbeat(ctx, last) // sent on as often as Temporal wants them
		}
	}()
	return func() {
		close(stopped)
		<-done
	}
}

// Hold puts on record what a batch waits for; the zero Wait: for nothing any more.
func (b *Batches) Hold(ctx context.Context, id uuid.UUID, w gateway.Wait) error {
	return b.Store.HoldBatch(ctx, id, w)
}

// refused is an error that no repetition changes, in words for the one whose batch it is.
func refused(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), "Refused", nil)
}
