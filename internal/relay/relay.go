package relay

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// leadership is the name under which one relay of all leads.
const leadership = "relay"

// Outbox is the record of requests that are not in the ledger yet.
type Outbox interface {
	// Lead waits until this process leads. lost is closed when it does not any more; release gives it up.
	Lead(ctx context.Context, name string) (lost <-chan struct{}, release func(), err error)
	// Pending answers requests that have ended, in the order of their ids, which is that of their age.
	Pending(ctx context.Context, exclude []uuid.UUID, limit int) ([]gateway.Entry, error)
	// LongRunning answers requests that run since at least age, the oldest first.
	LongRunning(ctx context.Context, age time.Duration, exclude []uuid.UUID, limit int) ([]gateway.Entry, error)
	// Backlog answers how many requests have ended, and how long ago the first of them.
	Backlog(ctx context.Context) (n int64, oldest time.Duration, err error)
	// UnendedBatches answers batches whose items are all on record and that have not ended, the oldest first.
	UnendedBatches(ctx context.Context, limit int) ([]gateway.Batch, error)
}

// Starter is what the relay needs of a Temporal client.
type Starter interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any, options client.StartWorkflowOptions,
		workflow any, workflowArgs ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
}

// Config is how fast and how patient a relay is. All fields but the last are needed.
type Config struct {
	TaskQueue           string
	Interval            time.Duration // between looks at the outbox
	Concurrency         int           // requests that are started and not on record yet; more would only queue in Temporal
	BacklogThreshold    int           // waiting requests above which many are settled by one workflow
	BacklogChunk        int           // how many that are
	LongRunningAfter    time.Duration // when a running request is given a workflow
	LongRunningDeadline time.Duration // the delay of that workflow
	Batches             bool          // start those, too
}

// Relay empties the outbox. Make it with [New].
type Relay struct {
	outbox  Outbox
	starter Starter
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	underway *set // have a workflow of their own, and are not known to be in the ledger
	together *set // the same, with a workflow for many
	delayed  *set // have a workflow that waits for their end
	begun    *set // batches that have a workflow
	canceled *set // of those, that have been told to stop
}

// New makes a relay that does nothing yet, and registers its metrics.
func New(outbox Outbox, starter Starter, cfg Config, log *slog.Logger, reg prometheus.Registerer) *Relay {
	return &Relay{
		outbox: outbox, starter: starter, cfg: cfg, log: log, metrics: newMetrics(reg),
		underway: newSet(), together: newSet(), delayed: newSet(),
		begun: newSet(), canceled: newSet(),
	}
}

// OnRecord tells the relay that the ledger has the requests now. Of those that another process settles it learns a
// second later.
func (r *Relay) OnRecord(ids []uuid.UUID) {
	for _, s := range []*set{r.underway, r.together, r.delayed} {
		s.remove(ids...)
	}
}

// Run leads whenever no other relay does, until ctx ends. Then it waits for the starts in flight, a few seconds.
func (r *Relay) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.lead(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("the relay cannot reach the database", "error", err)
			pause(ctx, time.Second)
		}
	}
}

// lead waits for the leadership and empties the outbox until it is lost.
func (r *Relay) lead(ctx context.Context) error {
	lost, release, err := r.outbox.Lead(ctx, leadership)
	if err != nil {
		return err
	}
	defer release()
	r.log.Info("the relay leads")
	r.metrics.leading.Set(1)
	defer r.metrics.forget()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// What a leader before, or we long ago, knew is not to be relied on.
	for _, s := range []*set{r.underway, r.together, r.delayed, r.begun, r.canceled} {
		s.clear()
	}
	t := &term{Relay: r, starts: make(chan struct{}, r.cfg.Concurrency), batches: make(chan struct{}, maxBatches)}
	var all sync.WaitGroup
	all.Go(func() { t.empty(ctx) })
	all.Go(func() { t.showLongRunning(ctx) })
	all.Go(func() { t.measure(ctx) })
	if r.cfg.Batches {
		all.Go(func() { t.runBatches(ctx) })
	}
	select {
	case <-lost:
		r.log.Warn("the relay leads no more: its database session ended")
	case <-ctx.Done():
	}
	stop()
	all.Wait()
	t.flying.Wait()
	return nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
