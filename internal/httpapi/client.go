package httpapi

import (
	"net/http"
	"time"
)

// client is the calling side of a connection, as an exchange sees it.
type client struct {
	w       http.ResponseWriter
	conn    *http.ResponseController
	timeout time.Duration
	limit   time.Time // the write deadline as last set
}

func newClient(w http.ResponseWriter, timeout time.Duration) *client {
	return &client{w: w, conn: http.NewResponseController(w), timeout: timeout}
}

// Header is the header that Begin sends.
func (c *client) Header() http.Header { return c.w.Header() }

// Begin sends the status and the header, with the first bytes written.
func (c *client) Begin(status int) { c.w.WriteHeader(status) }

// Write sends p at once. A client that does not read for the write timeout is given up.
func (c *client) Write(p []byte) error {
	// Moving the deadline costs more than a small write, so it is moved when half of it is gone.
	if now := time.Now(); c.limit.Sub(now) < c.timeout/2 {
		c.limit = now.Add(c.timeout)
		_ = c.conn.SetWriteDeadline(c.limit)
	}
	if _, err := c.w.Write(p); err != nil {
		return err
	}
	return c.conn.Flush()
}

// done lifts the deadline, so that it does not meet the connection's next request.
func (c *client) done() {
	if !c.limit.IsZero() {
		_ = c.conn.SetWriteDeadline(time.Time{})
	}
}

// writeFunc is an io.Writer of a function that takes all it is given, or fails.
type writeFunc func(p []byte) error

func (write writeFunc) Write(p []byte) (int, error) {
	if err := write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
