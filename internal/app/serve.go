package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// drain is how a process leaves: first it says that it is leaving, then it waits until the load balancers have
// heard, then it takes no new connections and lets the running requests end.
type drain struct {
	before  func()
	delay   time.Duration
	timeout time.Duration
}

// serve runs the servers until ctx ends and all requests with it. Nil servers are passed over; the first is the one
// that is drained, and outlived by none of the others' metrics.
func serve(ctx context.Context, log *slog.Logger, d drain, servers ...*http.Server) error {
	failed := make(chan error, len(servers))
	var running []*http.Server
	for _, s := range servers {
		if s == nil {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
		if err != nil {
			return errors.Join(fmt.Errorf("listen on %s: %w", s.Addr, err), closeAll(running))
		}
		running = append(running, s)
		go func() { failed <- s.Serve(listener) }()
	}
	select {
	case err := <-failed:
		return errors.Join(err, closeAll(running))
	case <-ctx.Done():
	}
	log.Info("draining", "delay", d.delay, "timeout", d.timeout)
	if d.before != nil {
		d.before()
	}
	time.Sleep(d.delay)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
	defer cancel()
	var errs []error
	for _, s := range running {
		if err := s.Shutdown(bounded); err != nil {
			errs = append(errs, fmt.Errorf("requests were cut off at the end of the drain: %w", err), s.Close())
		}
	}
	return errors.Join(errs...)
}

func closeAll(servers []*http.Server) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// metricsServer serves /metrics on a listener of its own, and whatever more a process without other listeners has
// to say of itself. It is nil where addr is empty.
func metricsServer(addr string, registry *prometheus.Registry, more map[string]http.Handler) *http.Server {
	if addr == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	for pattern, handler := range more {
		mux.Handle(pattern, handler)
	}
	return &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
}
