package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/redis"
	"github.com/openova-io/llm-gateway/internal/telemetry"
	"github.com/openova-io/llm-gateway/internal/temporal"
)

// workerStop is how long running activities may take to end when the process is told to.
const workerStop = 10 * time.Second

// Migrate brings the schema of the database up to date.
func Migrate(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	if err := cfg.CheckMigrate(); err != nil {
		return fmt.Errorf("config:\n%w", err)
	}
	return postgres.Migrate(ctx, cfg.Database.URL, log)
}

// RunWorker settles requests that have ended, and runs the items of batches, until ctx ends: it runs the workflows, and the
// relay that starts them. It needs none of its dependencies to start; on /ready it says when it has found Temporal.
func RunWorker(ctx context.Context, cfg *config.Config, from Sources, log *slog.Logger) (err error) {
	if err := cfg.CheckWorker(); err != nil {
		return fmt.Errorf("config:\n%w", err)
	}
	registry := telemetry.NewRegistry()
	db, err := openDatabase(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	quota, err := redis.Open(cfg.Redis, cfg.Audit.LeaseTTL, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, quota.Close()) }()
	tc, err := temporal.Dial(cfg.Temporal, log)
	if err != nil {
		return err
	}
	defer tc.Close()

	engine := newEngine(cfg, tc, db, quota, registry, log)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if cfg.Batch.Enabled {
		background, stopBackground := context.WithCancel(context.WithoutCancel(ctx)) // outlives what is at a backend
		defer stopBackground()
		if err := engine.takeBatches(background, from, db, quota, registry); err != nil {
			return err
		}
		defer engine.items.runner.Close()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := engine.run(ctx); err != nil {
			stop(err)
		}
	}()
	log.Info("worker starts", "temporal", cfg.Temporal.Address, "task_queue", cfg.Temporal.TaskQueue)
	err = serve(ctx, log, drain{timeout: workerStop}, metricsServer(cfg.HTTP.MetricsListen, registry, map[string]http.Handler{
		"GET /health": answer(func() bool { return true }), "GET /ready": answer(engine.ready.Load),
	}))
	stop(nil)
	<-ended
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return err
}

// answer is a probe's handler: 200 if it is so, 503 if not.
func answer(ok func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !ok() {
			http.Error(w, "waiting for the database or for Temporal", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
}
