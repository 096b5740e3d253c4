package httpapi

import (
	"bufio"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/record"
)

// sendBuffer is how much of a download is written at once.
const sendBuffer = 64 << 10

// results sends all of a batch's results, one line each.
func (p *batchPaths) results(c *gin.Context, b *gateway.Batch) error {
	switch {
	case b.State != gateway.BatchEnded:
		return invalid("The batch %s has not ended, so it has no results yet. It ends by %s at the latest; look at it again from time to time.",
			b.PublicID(), b.ExpiresAt.UTC().Format(time.RFC3339))
	case !b.ArchivedAt.IsZero():
		return p.gone("results of batch "+b.PublicID(), b.ArchivedAt)
	}
	c.Header("Content-Type", "application/x-jsonl")
	return p.send(c, func(to *download) error {
		return p.Store.Results(c.Request.Context(), b.ID, gateway.AllResults, to.line)
	})
}

// gone is the error about what was deleted because it was old.
func (p *batchPaths) gone(what string, at time.Time) error {
	return &gateway.Error{
		Code: gateway.Missing, NoRetry: true,
		Message: "The " + what + " were deleted on " + at.UTC().Format(time.DateOnly) + ": this gateway keeps them for " + days(p.Config.Retention) + ".",
	}
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.String()
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

// download is a long answer under way.
type download struct {
	out        *bufio.Writer
	compressor *record.Compressor
	plain      []byte // the last piece
}

// piece sends the bytes that b is the stored form of.
func (d *download) piece(b gateway.Body) (err error) {
	if d.plain, err = d.compressor.Open(d.plain[:0], b); err != nil {
		return err
	}
	_, err = d.out.Write(d.plain)
	return err
}

// line is piece, with a line end.
func (d *download) line(b gateway.Body) error {
	if err := d.piece(b); err != nil {
		return err
	}
	return d.out.WriteByte('\n')
}

// send answers with what write writes. If that fails when the answer has begun, the connection is broken off: what the
// client has must not pass for the whole.
func (p *batchPaths) send(c *gin.Context, write func(to *download) error) error {
	client := newClient(c.Writer, p.HTTP.WriteTimeout)
	defer client.done()
	to := &download{out: bufio.NewWriterSize(writeFunc(client.Write), sendBuffer), compressor: p.Compressor}
	err := write(to)
	if err == nil {
		err = to.out.Flush()
	}
	if err == nil {
		return nil
	}
	if !c.Writer.Written() {
		c.Writer.Header().Del("Content-Disposition") // the other headers of the content are replaced by those of the error
		return err
	}
	if c.Request.Context().Err() == nil {
		p.Log.Warn("a download was broken off", "request", requestID(c), "error", err)
	}
	panic(http.ErrAbortHandler)
}

// abortable lets a handler's http.ErrAbortHandler break the connection off. Gin's recovery keeps it to itself, and the
// answer would end as if it were whole.
func abortable(c *gin.Context) {
	c.Next()
	for _, e := range c.Errors {
		if errors.Is(e.Err, http.ErrAbortHandler) {
			panic(http.ErrAbortHandler)
		}
	}
}
