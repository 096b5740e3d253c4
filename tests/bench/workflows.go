package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/tests/stacktest"
)

const (
	emptyQueue = "bench-empty"
	inFlight   = 48
	stageBatch = 100
)

// Empty is a workflow that does nothing: the least Temporal can do.
func Empty(workflow.Context) error { return nil }

// compareWorkflows prints what settling a request costs beside an empty workflow, and how fast a backlog drains.
func compareWorkflows(ctx context.Context, stack *stacktest.Stack, n, backlog int, v *verdict) error {
	bench := &settleBench{stack: stack}
	defer bench.close()
	if err := bench.open(ctx); err != nil {
		return err
	}
	fmt.Println("\nbehind the path: whole-system CPU = Temporal + Postgres + the worker (and the starter of empty workflows)")
	if _, err := bench.runWorker(ctx, 0); err != nil {
		return err
	}
	if err := bench.drained(ctx); err != nil { // what the path left behind, many at once
		return err
	}
	bench.stopWorker()

	var rates [3]rate
	var err error
	for round := range 2 { // the first warms up
		m := n
		if round == 0 {
			m = n / 5
		}
		if rates[0], err = bench.empty(ctx, m, false); err != nil {
			return err
		}
		if rates[1], err = bench.empty(ctx, m, true); err != nil {
			return err
		}
		if rates[2], err = bench.settle(ctx, m, 1_000_000); err != nil {
			return err
		}
	}
	many, err := bench.settle(ctx, backlog, 0)
	if err != nil {
		return err
	}
	fmt.Printf("  %-44s %10s %12s\n", "", "per second", "CPU ms each")
	for i, name := range []string{"empty workflow", "empty workflow, eager start", "request settled, one workflow each"} {
		fmt.Printf("  %-44s %10.0f %12.2f\n", name, rates[i].perSecond, rates[i].cpuMillis)
	}
	fmt.Printf("  %-44s %10.0f %12.2f\n", fmt.Sprintf("request settled, backlog of %d", backlog), many.perSecond, many.cpuMillis)
	v.check("CPU per settled request ÷ empty workflow", rates[2].cpuMillis/rates[0].cpuMillis, 1.4)
	v.check("CPU per settled request ÷ empty workflow, eager", rates[2].cpuMillis/rates[1].cpuMillis, 1.4)
	v.checkAtLeast("backlog: settled per second ÷ one workflow each", many.perSecond/rates[2].perSecond, 5)
	return nil
}

type rate struct {
	perSecond float64
	cpuMillis float64
}

type settleBench struct {
	stack    *stacktest.Stack
	temporal client.Client
	db       *pgx.Conn
	staging  *postgres.DB
	worker   int
	stop     func()
}

func (b *settleBench) open(ctx context.Context) (err error) {
	if err := b.stack.Do(ctx, "stop/worker"); err != nil {
		return err
	}
	if err := b.stack.Refresh(); err != nil {
		return err
	}
	if b.db, err = pgx.Connect(ctx, b.stack.PostgresURLs["owner"]); err != nil {
		return err
	}
	if b.staging, err = postgres.Open(ctx, postgres.Config{URL: b.stack.PostgresURLs["frontend"], MaxConns: 2}); err != nil {
		return err
	}
	b.temporal, err = client.Dial(client.Options{HostPort: b.stack.TemporalAddress, Namespace: b.stack.Namespace, Logger: sdklog.NewStructuredLogger(silent())})
	return err
}

func (b *settleBench) close() {
	b.stopWorker()
	if b.temporal != nil {
		b.temporal.Close()
	}
	if b.staging != nil {
		b.staging.Close()
	}
	if b.db != nil {
		_ = b.db.Close(context.Background())
	}
}

// runWorker starts the gateway's worker with its own backlog threshold; 0 leaves the default.
func (b *settleBench) runWorker(ctx context.Context, threshold int) (pid int, err error) {
	b.stopWorker()
	root, err := stacktest.Root()
	if err != nil {
		return 0, err
	}
	metrics, err := freeAddress()
	if err != nil {
		return 0, err
	}
	env := []string{"LLMGW_HTTP__METRICS_LISTEN=" + metrics, "LLMGW_WORKER__SWEEP_INTERVAL=10m"}
	if threshold > 0 {
		env = append(env, "LLMGW_WORKER__BACKLOG_THRESHOLD="+strconv.Itoa(threshold))
	}
	b.worker, b.stop, err = start(filepath.Join(root, "bin", "worker"), env, "--config", filepath.Join(b.stack.Dir, "worker.yaml"))
	if err != nil {
		return 0, err
	}
	return b.worker, waitFor(ctx, "http://"+metrics+"/ready", 200)
}

func (b *settleBench) stopWorker() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

// system is the CPU that Temporal and Postgres have used, with more processes.
func (b *settleBench) system(more ...int) time.Duration {
	return cpuOf(append(append(family(b.stack.PIDs["postgres"]), b.stack.PIDs["temporal"]), more...)...)
}

// empty runs n empty workflows, with the worker in this process.
func (b *settleBench) empty(ctx context.Context, n int, eager bool) (rate, error) {
	w := worker.New(b.temporal, emptyQueue, worker.Options{})
	w.RegisterWorkflow(Empty)
	if err := w.Start(); err != nil {
		return rate{}, err
	}
	defer w.Stop()
	begin, cpu := time.Now(), b.system(os.Getpid())
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range inFlight {
		all.Go(func() {
			for next.Add(1) <= int64(n) && failed.Load() == nil {
				run, err := b.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: emptyQueue, EnableEagerStart: eager}, Empty)
				if err == nil {
					err = run.Get(ctx, nil)
				}
				if err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return rate{}, *err
	}
	return b.rate(n, begin, cpu, b.system(os.Getpid())), nil
}

// settle puts n finished requests on record and measures until the worker has settled them all.
func (b *settleBench) settle(ctx context.Context, n, threshold int) (rate, error) {
	b.stopWorker()
	if err := b.stage(ctx, n); err != nil {
		return rate{}, err
	}
	cpu := b.system()
	begin := time.Now()
	pid, err := b.runWorker(ctx, threshold)
	if err != nil {
		return rate{}, err
	}
	if err := b.drained(ctx); err != nil {
		return rate{}, err
	}
	return b.rate(n, begin, cpu, b.system(pid)), nil
}

func (b *settleBench) stage(ctx context.Context, n int) error {
	for done := 0; done < n; done += stageBatch {
		var intents []*gateway.Intent
		var outcomes []*gateway.Outcome
		for range min(stageBatch, n-done) {
			in := sampleIntent()
			intents, outcomes = append(intents, in), append(outcomes, sampleOutcome(in))
		}
		if err := b.staging.Stage(ctx, intents, nil, outcomes); err != nil {
			return err
		}
	}
	return nil
}

// drained waits until nothing is open: no outcome in the outbox.
func (b *settleBench) drained(ctx context.Context) error {
	for {
		var open int
		if err := b.db.QueryRow(ctx, `SELECT count(*) FROM outcomes`).Scan(&open); err != nil || open == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (b *settleBench) rate(n int, begin time.Time, from, to time.Duration) rate {
	return rate{float64(n) / time.Since(begin).Seconds(), float64((to - from).Microseconds()) / 1000 / float64(n)}
}
