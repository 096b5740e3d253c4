package httpapi

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/zstd"

	"github.com/openova-io/llm-gateway/internal/seal"
	"github.com/openova-io/llm-gateway/internal/version"
)

// SealStore reads the ledger with its seals.
type SealStore interface {
	Export(ctx context.Context, h seal.Header, w io.Writer) (seal.End, error)
	// Seals answers the newest before the given one, or of all if that is 0.
	Seals(ctx context.Context, before int64, limit int) ([]seal.Seal, error)
}

// sealList is a page of GET /api/audit/seals, the newest first.
type sealList struct {
	Data    []seal.Seal `json:"data"`
	HasMore bool        `json:"has_more"` // the next page comes after the last n: ?after=
}

// exportLedger sends the ledger with its seals, for an offline check.
func (p *recordPaths) exportLedger(c *gin.Context) error {
	if err := known(c, "from", "to"); err != nil {
		return err
	}
	from, to, err := p.period(c)
	if err != nil {
		return err
	}
	h := seal.Header{Gateway: version.String(), From: optional(from.UTC()), Before: optional(to.UTC())}
	c.Header("Content-Type", "application/x-ndjson")
	c.Header("Vary", "Accept-Encoding")
	packed := strings.Contains(c.GetHeader("Accept-Encoding"), "zstd")
	if packed {
		c.Header("Content-Encoding", "zstd")
	}
	return p.stream(c, func(w io.Writer) error {
		if !packed {
			_, err := p.Seals.Export(c.Request.Context(), h, w)
			return err
		}
		out, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		if _, err := p.Seals.Export(c.Request.Context(), h, out); err != nil {
			return err // and the rest of what is packed is not sent
		}
		return out.Close()
	})
}

// stream answers with what write writes. If that fails when the answer has begun, the connection is broken off.
func (p *recordPaths) stream(c *gin.Context, write func(io.Writer) error) error {
	client := newClient(c.Writer, p.HTTP.WriteTimeout)
	defer client.done()
	out := bufio.NewWriterSize(writeFunc(client.Write), sendBuffer)
	err := write(out)
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		return nil
	}
	if !c.Writer.Written() {
		c.Writer.Header().Del("Content-Encoding")
		return err
	}
	if c.Request.Context().Err() == nil {
		p.Log.Warn("an export was broken off", "request", requestID(c), "error", err)
	}
	panic(http.ErrAbortHandler)
}

// listSeals tells of the seals, without what they list.
func (p *recordPaths) listSeals(c *gin.Context) error {
	after, limit, err := numberedPage(c)
	if err != nil {
		return err
	}
	found, err := p.Seals.Seals(c.Request.Context(), after, limit+1)
	if err != nil {
		return err
	}
	list := sealList{Data: found[:min(limit, len(found))], HasMore: len(found) > limit}
	c.JSON(http.StatusOK, list)
	return nil
}
