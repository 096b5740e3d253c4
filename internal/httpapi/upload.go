package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// How long a client that is still sending is listened to after it was refused: in all, and while it sends nothing.
const (
	lingerFor  = 30 * time.Second
	lingerIdle = 5 * time.Second
)

// upload is a request body that is taken as it comes, however long that takes while something comes.
type upload struct {
	body  io.Reader
	conn  *http.ResponseController
	idle  time.Duration
	limit int64
	over  error // what a body over the limit is told
	taken int64
}

// receive begins to take a body of at most limit bytes; over is the error about more. The caller lifts the body's
// deadline with done.
func (p *batchPaths) receive(c *gin.Context, limit int64, over error) (*upload, error) {
	u := &upload{
		body: c.Request.Body, conn: http.NewResponseController(c.Writer), idle: p.Config.UploadIdle, limit: limit, over: over,
	}
	if c.Request.ContentLength > limit {
		return u, u.over
	}
	return u, nil
}

// tooMuch is the error about a body over the limit. The format has a place for that, in MB.
func tooMuch(format string, limit int64) error {
	return &gateway.Error{Code: gateway.TooLarge, NoRetry: true, Message: fmt.Sprintf(format, limit>>20)}
}

// Read gives up a client that sends nothing for the idle time, and one that sends more than the limit.
func (u *upload) Read(p []byte) (int, error) {
	_ = u.conn.SetReadDeadline(time.Now().Add(u.idle))
	n, err := u.body.Read(p)
	u.taken += int64(n)
	switch {
	case u.taken > u.limit:
		return 0, u.over
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, &gateway.Error{Code: gateway.Invalid, Message: "The upload was given up: nothing came for " + u.idle.String() + ". Nothing of it was kept. Send it again.", Cause: err}
	}
	return n, &gateway.Error{Code: gateway.Invalid, Message: "The upload broke off before its end. Nothing of it was kept. Send it again.", Cause: err}
}

// done lifts the deadline, so that it does not meet what comes after the body.
func (u *upload) done() { _ = u.conn.SetReadDeadline(time.Time{}) }

// uploaded makes a handler of one that takes a long body and may fail in the midst of it. The error is sent at once,
// for clients that look while they send. Then the rest is read and dropped for a while, for those that look only after
// the last byte: if the connection were closed while bytes come in, they would never see the answer.
func (p *batchPaths) uploaded(handle func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := handle(c)
		if err == nil {
			return
		}
		c.Header("Connection", "close")
		p.fail(c, unavailable(err))
		linger(c)
	}
}

func linger(c *gin.Context) {
	conn := http.NewResponseController(c.Writer)
	buf := make([]byte, 32<<10)
	end := time.Now().Add(lingerFor)
	for err := conn.Flush(); err == nil; {
		until := time.Now().Add(lingerIdle)
		if until.After(end) {
			until = end
		}
		_ = conn.SetReadDeadline(until)
		_, err = c.Request.Body.Read(buf)
	}
}
