package app

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/routing"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// routes is the routing table in force. A changed configuration replaces it as a whole, or not at all.
type routes struct {
	table   atomic.Pointer[routing.Table]
	present *config.Config // what the table was made of; watch's own
	env     backend.Environment
	metrics *telemetry.Reloads
	log     *slog.Logger
}

// newRoutes makes the table of the configuration that the process starts with.
func newRoutes(cfg *config.Config, env backend.Environment, metrics *telemetry.Reloads, log *slog.Logger) (*routes, error) {
	r := &routes{present: cfg, env: env, metrics: metrics, log: log}
	table, err := routing.NewTable(cfg, env, nil)
	r.table.Store(table)
	return r, err
}

// watch looks at the file for changes until ctx ends: at SIGHUP, and every interval if that is not 0.
func (r *routes) watch(ctx context.Context, file string, running *config.Config) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	var tick <-chan time.Time
	if running.ReloadInterval > 0 {
		ticker := time.NewTicker(running.ReloadInterval)
		defer ticker.Stop()
		tick = ticker.C
	}
	var seen, last []byte
	for {
		told := false
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			told = true
		case <-tick:
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a file that is being replaced may be away for a moment
		}
		// A file that is being written may be there by halves: it must have been the same twice.
		written := bytes.Equal(text, last)
		last = text
		if told || written && !bytes.Equal(text, seen) {
			seen = text
			r.reload(file, running)
		}
	}
}

// reload puts the file's backends, models, prices and tiers in force. Whatever is wrong with the file, what was in
// force stays so.
func (r *routes) reload(file string, running *config.Config) {
	fresh, err := config.Load(file)
	if err == nil {
		err = fresh.CheckFrontend()
	}
	if err == nil && reflect.DeepEqual(fresh, r.present) {
		r.metrics.Current()
		return
	}
	var table *routing.Table
	if err == nil {
		table, err = routing.NewTable(fresh, r.env, r.table.Load())
	}
	if err != nil {
		r.metrics.Refused()
		r.log.Error("the changed configuration is refused; what was in force stays so", "file", file, "error", err)
		return
	}
	r.table.Store(table)
	r.present = fresh
	r.metrics.Applied()
	r.log.Info("the changed configuration is in force", "file", file, "backends", len(table.Backends), "tiers", len(table.Routes))
	if later := needRestart(running, fresh); later != "" {
		r.log.Warn("some changes take effect at the next start only", "sections", later)
	}
}

// needRestart names the changed sections that are read at the start only.
func needRestart(running, fresh *config.Config) string {
	var sections []string
	a, b := reflect.ValueOf(*running), reflect.ValueOf(*fresh)
	for i := range a.NumField() {
		name := a.Type().Field(i).Tag.Get("koanf")
		switch name {
		case "backends", "models", "prices", "tiers", "classes", "overrides":
			continue
		}
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			sections = append(sections, name)
		}
	}
	return strings.Join(sections, ", ")
}

// ejected tells of each backend whether it is being left alone.
func (r *routes) ejected(health *routing.Health) func() map[string]float64 {
	return func() map[string]float64 {
		values := map[string]float64{}
		for name := range r.table.Load().Backends {
			values[name] = 0
			if health.Ejected(name) {
				values[name] = 1
			}
		}
		return values
	}
}
