// Package stacktest runs the development stack for tests and measurements: the real frontend, worker, Temporal
// server and Postgres as processes of their own, on ports of their own, in a directory of its own.
package stacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// startTimeout is how long a stack may take to be ready; a loaded machine takes its time.
const startTimeout = 3 * time.Minute

// State is what a running stack tells of itself.
type State struct {
	Gateway         string            `json:"gateway"`
	Frontends       []string          `json:"frontends"`
	TemporalUI      string            `json:"temporal_ui"`
	TemporalAddress string            `json:"temporal_address"`
	Namespace       string            `json:"namespace"`
	PostgresURLs    map[string]string `json:"postgres_urls"`
	RedisURL        string            `json:"redis_url"`
	Issuer          string            `json:"issuer"`
	Keycloak        *Keycloak         `json:"keycloak"` // nil without --keycloak
	Model           string            `json:"model"`
	InternalModel   string            `json:"internal_model"`
	Models          map[string]string `json:"models"` // every mount of the mock model
	Control         string            `json:"control"`
	Metrics         map[string]string `json:"metrics"`
	Tokens          map[string]string `json:"tokens"`
	PIDs            map[string]int    `json:"pids"`
	Dir             string            `json:"dir"`
}

// Stack is a running stack.
type Stack struct {
	State
	dir  string
	cmd  *exec.Cmd
	out  *bytes.Buffer
	done chan struct{}
	err  error // of the process; set before done is closed
	once sync.Once
}

// Start runs bin/stack, which `make build` builds, with more arguments, and waits until it is ready. Close ends it.
func Start(ctx context.Context, args ...string) (*Stack, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(root, "bin", "stack")
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("%w: run `make build` first", err)
	}
	dir, err := os.MkdirTemp("", "llmgw-stack-")
	if err != nil {
		return nil, err
	}
	s := &Stack{dir: dir, out: &bytes.Buffer{}, done: make(chan struct{})}
	s.cmd = exec.Command(binary, append([]string{"up", "--dir", dir, "--random-ports", "--ephemeral", "--quiet"}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() { s.err = s.cmd.Wait(); close(s.done) }()
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Root is the directory of the repository.
func Root() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the sources are not where they were compiled")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file))), nil
}

func (s *Stack) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if s.Refresh() == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("the stack ended: %w\n%s", s.err, s.out)
		case <-ctx.Done():
			return fmt.Errorf("the stack is not ready: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Refresh reads the state again, which changes as processes are restarted.
func (s *Stack) Refresh() error {
	text, err := os.ReadFile(filepath.Join(s.dir, "stack.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &s.State)
}

// Close stops everything. It may be called more than once.
func (s *Stack) Close() error {
	var err error
	s.once.Do(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.done:
		case <-time.After(time.Minute):
			err = errors.Join(errors.New("the stack did not stop in a minute"), s.cmd.Process.Kill())
			<-s.done
		}
		err = errors.Join(err, os.RemoveAll(s.dir))
	})
	return err
}

// Do asks the control API for something, such as "kill/frontend?wait=true" or "stop/temporal".
func (s *Stack) Do(ctx context.Context, verb string) error {
	return s.call(ctx, http.MethodPost, s.Control+"/"+verb, nil, nil)
}

func (s *Stack) call(ctx context.Context, method, url string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := new(http.Client).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, url, res.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
