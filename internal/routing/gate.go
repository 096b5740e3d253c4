package routing

import (
	"context"
	"errors"
	"time"
)

// defaultWait is how long a request waits for its turn where the configuration does not say.
const defaultWait = 5 * time.Second

// ErrBusy is a backend that had no place for a request in time.
var ErrBusy = errors.New("the backend has as many requests as it may")

// Gate bounds the requests that a backend has at once. A nil Gate has no bound.
type Gate struct {
	places chan struct{}
	wait   time.Duration
}

// resized is the gate itself if it has these limits, else a new one.
func (g *Gate) resized(limit int, wait time.Duration) *Gate {
	if limit <= 0 {
		return nil
	}
	if wait == 0 {
		wait = defaultWait
	}
	if g != nil && cap(g.places) == limit && g.wait == wait {
		return g
	}
	return &Gate{places: make(chan struct{}, limit), wait: wait}
}

// Enter takes a place, waiting for one as long as the gate allows. The error is ErrBusy, or ctx's.
func (g *Gate) Enter(ctx context.Context) error {
	if g == nil {
		return nil
	}
	select {
	case g.places <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(g.wait)
	defer patience.Stop()
	select {
	case g.places <- struct{}{}:
		return nil
	case <-patience.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave gives the place back.
func (g *Gate) Leave() {
	if g != nil {
		<-g.places
	}
}
