package stack

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/postgres"
	"github.com/openova-io/llm-gateway/dev/internal/redis"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
	"github.com/openova-io/llm-gateway/dev/internal/temporal"
)

// Start brings everything up and returns once it serves. If something does not
// start, what did is stopped again.
func (s *Stack) Start(ctx context.Context) error {
	begin := time.Now()
	s.console.Printf("Starting in %s", s.dir.path)
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.Stop())
	}
	s.ready.Store(true)
	s.refresh()
	s.banner(time.Since(begin))
	return nil
}

// start runs the steps. What does not need each other starts together.
func (s *Stack) start(ctx context.Context) error {
	if err := s.startLocal(ctx); err != nil {
		return err
	}
	if err := s.startPostgres(ctx); err != nil {
		return err
	}
	if !s.options.NoGateway {
		if err := s.writeGatewayFiles(); err != nil {
			return err
		}
	}
	// The order of registration is the reverse order of stopping.
	if err := s.startRedis(ctx); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.startTemporal(groupCtx) })
	if s.options.Keycloak {
		group.Go(func() error { return s.startKeycloak(groupCtx) })
	}
	if !s.options.NoGateway {
		group.Go(func() error {
			return s.console.step("migrate", func() error { return s.migrate(groupCtx) }, say("the schema of the gateway"))
		})
	}
	if err := group.Wait(); err != nil || s.options.NoGateway {
		return err
	}
	return s.startGateway(ctx)
}

// startLocal starts the servers inside the stack's own process.
func (s *Stack) startLocal(ctx context.Context) error {
	identity := s.startIssuer
	if s.options.Keycloak {
		identity = s.prepareKeycloak
	}
	if err := identity(ctx); err != nil {
		return err
	}
	var err error
	if s.google, err = newServiceAccount(s.modelURL(vertexMount) + "/token"); err != nil {
		return err
	}
	if err := s.serve(ctx, "control", s.ports.Control, s.control()); err != nil {
		return err
	}
	return s.serve(ctx, "model", s.ports.Model, s.models())
}

// serve starts one of them.
func (s *Stack) serve(ctx context.Context, name string, port int, handler http.Handler) error {
	listener, err := s.held.Take(port)
	if err != nil {
		return err
	}
	one := newHTTPService(name, port, listener, handler, s.refresh)
	s.add(one)
	return one.Start(ctx)
}

func (s *Stack) startPostgres(ctx context.Context) error {
	run := func() error {
		var err error
		if s.postgres, err = postgres.Prepare(ctx, s.dir.path, s.ports.Postgres); err != nil {
			return err
		}
		if err := s.run(ctx, s.postgres.Spec(s.dir.log("postgres")), s.ports.Postgres); err != nil {
			return err
		}
		return s.postgres.Provision(ctx)
	}
	detail := func() string {
		text := "PostgreSQL " + s.postgres.Version
		if s.postgres.New {
			text += ", new"
		}
		if s.postgres.Moved {
			text += ", in " + s.postgres.Root + " because its user may not enter the state directory"
		}
		return text
	}
	return s.console.step("postgres", run, detail)
}

func (s *Stack) startRedis(ctx context.Context) error {
	port := s.ports.Redis
	spec := supervise.Spec{Path: s.options.Self[0], Args: s.self("redis", "--port", strconv.Itoa(port))}
	detail := "embedded, in memory"
	if path := redis.Find(s.options.Self[0]); path != "" && !s.options.EmbeddedRedis {
		spec, detail = redis.ServerSpec(path, port), path
	}
	spec.Name, spec.LogFile = "redis", s.dir.log("redis")
	spec.Ready = func(ctx context.Context) error { return redis.Ready(ctx, port) }
	return s.console.step("redis", func() error { return s.run(ctx, spec, port) }, say(detail))
}

func (s *Stack) startTemporal(ctx context.Context) error {
	p := s.ports
	settings := temporal.Settings{
		GRPCPort: p.Temporal, HistoryPort: p.temporalHistory, MatchingPort: p.temporalMatching, WorkerPort: p.temporalWorker,
		UIPort: p.UI, MetricsPort: p.TemporalMetrics,
		Shards: int32(s.options.Shards), Namespace: Namespace,
		Postgres: temporal.Postgres{
			Addr: s.postgres.Addr(), User: postgres.Temporal, Password: s.postgres.Password(postgres.Temporal),
			Database: postgres.TemporalDatabase, VisibilityDatabase: postgres.VisibilityDatabase,
		},
	}
	file := s.dir.file("temporal.json")
	if err := settings.WriteFile(file); err != nil {
		return err
	}
	spec := supervise.Spec{
		Name: "temporal", Path: s.options.Self[0], Args: s.self("temporal", "--config", file),
		LogFile: s.dir.log("temporal"), ReadyTimeout: 2 * time.Minute,
		Ready: func(ctx context.Context) error { return temporal.Ready(ctx, ports.Addr(p.Temporal)) },
	}
	held := []int{p.Temporal, p.temporalHistory, p.temporalMatching, p.temporalWorker, p.UI, p.TemporalMetrics}
	return s.console.step("temporal", func() error { return s.run(ctx, spec, held...) },
		say("with its Web UI, "+strconv.Itoa(s.options.Shards)+" history shards"))
}

func (s *Stack) startGateway(ctx context.Context) error {
	worker := func() error { return s.run(ctx, s.workerSpec(), s.ports.WorkerMetrics) }
	if err := s.console.step("worker", worker, say(s.options.WorkerBinary)); err != nil {
		return err
	}
	for i, p := range s.ports.frontends() {
		frontend := func() error { return s.run(ctx, s.frontendSpec(i, p), p.http, p.metrics) }
		if err := s.console.step(frontendName(i), frontend, say(ports.URL(p.http))); err != nil {
			return err
		}
	}
	return nil
}

// self is the arguments that make the stack's own binary a child.
func (s *Stack) self(args ...string) []string {
	return append(append([]string{}, s.options.Self[1:]...), args...)
}
