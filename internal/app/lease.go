package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// lease is this process's sign of life in the database. The requests of a process whose lease has run out are taken
// for interrupted and closed by the worker, so a process that cannot renew it admits no more.
type lease struct {
	instance uuid.UUID
	ttl      time.Duration
	renew    func(ctx context.Context, instance uuid.UUID, ttl time.Duration) error
	log      *slog.Logger

	until atomic.Int64 // unix nanoseconds
}

// Valid reports whether requests may be admitted.
func (l *lease) Valid() bool { return time.Now().UnixNano() < l.until.Load() }

func (l *lease) check(context.Context) error {
	if !l.Valid() {
		return errors.New("the lease has run out")
	}
	return nil
}

// hold takes the lease and renews it in the background until ctx ends. It returns when the lease is held, so that a
// process that listens can serve; or after patience, so that one whose database is away can say so.
func (l *lease) hold(ctx context.Context, patience time.Duration) {
	held := make(chan struct{})
	go l.run(ctx, sync.OnceFunc(func() { close(held) }))
	select {
	case <-held:
	case <-time.After(patience):
	case <-ctx.Done():
	}
}

// run renews the lease until ctx ends, three times in its life.
func (l *lease) run(ctx context.Context, renewed func()) {
	tick := time.NewTicker(l.ttl / 3)
	defer tick.Stop()
	for {
		// Counted from before the question was asked: ours never outlives the database's.
		asked := time.Now()
		attempt, cancel := context.WithTimeout(ctx, l.ttl/3)
		err := l.renew(attempt, l.instance, l.ttl)
		cancel()
		if err == nil {
			l.until.Store(asked.Add(l.ttl).UnixNano())
			renewed()
		} else if ctx.Err() == nil {
			l.log.Warn("the lease could not be renewed", "valid", l.Valid(), "error", err)
		}
		pause := tick.C
		if err != nil {
			pause = time.After(min(time.Second, l.ttl/3))
		}
		select {
		case <-ctx.Done():
			return
		case <-pause:
		}
	}
}
