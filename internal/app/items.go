package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/batch"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/pace"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/record"
	"github.com/openova-io/llm-gateway/internal/redis"
	"github.com/openova-io/llm-gateway/internal/submission"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// Sources are what a process that sends requests to backends is made of beside its configuration.
type Sources struct {
	File          string // that the configuration was read from: its backends, models, prices and tiers are read again when they change
	OperatorToken string // the value of ANTHROPIC_OAUTH_TOKEN
}

// environment is what backends are made with.
func (s Sources) environment(cfg *config.Config) backend.Environment {
	return backend.Environment{OperatorToken: s.OperatorToken, Transport: backend.NewTransport(cfg.Upstream)}
}

// items is what runs the items of batches in a worker: a frontend whose clients are rows.
type items struct {
	routes     *routes
	lease      *lease
	runner     *batch.Runner
	compressor *record.Compressor
}

func newItems(cfg *config.Config, from Sources, db *postgres.DB, quota *redis.Quota, registry prometheus.Registerer, log *slog.Logger) (*items, error) {
	zone, err := cfg.Zone()
	if err != nil {
		return nil, err
	}
	compressor, err := record.NewCompressor()
	if err != nil {
		return nil, err
	}
	routes, err := newRoutes(cfg, from.environment(cfg), telemetry.NewReloads(registry), log)
	if err != nil {
		return nil, err
	}
	instance := uuid.New()
	lease := &lease{instance: instance, ttl: cfg.Audit.LeaseTTL, renew: db.Renew, log: log}
	service := &exchange.Service{
		Options: patience(cfg, instance, zone), Table: routes.table.Load, Health: newHealth(cfg, routes, registry), Quota: quota,
		Lease: lease, Metrics: telemetry.NewRequests(registry), Compressor: compressor, Log: log,
	}
	service.RetryWait = 0 // an item waits in the line of its backend, not at it
	turns := pace.New(pace.Limits{Total: cfg.Batch.Concurrency, PerBackend: cfg.Batch.PerBackend, PerTenant: cfg.Batch.PerTenant}, time.Now)
	paceGauges(registry, turns)
	runner := batch.New(db, quota, service, turns, telemetry.NewItems(registry), batch.Options{
		Concurrency: cfg.Batch.Concurrency, ChunkTime: cfg.Batch.ChunkTime, Attempts: cfg.Batch.Attempts, Grace: workerStop * 3 / 4,
	})
	return &items{routes, lease, runner, compressor}, nil
}

// activities are those of batches.
func (i *items) activities(cfg *config.Config, db *postgres.DB, quota *redis.Quota) (*activities.Batches, error) {
	permitted, err := newVerifier(cfg.Batch)
	if err != nil {
		return nil, err
	}
	b := cfg.Batch
	return &activities.Batches{
		Store: db, Quota: quota, Runner: i.runner, Submissions: permitted, Bodies: i.compressor,
		Limits: activities.BatchLimits{Items: b.MaxItems, Lines: b.MaxLines, Line: int(cfg.HTTP.MaxBody), Window: b.Window},
		Pace: func(of *gateway.Batch) activities.BatchPace {
			p := activities.BatchPace{TaskQueue: b.TaskQueue, Chunk: b.Chunk, Chunks: b.Chunks, Recheck: b.Recheck}
			if i.runner.Native(of) {
				p.Chunk = b.NativeChunk
			}
			return p
		},
	}, nil
}

// hold keeps the worker's lease, and its routes up to date, until ctx ends.
func (i *items) hold(ctx context.Context, cfg *config.Config, from Sources) {
	i.lease.hold(ctx, cfg.Database.ConnectTimeout)
	if from.File != "" {
		go i.routes.watch(ctx, from.File, cfg)
	}
}

// paceGauges tell how items run and wait at each backend.
func paceGauges(reg prometheus.Registerer, p *pace.Pace) {
	gauge := func(name, help string, value func(pace.Figures) int) {
		telemetry.NewBackends(reg, name, help, func() map[string]float64 {
			values := map[string]float64{}
			for _, f := range p.Snapshot() {
				if f.Backend != "" { // that of items which no rule sends anywhere
					values[f.Backend] = float64(value(f))
				}
			}
			return values
		})
	}
	gauge("gateway_batch_items_running", "Items of batches at a backend.", func(f pace.Figures) int { return f.Running })
	gauge("gateway_batch_items_waiting", "Items that wait in this worker for their turn at a backend.", func(f pace.Figures) int { return f.Waiting })
	gauge("gateway_batch_items_limit", "Items that a backend is given at once at most, at present; 0 is no limit.", func(f pace.Figures) int { return f.Limit })
}

// newVerifier knows whose permissions to start batches are good.
func newVerifier(cfg config.Batch) (*submission.Verifier, error) {
	var secret []byte
	if cfg.SubmissionKeyFile != "" {
		var err error
		if secret, err = readSecret(cfg.SubmissionKeyFile); err != nil {
			return nil, err
		}
	}
	services := make([]submission.Service, 0, len(cfg.Services))
	for _, s := range cfg.Services {
		text, err := os.ReadFile(s.PublicKeyFile)
		if err != nil {
			return nil, fmt.Errorf("batch.services: %s: %w", s.Name, err)
		}
		key, err := submission.ReadKey(text)
		if err != nil {
			return nil, fmt.Errorf("batch.services: %s: %w", s.Name, err)
		}
		services = append(services, submission.Service{Name: s.Name, Subject: s.Subject, User: s.User, Tier: gateway.Tier(s.Tier), Key: key})
	}
	return submission.NewVerifier(secret, services)
}

// readSecret reads a file with one secret in it.
func readSecret(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("a secret cannot be read: %w", err)
	}
	return bytes.TrimSpace(text), nil
}
