package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// The audit modes.
const (
	Strict = "strict"
	Async  = "async"
)

// The ways to authenticate to a backend.
const (
	AuthOperator = "operator"
	AuthBearer   = "bearer"
	AuthCaller   = "caller"
	AuthNone     = "none"
)

// CheckFrontend returns every reason why a frontend cannot run on this configuration.
func (c *Config) CheckFrontend() error {
	return errors.Join(
		required("http.listen", c.HTTP.Listen),
		c.OIDC.check(c.Tiers),
		required("database.url", c.Database.URL), required("redis.url", c.Redis.URL),
		oneOf("audit.mode", c.Audit.Mode, Strict, Async), required("audit.spool_dir", c.Audit.SpoolDir),
		positive("audit.queue", int64(c.Audit.Queue)), positive("audit.writers", int64(c.Audit.Writers)),
		positive("audit.batch_rows", int64(c.Audit.BatchRows)), positive("http.max_body", c.HTTP.MaxBody),
		positive("audit.commit_timeout", int64(c.Audit.CommitTimeout)), positive("http.ping_interval", int64(c.HTTP.PingInterval)),
		positive("redis.timeout", int64(c.Redis.Timeout)),
		positive("upstream.idle_timeout", int64(c.Upstream.IdleTimeout)), positive("audit.lease_ttl", int64(c.Audit.LeaseTTL)),
		positive("upstream.first_byte_timeout", int64(c.Upstream.FirstByteTimeout)), positive("upstream.eject_after", int64(c.Upstream.EjectAfter)),
		positive("upstream.eject_for", int64(c.Upstream.EjectFor)), positive("upstream.eject_max", int64(c.Upstream.EjectMax)),
		c.checkZone(), c.checkTables(), c.checkBatch(),
	)
}

// checkTables checks what decides where requests go.
func (c *Config) checkTables() error {
	return errors.Join(c.checkBackends(), c.checkRoutes(), c.checkLimits(), c.checkModels(), c.checkPrices())
}

// CheckWorker returns every reason why a worker cannot run on this configuration.
func (c *Config) CheckWorker() error {
	var running error // of items
	if c.Batch.Enabled {
		running = errors.Join(c.checkZone(), c.checkTables(), c.checkBatch())
	}
	return errors.Join(running,
		required("database.url", c.Database.URL), required("redis.url", c.Redis.URL),
		required("temporal.address", c.Temporal.Address), required("temporal.namespace", c.Temporal.Namespace),
		required("temporal.task_queue", c.Temporal.TaskQueue), c.Temporal.check(),
		positive("worker.relay_interval", int64(c.Worker.RelayInterval)), positive("worker.relay_concurrency", int64(c.Worker.RelayConcurrency)),
		positive("worker.backlog_threshold", int64(c.Worker.BacklogThreshold)), positive("worker.backlog_chunk", int64(c.Worker.BacklogChunk)),
		positive("worker.long_running_after", int64(c.Worker.LongRunningAfter)), positive("worker.sweep_interval", int64(c.Worker.SweepInterval)),
		positive("worker.seal_interval", int64(c.Worker.SealInterval)),
		positive("worker.leak_age", int64(c.Worker.LeakAge)), positive("worker.reconcile_interval", int64(c.Worker.ReconcileInterval)),
	)
}

// CheckMigrate returns every reason why the migration cannot run on this configuration.
func (c *Config) CheckMigrate() error { return required("database.url", c.Database.URL) }

func (c *Config) checkZone() error {
	if _, err := c.Zone(); err != nil {
		return fmt.Errorf("quota.timezone: %w (use a name such as UTC or Europe/Berlin)", err)
	}
	return nil
}

func required(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s is not set", key)
	}
	return nil
}

func notEmpty(key string, n int) error {
	if n == 0 {
		return fmt.Errorf("%s is empty", key)
	}
	return nil
}

func positive(key string, n int64) error {
	if n <= 0 {
		return fmt.Errorf("%s must be greater than zero", key)
	}
	return nil
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is %q; it must be one of %q", key, value, allowed)
}

func absoluteURL(key, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%s is %q; it must be an http or https URL", key, value)
	}
	return nil
}
