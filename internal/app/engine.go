package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/redis"
	"github.com/openova-io/llm-gateway/internal/relay"
	"github.com/openova-io/llm-gateway/internal/telemetry"
	"github.com/openova-io/llm-gateway/internal/temporal"
	"github.com/openova-io/llm-gateway/workflows"
)

// chunkSlots is how many chunks a worker takes at once. Those of one batch are few; the places at backends are shared by all.
const chunkSlots = 32

// tellEvery is how many tries in vain the log is told of once.
const tellEvery = 30

// engine is what works in a worker: the workflows and their activities, and the relay that starts them.
type engine struct {
	cfg         *config.Config
	client      client.Client
	db          *postgres.DB
	relay       *relay.Relay
	requests    *activities.Requests
	maintenance *activities.Maintenance
	seals       *activities.Seals
	items       *items              // nil where batches are off, as are
	batches     *activities.Batches // these
	log         *slog.Logger
	ready       atomic.Bool
}

func newEngine(cfg *config.Config, tc client.Client, db *postgres.DB, quota *redis.Quota, registry prometheus.Registerer, log *slog.Logger) *engine {
	r := relay.New(db, tc, relay.Config{
		TaskQueue: cfg.Temporal.TaskQueue, Interval: cfg.Worker.RelayInterval, Concurrency: cfg.Worker.RelayConcurrency,
		BacklogThreshold: cfg.Worker.BacklogThreshold, BacklogChunk: cfg.Worker.BacklogChunk,
		LongRunningAfter: cfg.Worker.LongRunningAfter, LongRunningDeadline: cfg.Worker.LongRunningDeadline, Batches: cfg.Batch.Enabled,
	}, log, registry)
	return &engine{
		cfg: cfg, client: tc, db: db, relay: r, log: log,
		requests: &activities.Requests{Ledger: db, Quota: quota, OnRecord: r.OnRecord},
		maintenance: &activities.Maintenance{
			Staging: db, Quota: quota, LeaseTTL: cfg.Audit.LeaseTTL, LeakAge: cfg.Worker.LeakAge, BatchRetention: cfg.Batch.Retention,
			OnInterrupted: telemetry.NewInterrupted(registry), OnDrift: onDrift(telemetry.NewDrift(registry), log),
		},
		seals: newSeals(db, cfg.Audit.SealKeyFile, registry, log),
	}
}

// takeBatches has the engine run batches. The lease is kept until ctx ends.
func (e *engine) takeBatches(ctx context.Context, from Sources, db *postgres.DB, quota *redis.Quota, registry prometheus.Registerer) (err error) {
	if e.items, err = newItems(e.cfg, from, db, quota, registry, e.log); err != nil {
		return err
	}
	e.items.hold(ctx, e.cfg, from)
	e.batches, err = e.items.activities(e.cfg, db, quota)
	return err
}

// run waits for the database's schema and for Temporal, and works until ctx ends. The error is one that it cannot recover from.
func (e *engine) run(ctx context.Context) error {
	if !e.awaitSchema(ctx) {
		return nil
	}
	if temporal.Setup(ctx, e.client, e.cfg.Temporal, e.needs(), e.log) != nil {
		return nil // it gives up only because ctx ended
	}
	fatal := make(chan error, 2)
	w := e.start(ctx, func() worker.Worker { return e.worker(fatal) })
	if w == nil {
		return nil
	}
	defer w.Stop()
	if e.batches != nil {
		chunks := e.start(ctx, func() worker.Worker { return e.chunkWorker(fatal) })
		if chunks == nil {
			return nil
		}
		defer chunks.Stop()
	}
	e.ready.Store(true)
	relaying, stop := context.WithCancel(ctx)
	defer stop()
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		e.relay.Run(relaying)
	}()
	select {
	case err := <-fatal: // the worker has stopped itself
		e.ready.Store(false)
		stop()
		<-relayed
		return fmt.Errorf("temporal worker: %w", err)
	case <-relayed:
		return nil
	}
}

// awaitSchema waits until the database has what this build needs: in an upgrade the migration may still be running. It
// answers false if ctx ended first.
func (e *engine) awaitSchema(ctx context.Context) bool {
	for try := 0; ctx.Err() == nil; try++ {
		err := e.db.CheckSchema(ctx)
		if err == nil {
			return true
		}
		if try%tellEvery == 0 {
			e.log.Warn("the database is not ready; trying on", "error", err)
		}
		pause(ctx)
	}
	return false
}

