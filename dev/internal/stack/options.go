package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Options is what the command line can choose.
type Options struct {
	Dir       string // state directory
	Fresh     bool   // delete the state first
	Ephemeral bool   // delete the state at the end

	Ports       Ports
	RandomPorts bool

	EmbeddedRedis bool // even if the machine has a redis-server
	Shards        int  // Temporal's history shards, fixed by the first start

	Keycloak bool // a real Keycloak in place of the issuer of our own

	NoGateway      bool   // only what the gateway needs
	FrontendBinary string // empty: beside the stack's own binary
	WorkerBinary   string
	Frontends      int
	AuditMode      string
	Set            []string      // "key=value", applied to the children's configuration
	Grace          time.Duration // for each child to end by itself

	// The backends; empty URLs mean the mock model.
	AnthropicURL    string
	OpenAIURL       string
	OpenAITokenFile string
	// AnthropicToken goes to the frontends, in place of the mock's token, when
	// there is an AnthropicURL.
	AnthropicToken string

	// Self is the command that starts the stack's own binary, for the children
	// that are part of it.
	Self []string
	// Out receives progress and the banner; nil means nobody does.
	Out io.Writer
}

// Ports are the ports to listen on; 0 lets the stack choose.
type Ports struct {
	Gateway, GatewayMetrics        int
	WorkerMetrics                  int
	Temporal, UI, TemporalMetrics  int
	Postgres, Redis, Issuer, Model int
	Control                        int
}

// DefaultOptions are what the stack does when it is not told otherwise.
func DefaultOptions() Options {
	return Options{
		Dir: ".run",
		Ports: Ports{
			Gateway: 8000, GatewayMetrics: 9464,
			WorkerMetrics: 9465,
			Temporal:      7233, UI: 8233, TemporalMetrics: 9466,
			Postgres: 15432, Redis: 16379, Issuer: 8280, Model: 8281,
			Control: 8299,
		},
		Shards:    512,
		Frontends: 1,
		AuditMode: "strict",
		Grace:     20 * time.Second,
	}
}

// complete checks the options and fills in what depends on the machine.
func (o Options) complete() (Options, error) {
	var errs []error
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		errs = append(errs, fmt.Errorf("--dir: %w", err))
	}
	if o.Frontends < 1 {
		errs = append(errs, errors.New("--frontends must be at least 1"))
	}
	if o.Shards < 1 {
		errs = append(errs, errors.New("--shards must be at least 1"))
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if len(o.Self) == 0 {
		self, err := os.Executable()
		errs = append(errs, err)
		o.Self = []string{self}
	}
	if !o.NoGateway {
		o.FrontendBinary, err = binary(o.FrontendBinary, "frontend", o.Self[0])
		errs = append(errs, err)
		o.WorkerBinary, err = binary(o.WorkerBinary, "worker", o.Self[0])
		errs = append(errs, err)
	}
	return o, errors.Join(errs...)
}

// binary finds a program of the gateway.
func binary(path, name, self string) (string, error) {
	if path == "" {
		path = filepath.Join(filepath.Dir(self), name)
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("no %s binary: build it, say where it is with --%s, or start without the gateway with --no-gateway: %w", name, name, err)
	}
	return filepath.Abs(found)
}
