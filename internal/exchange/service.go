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
	"github.com/openova-io/llm-gateway/internal/jsonscan"
	"github.com/openova-io/llm-gateway/internal/record"
	"github.com/openova-io/llm-gateway/internal/routing"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// Quota holds the use of every subject's window.
type Quota interface {
	Reserve(ctx context.Context, a gateway.Ask) (gateway.Use, gateway.Refusal, error)
	Settle(ctx context.Context, settlements ...gateway.Settlement) error
	Leave(ctx context.Context, id uuid.UUID) error
}

// Recorder puts requests on record; see record.Recorder.
type Recorder interface {
	Admit(ctx context.Context, in *gateway.Intent) error
	Withdraw(ctx context.Context, in *gateway.Intent, why string) error
	Attempt(ctx context.Context, a *gateway.Attempt) error
	Finish(ctx context.Context, out *gateway.Outcome) error
}

// Lease tells whether this process may admit requests. Requests of a process without a lease are closed by others.
type Lease interface {
	Valid() bool
}

// Metrics counts what happens.
type Metrics interface {
	Admitted(in *gateway.Intent)
	Attempted(backend, result string)
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
	Query     string
	Header    http.Header
	Caller    http.Header // the caller's own credential for backends that want it; nil if there is none
	Session   string
	Body      *backend.Body   // held by the caller
	Item      gateway.ItemRef // of a batch; zero for a request that is none's
	Begun     *gateway.Begun  // it was admitted and sent before, and nobody knows how that ended; nil else
}

// Options are a Service's patience and place.
type Options struct {
	Instance         uuid.UUID
	Zone             *time.Location
	QuotaTimeout     time.Duration // for one reservation
	Confirm          bool          // reservations are asked for again once the request is on record: none is admitted beyond its limits even if the quota's store loses what it has
	PingInterval     time.Duration
	FirstByteTimeout time.Duration // of a streamed answer, while there is another target
	IdleTimeout      time.Duration
	RetryWait        time.Duration // that one request may pause in all between its attempts
}

// Service serves exchanges. All fields are needed; it is safe for concurrent use.
type Service struct {
	Options
	Table      func() *routing.Table // the present one
	Health     *routing.Health
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
	table  *routing.Table // as it was at admission, whatever is loaded meanwhile
	format wire.Format    // the client's dialect
	began  time.Time
	scan   jsonscan.Request // of the body as it is now
	asked  string           // the model, as the client wrote it
	trip   *routing.Trip
	call   call // the present attempt's
	limits gateway.Limits
	intent gateway.Intent
	sent   int          // attempts
	tape   *record.Tape // of the present attempt's answer
	first  time.Time    // when it began
}

// Serve answers a request. The error, a *gateway.Error, is for the caller to tell the client; it is only returned
// while nothing has been written. An answer that breaks off later is reported to the client in its stream.
func (s *Service) Serve(ctx context.Context, req *Request, client Client) error {
	x := s.exchange(req, client)
	plan, err := x.plan(ctx)
	if err != nil {
		return err
	}
	if x.call.backend == nil {
		return x.countHere()
	}
	if err := x.enter(ctx, plan.Limits); err != nil {
		return err
	}
	defer x.leave(ctx)
	return x.deliver(ctx)
}

func (s *Service) exchange(req *Request, client Client) *exchange {
	x := &exchange{s: s, req: req, client: client, table: s.Table(), format: wire.Of(req.Endpoint), began: time.Now()}
	if req.Begun != nil {
		x.began, x.sent = req.Begun.At, req.Begun.Sent
	}
	return x
}

// buffer lends a buffer for one answer.
func (s *Service) buffer() *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 32<<10)
	return &b
}