// pause is a second between two tries, or less if ctx ends.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}

// start starts a Temporal worker, or answers nil when ctx ends before it could. A worker that failed to start cannot
// be started again, so each try has its own.
func (e *engine) start(ctx context.Context, make func() worker.Worker) worker.Worker {
	for ctx.Err() == nil {
		w := make()
		err := w.Start()
		if err == nil {
			return w
		}
		e.log.Warn("the Temporal worker does not start; trying on", "error", err)
		pause(ctx)
	}
	return nil
}

func (e *engine) worker(fatal chan<- error) worker.Worker {
	w := worker.New(e.client, e.cfg.Temporal.TaskQueue, worker.Options{
		// An eager start needs a free slot. A request's workflow keeps its own until the quota is settled, which is
		// after the relay takes it for done, and takes seconds while Redis is away.
		MaxConcurrentWorkflowTaskExecutionSize:  4 * e.cfg.Worker.RelayConcurrency,
		MaxConcurrentLocalActivityExecutionSize: e.cfg.Worker.RelayConcurrency,
		MaxConcurrentActivityExecutionSize:      e.cfg.Worker.RelayConcurrency,
		WorkerStopTimeout:                       workerStop,
		OnFatalError:                            func(err error) { fatal <- err },
	})
	w.RegisterWorkflow(workflows.Request)
	w.RegisterWorkflow(workflows.SettleBacklog)
	w.RegisterWorkflow(workflows.Sweep)
	w.RegisterWorkflow(workflows.Reconcile)
	w.RegisterActivity(e.requests)
	w.RegisterWorkflow(workflows.Seal)
	w.RegisterActivity(e.maintenance)
	w.RegisterActivity(e.seals)
	if e.batches != nil {
		w.RegisterWorkflow(workflows.Batch)
		w.RegisterActivity(e.batches)
	}
	return w
}

// chunkWorker works on the chunks of batches, apart from everything that requests wait for.
func (e *engine) chunkWorker(fatal chan<- error) worker.Worker {
	w := worker.New(e.client, e.cfg.Batch.TaskQueue, worker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: chunkSlots,
		MaxHeartbeatThrottleInterval:       3 * time.Second, // it is by a heartbeat that a chunk learns of its cancelling
		WorkerStopTimeout:                  workerStop,
		OnFatalError:                       func(err error) { fatal <- err },
	})
	w.RegisterActivity(e.batches)
	return w
}

// needs is what the namespace must have.
func (e *engine) needs() temporal.Needs {
	// Twice without a lease must be further apart than a frontend renews it, which is three times in its life.
	recheck := max(e.cfg.Worker.LeaseRecheck, e.cfg.Audit.LeaseTTL/3+time.Second)
	return temporal.Needs{
		Keywords: workflows.Keywords(),
		Schedules: []temporal.Schedule{{
			ID: "sweep", Every: e.cfg.Worker.SweepInterval, Workflow: workflows.Sweep, Input: workflows.SweepInput{Recheck: recheck},
			Summary: "closes what dead frontends left open, releases what leaked, tidies up",
		}, {
			ID: "reconcile", Every: e.cfg.Worker.ReconcileInterval, Workflow: workflows.Reconcile,
			Summary: "compares the quota in Redis with the ledger, and puts right what is wrong",
		}, {
			ID: "seal", Every: e.cfg.Worker.SealInterval, Workflow: workflows.Seal,
			Summary: "seals new rows of the ledger, so that a later change is found",
		}},
	}
}

// onDrift counts and tells of windows that were put right.
func onDrift(count func(gateway.Drift), log *slog.Logger) func(gateway.Drift) {
	return func(d gateway.Drift) {
		count(d)
		log.Warn("quota: a window differed from the ledger and was put right", "subject", d.Subject, "window", d.Window.Start,
			"requests", d.Before.Requests, "requests_now", d.After.Requests, "tokens", d.Before.Tokens, "tokens_now", d.After.Tokens,
			"reservations_missing", d.Reservations)
	}
}
