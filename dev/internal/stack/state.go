package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/openova-io/llm-gateway/dev/internal/keycloak"
	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/postgres"
)

// stateFile tells scripts where everything is. It exists while everything runs.
const stateFile = "stack.json"

// State is the content of the state file.
type State struct {
	Gateway         string            `json:"gateway,omitempty"`
	Frontends       []string          `json:"frontends,omitempty"`
	TemporalUI      string            `json:"temporal_ui"`
	TemporalAddress string            `json:"temporal_address"`
	Namespace       string            `json:"namespace"`
	PostgresURL     string            `json:"postgres_url"`
	PostgresURLs    map[string]string `json:"postgres_urls"`
	RedisURL        string            `json:"redis_url"`
	Issuer          string            `json:"issuer"`
	Keycloak        *keycloak.Access  `json:"keycloak,omitempty"`
	Model           string            `json:"model"`
	InternalModel   string            `json:"internal_model"`
	Models          map[string]string `json:"models"` // every mount of the mock model, by provider
	Control         string            `json:"control"`
	Metrics         map[string]string `json:"metrics"`
	Tokens          map[string]string `json:"tokens"`
	PIDs            map[string]int    `json:"pids"`
	Dir             string            `json:"dir"`
}

// State describes the running stack.
func (s *Stack) State() State {
	database := func(role string) string { return s.postgres.URL(role, postgres.GatewayDatabase) }
	state := State{
		TemporalUI:      ports.URL(s.ports.UI),
		TemporalAddress: ports.Addr(s.ports.Temporal),
		Namespace:       Namespace,
		PostgresURL:     database(postgres.Owner),
		PostgresURLs: map[string]string{
			"owner": database(postgres.Owner), "frontend": database(postgres.Frontend), "worker": database(postgres.Worker),
			"auditor": database(postgres.Auditor), "superuser": database(postgres.Superuser),
		},
		RedisURL:      s.redisURL(),
		Issuer:        s.issuerURL(),
		Model:         s.modelURL(anthropicMount),
		InternalModel: s.modelURL(internalMount),
		Models:        s.modelURLs(),
		Control:       ports.URL(s.ports.Control),
		Metrics:       map[string]string{"temporal": ports.URL(s.ports.TemporalMetrics) + "/metrics"},
		Tokens:        s.tokens,
		PIDs:          map[string]int{"stack": os.Getpid()},
		Dir:           s.dir.path,
	}
	if s.keycloak != nil {
		state.Keycloak = &s.keycloak.Access
	}
	for _, one := range s.list() {
		// The servers inside the stack are not processes of their own.
		if info := one.Info(); info.PID != 0 && info.PID != os.Getpid() {
			state.PIDs[info.Name] = info.PID
		}
	}
	if s.options.NoGateway {
		return state
	}
	state.Gateway = ports.URL(s.ports.Gateway)
	state.Metrics["worker"] = ports.URL(s.ports.WorkerMetrics) + "/metrics"
	for i, p := range s.ports.frontends() {
		state.Frontends = append(state.Frontends, ports.URL(p.http))
		state.Metrics[frontendName(i)] = ports.URL(p.metrics) + "/metrics"
	}
	return state
}

// refresh brings the state file up to date. It does nothing while the stack
// starts or stops.
func (s *Stack) refresh() {
	if !s.ready.Load() {
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	content, err := json.MarshalIndent(s.State(), "", "  ")
	if err != nil || bytes.Equal(content, s.written) || !s.ready.Load() {
		return
	}
	if err := replace(s.dir.file(stateFile), append(content, '\n')); err != nil {
		s.console.event("%v", err)
		return
	}
	s.written = content
}

// removeState tells scripts that the stack is gone.
func (s *Stack) removeState() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := os.Remove(s.dir.file(stateFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", stateFile, err)
	}
	return nil
}

// replace writes a file in one step: readers see the old content or the new.
func replace(path string, content []byte) error {
	unfinished := path + ".new"
	if err := os.WriteFile(unfinished, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
