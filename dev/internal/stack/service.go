package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// service is anything the control API can act on: a child process, or a server
// inside the stack's own process.
type service interface {
	Name() string
	Info() supervise.Info
	Start(ctx context.Context) error
	Stop(timeout time.Duration)
	Kill(stayDown bool) error
	Pause() error
	Resume() error
}

// httpService is an HTTP server inside the stack's process. It keeps its port.
type httpService struct {
	name    string
	port    int
	handler http.Handler
	changed func()

	mu       sync.Mutex
	listener net.Listener // held for the first start
	server   *http.Server // nil while stopped
	restarts int
}

// newHTTPService returns a stopped server that will serve on the listener first.
func newHTTPService(name string, port int, listener net.Listener, handler http.Handler, changed func()) *httpService {
	return &httpService{name: name, port: port, handler: handler, changed: changed, listener: listener}
}

func (s *httpService) Name() string { return s.name }

// Info describes the server; its process is the stack's.
func (s *httpService) Info() supervise.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := supervise.Info{Name: s.name, State: supervise.Stopped, Restarts: s.restarts}
	if s.server != nil {
		info.State, info.PID = supervise.Running, os.Getpid()
	}
	return info
}

// Start serves, on the same port as ever.
func (s *httpService) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}
	listener := s.listener
	s.listener = nil
	if listener == nil {
		var err error
		var config net.ListenConfig
		if listener, err = config.Listen(ctx, "tcp", ports.Addr(s.port)); err != nil {
			return fmt.Errorf("start %s: %w", s.name, err)
		}
	}
	s.server = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // about clients that broke off
	}
	go func(server *http.Server) { _ = server.Serve(listener) }(s.server)
	return nil
}

// Stop closes the port and every connection at once: some of the answers of the
// mock model are made never to end.
func (s *httpService) Stop(time.Duration) {
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close()
		s.listener = nil
	}
	if s.server != nil {
		_ = s.server.Close()
		s.server = nil
	}
	s.mu.Unlock()
	s.changed()
}

// Kill breaks all connections; the server is back at once unless stayDown.
func (s *httpService) Kill(stayDown bool) error {
	s.Stop(0)
	s.mu.Lock()
	s.restarts++
	s.mu.Unlock()
	if stayDown {
		return nil
	}
	return s.Start(context.Background())
}

// errNotAProcess explains why a server inside the stack cannot be frozen.
var errNotAProcess = errors.New("it is part of the stack's own process and cannot be frozen alone: stop it, or have the mock model stall")

func (s *httpService) Pause() error  { return errNotAProcess }
func (s *httpService) Resume() error { return errNotAProcess }
