package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openova-io/llm-gateway/dev/internal/issuer"
	"github.com/openova-io/llm-gateway/dev/internal/keycloak"
	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/postgres"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// Stack is everything that runs. Make one with [New], [Stack.Start] it once, and
// [Stack.Stop] it.
type Stack struct {
	options  Options
	console  *console
	dir      *directory
	held     *ports.Set
	ports    allocation
	host     *supervise.Host
	postgres *postgres.Server
	issuer   *issuer.Issuer    // nil with a Keycloak
	keycloak *keycloak.Server  // nil without
	tokens   map[string]string // by tier
	google   *serviceAccount   // what the gateway is at the mock of Google Cloud

	mu       sync.Mutex
	services []service // in the order of their start

	ready   atomic.Bool
	writing sync.Mutex // one writer of the state file at a time
	written []byte     // its content; guarded by writing
}

// New checks the options, takes the state directory and holds the ports.
func New(options Options) (*Stack, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	if _, err := parseOverrides(options.Set); err != nil {
		return nil, err // now rather than after half a start
	}
	s := &Stack{options: options, console: &console{out: options.Out}, held: ports.NewSet(options.RandomPorts)}
	if s.dir, err = openDirectory(options.Dir, options.Fresh, options.Ephemeral); err != nil {
		return nil, err
	}
	if s.ports, err = allocate(s.held, options); err != nil {
		return nil, errors.Join(err, s.held.Close(), s.dir.close())
	}
	s.host = supervise.NewHost(s.console.event, s.refresh)
	return s, nil
}

// Stop ends everything in the reverse order of its start.
func (s *Stack) Stop() error {
	s.ready.Store(false)
	errs := []error{s.removeState()}
	services := s.list()
	slices.Reverse(services)
	for _, group := range stopGroups(services) {
		var wait sync.WaitGroup
		for _, one := range group {
			wait.Go(func() { one.Stop(0) })
		}
		wait.Wait()
	}
	s.host.Close()
	errs = append(errs, s.held.Close())
	if s.options.Ephemeral {
		errs = append(errs, s.dir.remove())
	}
	return errors.Join(append(errs, s.dir.close())...)
}

// stopGroups puts neighbours that may stop together into one group: the
// frontends, which may each take their time to end their streams.
func stopGroups(services []service) [][]service {
	var groups [][]service
	for i, one := range services {
		if i > 0 && isFrontend(one) && isFrontend(services[i-1]) {
			last := len(groups) - 1
			groups[last] = append(groups[last], one)
			continue
		}
		groups = append(groups, []service{one})
	}
	return groups
}

func isFrontend(s service) bool {
	return strings.HasPrefix(s.Name(), "frontend")
}

// KillNow ends everything at once and waits for nothing.
func (s *Stack) KillNow() {
	for _, one := range s.list() {
		if process, ok := one.(*supervise.Process); ok {
			process.KillNow()
		}
	}
}

// list copies the services.
func (s *Stack) list() []service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.services)
}

// add registers a service, before it is started, so that a failed start is
// cleaned up too.
func (s *Stack) add(one service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services = append(s.services, one)
}

// find returns the service of a name.
func (s *Stack) find(name string) (service, error) {
	var names []string
	for _, one := range s.list() {
		if one.Name() == name {
			return one, nil
		}
		names = append(names, one.Name())
	}
	return nil, fmt.Errorf("there is no %q; there are %v", name, names)
}

// run starts a child process on ports that were held for it.
func (s *Stack) run(ctx context.Context, spec supervise.Spec, held ...int) error {
	process := supervise.New(s.host, spec)
	s.add(process)
	s.held.Release(held...)
	return process.Start(ctx)
}

// redisURL is where Redis is reached.
func (s *Stack) redisURL() string { return "redis://" + ports.Addr(s.ports.Redis) + "/0" }

// tokenLifetime is how long the tokens in the state file last.
const tokenLifetime = 30 * 24 * time.Hour
