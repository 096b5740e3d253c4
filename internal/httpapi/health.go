package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// checkTimeout bounds one look at a dependency.
const checkTimeout = time.Second

// Check is a look at one dependency.
type Check struct {
	Name string
	// Vital: without it no request can be served. The others are reported and leave the gateway ready, since some
	// requests can be served without them.
	Vital bool
	Look  func(ctx context.Context) error
}

// Health answers whether the gateway should be given requests.
type Health struct {
	Checks   []Check
	Log      *slog.Logger
	draining atomic.Bool
}

// Drain makes the gateway say that it is not ready, so that no new connections are sent to it.
func (h *Health) Drain() { h.draining.Store(true) }

// ready answers 200 if requests can be served, else 503, with the state of each dependency. The reasons go to the
// log, not to whoever asks: they may name hosts and users.
func (h *Health) ready(c *gin.Context) {
	if h.draining.Load() {
		c.JSON(http.StatusServiceUnavailable, gin.H{"status": "draining"})
		return
	}
	states := make([]string, len(h.Checks))
	vital := atomic.Bool{}
	degraded := atomic.Bool{}
	var all sync.WaitGroup
	for i, check := range h.Checks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(c.Request.Context(), checkTimeout)
			defer cancel()
			err := check.Look(ctx)
			if err == nil {
				states[i] = "ok"
				return
			}
			states[i] = "failing"
			degraded.Store(true)
			if check.Vital {
				vital.Store(true)
			}
			h.Log.Warn("not ready", "check", check.Name, "vital", check.Vital, "error", err)
		})
	}
	all.Wait()
	status, word := http.StatusOK, "ready"
	switch {
	case vital.Load():
		status, word = http.StatusServiceUnavailable, "not ready"
	case degraded.Load():
		word = "degraded"
	}
	checks := gin.H{}
	for i, check := range h.Checks {
		checks[check.Name] = states[i]
	}
	c.JSON(status, gin.H{"status": word, "checks": checks})
}
