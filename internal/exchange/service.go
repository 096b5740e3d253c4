package exchange

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/record"
)

// Quota holds the use of every subject's window.
type Quota interface {
	Reserve(ctx context.Context, subject string, w gateway.Window, l gateway.Limits, id uuid.UUID, c gateway.Charge) (gateway.Used, gateway.Refusal, error)
	Settle(ctx context.Context, settlements ...gateway.Settlement) error
}

// Recorder puts requests on record; see record.Recorder.
type Recorder interface {
	Admit(ctx context.Context, in *gateway.Intent) error
	Finish(ctx context.Context, out *gateway.Outcome) error
}

// Sender is a backend.
type Sender interface {
	Send(ctx context.Context, c backend.Call) (*http.Response, error)
}

// Lease tells whether this process may admit requests. Requests of a process without a lease are closed by others.
type Lease interface {
	Valid() bool
}

// Metrics counts what happens.
type Metrics interface {
	Admitted(in *gateway.Intent)
	Ended(in *gateway.Intent, out *gateway.Outcome)
}

// Client is where an answer goes. Nothing is written before Begin.
type Client interface {
	Header() http.Header
	Begin(status int)
	Write(p []byte) error // returns when p is on its way, not when a buffer is full
}

// Request is what a client asked.
type Request struct {
	ID        uuid.UUID
	Principal gateway.Principal
	Endpoint  gateway.Endpoint
	Dialect   gateway.Dialect
	Path      string // at the backend
	Query     string
	Header    http.Header
	Session   string
	Body      *backend.Body // held by the caller
}

// Options are a Service's patience and place.
type Options struct {
	Instance     uuid.UUID
	Zone         *time.Location
	QuotaTimeout time.Duration // for one reservation
	PingInterval time.Duration
	IdleTimeout  time.Duration
}

// Service serves exchanges. All fields but Log are needed; it is safe for concurrent use.
type Service struct {
	Options
	Routes     gateway.Routes
	Backends   map[string]Sender
	Quota      Quota
	Recorder   Recorder
	Lease      Lease
	Metrics    Metrics
	Compressor *record.Compressor
	Log        *slog.Logger

	buffers sync.Pool
}

// exchange is one request under way.
type exchange struct {
	s      *Service
	req    *Request
	client Client
	intent gateway.Intent
	tape   *record.Tape
}

// Serve answers a request. The error, a *gateway.Error, is for the caller to tell the client; it is only returned
// while nothing has been written. An answer that breaks off later is reported to the client in its stream.
func (s *Service) Serve(ctx context.Context, req *Request, client Client) error {
	x := &exchange{s: s, req: req, client: client}
	if err := x.admit(ctx); err != nil {
		return err
	}
	s.Metrics.Admitted(&x.intent)
	return x.send(ctx)
}

// buffer lends a buffer for one answer.
func (s *Service) buffer() *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 32<<10)
	return &b
}
