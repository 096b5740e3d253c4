package batch

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/pace"
	"github.com/openova-io/llm-gateway/internal/record"
)

const (
	pageBytes = 2 << 20  // of stored items that a chunk has in memory
	openBytes = 64 << 20 // of items at backends, in all chunks
)

// Store is where batches and their items are.
type Store interface {
	Stager
	Batch(ctx context.Context, id uuid.UUID) (gateway.Batch, error)
	WaitingItems(ctx context.Context, c gateway.Chunk, maxBytes int64) ([]gateway.WaitingItem, error)
	CreateNative(ctx context.Context, n *gateway.NativeBatch) error
	EndNative(ctx context.Context, id uuid.UUID) error
	NativeBatches(ctx context.Context, c gateway.Chunk) ([]gateway.NativeBatch, error)
}

// Options say how hard and how long a Runner tries.
type Options struct {
	Concurrency int           // items of one chunk that run or wait for their turn
	ChunkTime   time.Duration // after which a chunk starts no more items
	Attempts    int           // for an item that fails
	Grace       time.Duration // for what is at a backend when the process is to end
}

// Counter counts the items that have ended.
type Counter interface {
	ItemEnded(state gateway.ItemState)
}

// Runner runs chunks of batches. It is safe for concurrent use.
type Runner struct {
	Options
	store      Store
	service    *exchange.Service
	journal    *journal
	committer  *committer
	pace       *pace.Pace
	counter    Counter
	compressor *record.Compressor
	memory     *semaphore.Weighted
	log        *slog.Logger
}

// New makes a Runner. It gives the service its recorder and keeps count with the service's metrics. Close ends it.
func New(store Store, quota Settler, service *exchange.Service, turns *pace.Pace, counter Counter, opts Options) *Runner {
	c := newCommitter(store, quota, service.Log)
	r := &Runner{
		Options: opts, store: store, service: service, committer: c, journal: newJournal(c, service.Metrics), pace: turns, counter: counter,
		compressor: service.Compressor, memory: semaphore.NewWeighted(openBytes), log: service.Log,
	}
	service.Recorder, service.Metrics = r.journal, r.journal
	return r
}

// Close ends the runner. No chunk may be running or follow.
func (r *Runner) Close() { r.committer.close() }

// Run works on a chunk: it starts the items that have not ended, each when its turn comes, until all are started, ctx
// ends, stopping is closed or the time for a piece of work is over. Then it waits for those that run. heartbeat is told the
// first item that has not ended, now and then. The error is one of the database.
func (r *Runner) Run(ctx context.Context, c gateway.Chunk, stopping <-chan struct{}, heartbeat func(next int)) (gateway.ChunkResult, error) {
	b, err := r.store.Batch(ctx, c.Batch)
	if err != nil {
		return gateway.ChunkResult{}, err
	}
	w := newWork(ctx, r, b, c, r.ChunkTime, heartbeat)
	defer w.close()
	go w.watch(stopping)
	err = w.work()
	w.items.Wait()
	if err != nil {
		return gateway.ChunkResult{}, err
	}
	return w.result(), nil
}

// Native reports whether items of the batch may go through the batch API of a backend.
func (r *Runner) Native(b *gateway.Batch) bool {
	plan, err := r.service.Table().Routes.Plan(b.Principal.Tier)
	return err == nil && slices.ContainsFunc(plan.Rules, func(rule gateway.Rule) bool { return rule.Native })
}
