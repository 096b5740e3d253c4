package adapter

import (
	"net/http"
	"sync"
	"time"
)

// client is the calling side of a request. One goroutine gives it the answer, and a timer the pings in between.
type client struct {
	http.ResponseWriter

	conn    *http.ResponseController
	timeout time.Duration // for one write

	mu       sync.Mutex // keeps a ping from being written in the midst of a chunk
	pinger   *time.Timer
	boundary bool // a ping may be put in
	stopped  bool
}

func newClient(w http.ResponseWriter, timeout time.Duration) *client {
	return &client{ResponseWriter: w, conn: http.NewResponseController(w), timeout: timeout, boundary: true}
}

// send writes p at once. A client that does not read for the timeout is given up.
func (c *client) send(p []byte) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
	if _, err := c.Write(p); err != nil {
		return err
	}
	return c.conn.Flush()
}

// done lifts the deadline, so that it does not meet the connection's next request.
func (c *client) done() { _ = c.conn.SetWriteDeadline(time.Time{}) }

// keepAlive sends a ping whenever the client was sent nothing for the interval, until the result is called. When that
// returns no ping is being written, and none will be.
func (c *client) keepAlive(interval time.Duration, ping []byte) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pinger = time.AfterFunc(interval, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.stopped {
			return
		}
		if c.boundary {
			_ = c.send(ping) // a client that is gone is noticed by its connection
		}
		c.pinger.Reset(interval)
	})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stopped = true
		c.pinger.Stop()
	}
}

// pass sends a piece of a stream, if there is any. boundary tells whether a ping may follow it.
func (c *client) pass(p []byte, boundary bool, interval time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boundary = boundary
	if len(p) == 0 {
		return nil
	}
	defer c.pinger.Reset(interval)
	return c.send(p)
}
