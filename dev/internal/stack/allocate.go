package stack

import (
	"errors"
	"fmt"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
)

// allocation is every port of a running stack.
type allocation struct {
	Ports
	temporalHistory, temporalMatching, temporalWorker int
	extra                                             []frontendPorts // frontend-2 and on
}

// frontendPorts are the ports of one frontend.
type frontendPorts struct{ http, metrics int }

// request is a port that somebody wants.
type request struct {
	target  *int
	wanted  int
	purpose string
	flag    string
}

// allocate chooses and holds all ports before anything starts, so that every
// conflict is known, and reported, at once.
func allocate(set *ports.Set, o Options) (allocation, error) {
	a := allocation{extra: make([]frontendPorts, o.Frontends-1)}
	requests := []request{
		{&a.Postgres, o.Ports.Postgres, "PostgreSQL", "postgres-port"},
		{&a.Redis, o.Ports.Redis, "Redis", "redis-port"},
		{&a.Temporal, o.Ports.Temporal, "Temporal", "temporal-port"},
		{&a.temporalHistory, next(o.Ports.Temporal, 1), "Temporal's history service", "temporal-port"},
		{&a.temporalMatching, next(o.Ports.Temporal, 2), "Temporal's matching service", "temporal-port"},
		{&a.temporalWorker, next(o.Ports.Temporal, 6), "Temporal's worker service", "temporal-port"},
		{&a.UI, o.Ports.UI, "the Temporal Web UI", "ui-port"},
		{&a.TemporalMetrics, o.Ports.TemporalMetrics, "Temporal's metrics", "temporal-metrics-port"},
		{&a.Issuer, o.Ports.Issuer, "the OIDC issuer", "issuer-port"},
		{&a.Model, o.Ports.Model, "the mock model", "model-port"},
		{&a.Control, o.Ports.Control, "the control API", "control-port"},
	}
	if !o.NoGateway {
		requests = append(requests,
			request{&a.Gateway, o.Ports.Gateway, "the gateway", "port"},
			request{&a.GatewayMetrics, o.Ports.GatewayMetrics, "the frontend's metrics", "metrics-port"},
			request{&a.WorkerMetrics, o.Ports.WorkerMetrics, "the worker's metrics", "worker-metrics-port"},
		)
		for i := range a.extra {
			name := fmt.Sprintf("frontend-%d", i+2)
			requests = append(requests,
				request{&a.extra[i].http, 0, name, "frontends"},
				request{&a.extra[i].metrics, 0, "the metrics of " + name, "frontends"})
		}
	}
	var errs []error
	for _, r := range requests {
		port, err := set.Choose(r.wanted, r.purpose, r.flag)
		errs = append(errs, err)
		*r.target = port
	}
	return a, errors.Join(errs...)
}

// next is the port n above one that was chosen, or any if none was.
func next(port, n int) int {
	if port == 0 {
		return 0
	}
	return port + n
}

// frontends lists the ports of all frontends.
func (a allocation) frontends() []frontendPorts {
	return append([]frontendPorts{{http: a.Gateway, metrics: a.GatewayMetrics}}, a.extra...)
}
