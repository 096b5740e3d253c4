// Package app puts the binaries together: it is the one place that knows every part.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/httpapi"
	"github.com/openova-io/llm-gateway/internal/oidc"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/record"
	"github.com/openova-io/llm-gateway/internal/redis"
	"github.com/openova-io/llm-gateway/internal/routing"
	"github.com/openova-io/llm-gateway/internal/spool"
	"github.com/openova-io/llm-gateway/internal/submission"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// RunFrontend serves clients until ctx ends, then lets the running requests end.
//
// It needs none of its dependencies to start: while the database, the identity provider or Redis is away it says so
// on /ready and refuses what it cannot serve.
func RunFrontend(ctx context.Context, cfg *config.Config, from Sources, log *slog.Logger) (err error) {
	if err := cfg.CheckFrontend(); err != nil {
		return fmt.Errorf("config:\n%w", err)
	}
	zone, err := cfg.Zone()
	if err != nil {
		return err
	}
	compressor, err := record.NewCompressor()
	if err != nil {
		return err
	}
	registry := telemetry.NewRegistry()
	routes, err := newRoutes(cfg, from.environment(cfg), telemetry.NewReloads(registry), log)
	if err != nil {
		return err
	}
	failing := newHealth(cfg, routes, registry)
	db, err := openDatabase(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	records, err := openRecords(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer records.Close()
	quota, err := redis.Open(cfg.Redis, cfg.Audit.LeaseTTL, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, quota.Close()) }()
	spooled, err := spool.Open(cfg.Audit.SpoolDir, cfg.Audit.SpoolMaxBytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spooled.Close()) }()
	recorder := record.New(db, spooled, record.Options{
		Async: cfg.Audit.Mode == config.Async, CommitTimeout: cfg.Audit.CommitTimeout,
		Queue: cfg.Audit.Queue, Writers: cfg.Audit.Writers, BatchRows: cfg.Audit.BatchRows,
	}, log)
	auditGauges(registry, recorder, spooled)

	instance := uuid.New()
	lease := &lease{instance: instance, ttl: cfg.Audit.LeaseTTL, renew: db.Renew, log: log}
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	lease.hold(background, cfg.Database.ConnectTimeout)
	go spooled.Run(background, db, log)
	go quota.Keep(background)
	if from.File != "" {
		go routes.watch(background, from.File, cfg)
	}

	batches, err := frontendBatches(cfg, db, compressor)
	if err != nil {
		return err
	}
	metrics := telemetry.NewRequests(registry)
	auth := oidc.New(cfg.OIDC)
	health := &httpapi.Health{Log: log, Checks: []httpapi.Check{
		{Name: "database", Vital: true, Look: db.Ping},
		{Name: "schema", Vital: true, Look: db.CheckSchema},
		{Name: "lease", Vital: true, Look: lease.check},
		{Name: "spool", Vital: true, Look: spoolCheck(spooled)},
		{Name: "identity provider", Vital: true, Look: auth.Ready},
		{Name: "redis", Look: quota.Ping},
	}}
	if records != nil {
		health.Checks = append(health.Checks, httpapi.Check{Name: "auditor's login", Look: records.db.Ping})
	}
	if len(cfg.OIDC.Additional) > 0 {
		health.Checks = append(health.Checks, httpapi.Check{Name: "all identity providers", Look: auth.AllReady})
	}
	api := &httpapi.API{
		HTTP: cfg.HTTP, OIDC: cfg.OIDC, Table: routes.table.Load, Zone: zone, Auth: auth, Quota: quota,
		Health: health, Refusals: metrics, Log: log,
		Batches: batches, Records: records.paths(compressor),
		Exchange: &exchange.Service{
			Options: patience(cfg, instance, zone), Table: routes.table.Load, Health: failing, Quota: quota, Recorder: recorder,
			Lease: lease, Metrics: metrics, Compressor: compressor, Log: log,
		},
	}
	server := &http.Server{
		Addr: cfg.HTTP.Listen, ReadHeaderTimeout: cfg.HTTP.HeaderTimeout, IdleTimeout: 2 * time.Minute,
		Handler:  api.Handler(), //nolint:contextcheck // each request brings its own context
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("frontend starts", "listen", cfg.HTTP.Listen, "instance", instance, "audit", cfg.Audit.Mode)
	err = serve(ctx, log, drain{before: health.Drain, delay: cfg.HTTP.DrainDelay, timeout: cfg.HTTP.DrainTimeout},
		server, metricsServer(cfg.HTTP.MetricsListen, registry, nil))

	// Every handler has ended, so nothing more is queued: what waits is committed, or spooled if it cannot be.
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = errors.Join(err, recorder.Close(flush))
	awaitSpool(context.WithoutCancel(ctx), spooled, cfg.Audit.SpoolWait, log)
	return err
}

// newHealth is what a process knows of its backends' health, and tells of it.
func newHealth(cfg *config.Config, routes *routes, registry prometheus.Registerer) *routing.Health {
	health := routing.NewHealth(cfg.Upstream.EjectAfter, cfg.Upstream.EjectFor, cfg.Upstream.EjectMax, time.Now)
	telemetry.NewBackends(registry, "gateway_backend_ejected", "1 while a backend is left alone because it fails.", routes.ejected(health))
	return health
}

// patience is how long an exchange waits for what.
func patience(cfg *config.Config, instance uuid.UUID, zone *time.Location) exchange.Options {
	return exchange.Options{
		Instance: instance, Zone: zone, QuotaTimeout: cfg.Redis.Timeout, Confirm: cfg.Audit.Mode == config.Strict, PingInterval: cfg.HTTP.PingInterval,
		FirstByteTimeout: cfg.Upstream.FirstByteTimeout, IdleTimeout: cfg.Upstream.IdleTimeout, RetryWait: cfg.Upstream.RetryWait,
	}
}

// frontendBatches is what the paths of batches need; nil where there are none.
func frontendBatches(cfg *config.Config, db *postgres.DB, compressor *record.Compressor) (*httpapi.Batches, error) {
	if !cfg.Batch.Enabled {
		return nil, nil
	}
	b := &httpapi.Batches{Config: cfg.Batch, Temporal: cfg.Temporal, Store: db, Compressor: compressor}
	if cfg.Batch.SubmissionKeyFile == "" {
		return b, nil
	}
	secret, err := readSecret(cfg.Batch.SubmissionKeyFile)
	if err != nil {
		return nil, err
	}
	b.Submissions, err = submission.NewSigner(secret, cfg.Batch.SubmissionTTL)
	return b, err
}
