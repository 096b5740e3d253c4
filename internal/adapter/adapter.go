package adapter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// Adapter serves clients of both dialects from one backend.
type Adapter struct {
	cfg        *Config
	log        *slog.Logger
	backend    backend.Backend
	credential *secret
	registry   *prometheus.Registry
	metrics    *metrics
	modelFile  modelFile
	bodies     backend.Pool
	draining   atomic.Bool
}

// New makes an adapter of a configuration that Check has nothing against.
func New(cfg *Config, log *slog.Logger) (*Adapter, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("configuration:\n%w", err)
	}
	initial, err := cfg.models()
	if err != nil {
		return nil, err
	}
	if cfg.ignoredKey {
		log.Warn("ANTHROPIC_API_KEY is set and is ignored; the adapter takes ANTHROPIC_OAUTH_TOKEN alone")
	}
	a := &Adapter{cfg: cfg, log: log, credential: cfg.credential(), registry: telemetry.NewRegistry()}
	// The credential comes with each call, as a caller's own would: it may be mounted after the start, and rotated.
	auth := config.Auth{Mode: config.AuthCaller}
	if a.credential == nil {
		auth.Mode = config.AuthNone
	}
	a.backend, err = backend.New(config.Backend{
		Name: string(cfg.Backend), Kind: config.KindHTTP, Dialects: []string{string(cfg.Backend)}, BaseURL: cfg.baseURL(), Auth: auth,
	}, backend.Environment{
		Transport: backend.NewTransport(config.Upstream{ConnectTimeout: cfg.ConnectTimeout, HeaderTimeout: cfg.HeaderTimeout}),
	})
	if err != nil {
		return nil, err
	}
	a.metrics = newMetrics(a.registry)
	a.modelFile = modelFile{path: cfg.ModelMapFile, log: log, refused: a.metrics.modelMapRefused}
	a.modelFile.current.Store(&initial)
	return a, nil
}

func (a *Adapter) models() models { return *a.modelFile.current.Load() }

// Handler is everything that the adapter answers to.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(method, path string, h http.HandlerFunc) {
		mux.Handle(method+" "+path, a.observe(path, a.admit(h)))
	}
	handle("POST", "/v1/chat/completions", a.call(gateway.Chat))
	handle("POST", "/v1/messages", a.call(gateway.Messages))
	handle("POST", "/v1/messages/count_tokens", a.call(gateway.CountTokens))
	handle("GET", "/v1/models", a.list)
	handle("GET", "/v1/models/{id...}", a.one) // an id may have slashes
	mux.Handle("/", a.observe("other", a.notFound))
	alive := func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, state{Status: "alive"}) }
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("HEAD /{$}", alive) // Claude Code asks for these before it starts
	mux.HandleFunc("HEAD /api/hello", alive)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	return anthropic.ForgiveBaseURL(mux)
}

func (a *Adapter) notFound(w http.ResponseWriter, r *http.Request) {
	a.fail(w, r, &gateway.Error{
		Code: gateway.NotFound, NoRetry: true,
		Message: "There is no " + r.Method + " " + r.URL.Path + " here. The base URL of an Anthropic client is the adapter's address without /v1.",
	})
}

// state is what the adapter says of itself to those who watch it.
type state struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// ready tells whether the adapter should be given requests: it has every token it needs, and is not about to leave.
func (a *Adapter) ready(w http.ResponseWriter, _ *http.Request) {
	if a.draining.Load() {
		writeJSON(w, http.StatusServiceUnavailable, state{"not ready", "draining"})
		return
	}
	for _, s := range []*secret{a.credential, a.cfg.callerToken()} {
		if s == nil {
			continue
		}
		if _, err := s.read(); err != nil {
			writeJSON(w, http.StatusServiceUnavailable, state{"not ready", err.Error()})
			return
		}
	}
	writeJSON(w, http.StatusOK, state{Status: "ready"})
}

// Run serves clients until ctx ends, then lets the running requests end.
func Run(ctx context.Context, cfg *Config, log *slog.Logger) error {
	a, err := New(cfg, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("LISTEN: %w", err)
	}
	log.Info("adapter starts", "listen", listener.Addr().String(), "backend", cfg.Backend, "url", cfg.baseURL())
	return a.serve(ctx, listener)
}

// serve says first that it is leaving when ctx ends, waits until load balancers have heard, then takes no new
// connections and lets the running requests end.
func (a *Adapter) serve(ctx context.Context, listener net.Listener) error {
	if a.cfg.ModelMapFile != "" {
		go a.modelFile.follow(ctx)
	}
	server := &http.Server{
		Handler:           a.Handler(),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	a.log.Info("draining", "delay", a.cfg.DrainDelay, "timeout", a.cfg.DrainTimeout)
	a.draining.Store(true)
	time.Sleep(a.cfg.DrainDelay)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.DrainTimeout)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off at the end of the drain: %w", err), server.Close())
	}
	return nil
}
