// Package record puts requests, their further attempts and their outcomes on record: many in one transaction, each waited for.
//
// There is no timer where somebody waits. A writer takes what waits, commits it, and takes what came meanwhile; so a lone record is
// committed at once, and under load a commit is shared by as many records as arrived during the one before.
package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Stager commits records, all or none. Staging a record twice must be harmless.
//
// An error with gateway.ErrFateUnknown in its chain means that the records may have been committed; one with
// gateway.ErrRecordRefused that a record is at fault; any other that nothing was committed.
type Stager interface {
	Stage(ctx context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, outcomes []*gateway.Outcome) error
}

// Spool keeps records durably while the Stager cannot take them.
type Spool interface {
	PutIntent(in *gateway.Intent) error
	PutAttempt(a *gateway.Attempt) error
	PutOutcome(out *gateway.Outcome) error
	Full() bool
}

// Options are the recorder's bounds; see config.Audit.
type Options struct {
	Async         bool          // do not wait for the commit
	CommitTimeout time.Duration // how long Admit, Attempt and Finish wait
	Queue         int           // records that may wait
	Writers       int           // transactions in flight
	BatchRows     int           // records in a transaction
}

// stageTimeout bounds one transaction. It is long: by then the waiting requests have given up, and a transaction
// cut short leaves a fate unknown.
const stageTimeout = 10 * time.Second

// Recorder is the group-committing writer. It is safe for concurrent use.
type Recorder struct {
	opts   Options
	stager Stager
	spool  Spool
	log    *slog.Logger

	queue   chan *item
	stop    chan struct{} // closed when the writers are to end once the queue is empty
	writers sync.WaitGroup
}

// New starts a recorder. Close ends it.
func New(stager Stager, spool Spool, opts Options, log *slog.Logger) *Recorder {
	r := &Recorder{opts: opts, stager: stager, spool: spool, log: log, queue: make(chan *item, opts.Queue), stop: make(chan struct{})}
	for range opts.Writers {
		r.writers.Go(r.write)
	}
	return r
}

// Waiting is how many records wait for a writer.
func (r *Recorder) Waiting() int { return len(r.queue) }

// Admit puts an intent on record. When it returns nil the intent is committed (or, in async mode, queued). An error
// is an Overloaded *gateway.Error; with gateway.ErrFateUnknown in its chain the intent may yet be committed, and
// will then be followed by an outcome that says the request was never sent.
func (r *Recorder) Admit(ctx context.Context, in *gateway.Intent) error {
	if r.spool.Full() {
		return refuse("The gateway's local store of unsaved records is full. Nothing was charged.", errors.New("the spool is full"))
	}
	it := &item{intent: in, done: make(chan error, 1)}
	if err := r.submit(ctx, it); err != nil {
		return refuse("The gateway cannot put your request on record right now, so it was not sent. Nothing was charged.", err)
	}
	return nil
}

// Attempt puts another sending of an admitted request on record. When it returns nil the attempt is committed (or, in
// async mode, queued) and may be made. An error is an Overloaded *gateway.Error, and the attempt may not be made; with
// gateway.ErrFateUnknown in its chain it may yet be on record, and is then one more than its outcome counts.
func (r *Recorder) Attempt(ctx context.Context, a *gateway.Attempt) error {
	it := &item{attempt: a, done: make(chan error, 1)}
	if err := r.submit(ctx, it); err != nil {
		return refuse("The model could not be reached, and the gateway cannot put another attempt on record right now, so it was not made.", err)
	}
	return nil
}

// Finish puts an outcome on record. When it returns nil the outcome is durable: committed, or spooled if the
// database did not take it in time (in async mode: queued).
func (r *Recorder) Finish(ctx context.Context, out *gateway.Outcome) error {
	it := &item{outcome: out, done: make(chan error, 1)}
	err := r.submit(context.WithoutCancel(ctx), it)
	if err == nil {
		return nil
	}
	r.log.Warn("audit: an outcome goes to the spool", "request", out.ID, "error", err)
	if err := r.spool.PutOutcome(out); err != nil {
		return fmt.Errorf("audit: outcome of %s is on record nowhere: %w", out.ID, err)
	}
	return nil
}

// Withdraw puts on record why a request that was admitted is not sent. Its error is that of Finish.
func (r *Recorder) Withdraw(ctx context.Context, in *gateway.Intent, why string) error {
	return r.Finish(ctx, neverSent(in, why))
}

// Close waits until everything queued is committed, or ctx ends; what is left then goes to the spool. No Admit,
// Attempt or Finish may be running or follow.
func (r *Recorder) Close(ctx context.Context) error {
	close(r.stop)
	ended := make(chan struct{})
	go func() { r.writers.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	var errs []error
	for {
		select {
		case it := <-r.queue:
			if it.take() {
				errs = append(errs, r.toSpool(it))
			}
		default:
			return errors.Join(errs...)
		}
	}
}

// submit queues an item and waits for its commit as long as the mode and the timeout say.
func (r *Recorder) submit(ctx context.Context, it *item) error {
	patience := time.NewTimer(r.opts.CommitTimeout)
	defer patience.Stop()
	select {
	case r.queue <- it:
	case <-patience.C:
		return errors.New("the queue of records is full")
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.opts.Async {
		return nil
	}
	select {
	case err := <-it.done:
		return err
	case <-patience.C:
	case <-ctx.Done():
	}
	return it.abandon()
}

func (r *Recorder) toSpool(it *item) error {
	switch {
	case it.intent != nil:
		return r.spool.PutIntent(it.intent)
	case it.attempt != nil:
		return r.spool.PutAttempt(it.attempt)
	}
	return r.spool.PutOutcome(it.outcome)
}

func refuse(message string, cause error) error {
	return &gateway.Error{
		Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Cause: cause,
		Message: message + " Try again in a few seconds.",
	}
}
