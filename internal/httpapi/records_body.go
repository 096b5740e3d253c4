package httpapi

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// maxReason is how long the reason of a read may be.
const maxReason = 1000

func (p *recordPaths) requestBody(c *gin.Context) error  { return p.body(c, gateway.RequestBody) }
func (p *recordPaths) responseBody(c *gin.Context) error { return p.body(c, gateway.ResponseBody) }

// body sends the bytes of a request or its response. That they were read is on record before the first of them is here.
func (p *recordPaths) body(c *gin.Context, kind string) error {
	reason := c.Query("reason")
	if err := known(c, "reason"); err != nil {
		return err
	}
	if len(reason) > maxReason {
		return invalid("reason: has %d bytes; %d are kept.", len(reason), maxReason)
	}
	r, err := p.visible(c)
	if err != nil {
		return err
	}
	who := principal(c)
	kept, err := p.Store.ReadBody(c.Request.Context(), gateway.Read{
		Subject: who.Subject, User: who.User, Request: r.Intent.ID, Kind: kind, Reason: reason,
	})
	if errors.Is(err, gateway.ErrNotFound) {
		return noBody(r, kind)
	}
	if err != nil {
		return err
	}
	plain, err := p.Compressor.Open(nil, kept)
	if err != nil {
		return gateway.AsError(err) // what is stored is broken: to try again is no use
	}
	client := newClient(c.Writer, p.HTTP.WriteTimeout)
	defer client.done()
	h := client.Header()
	h.Set("Content-Type", contentType(plain))
	h.Set("Content-Length", strconv.Itoa(len(plain))) // a client sees if it has less
	h.Set("X-Content-Type-Options", "nosniff")        // it is what others wrote
	client.Begin(http.StatusOK)
	for piece := range slices.Chunk(plain, sendBuffer) {
		if client.Write(piece) != nil {
			break // the client left
		}
	}
	return nil
}

// noBody says why a body cannot be given.
func noBody(r *gateway.Record, kind string) error {
	message := "The " + kind + " body of " + r.Intent.ID.String() + " is not kept any more: it is past its retention, or it was erased. What is on record beside it stays."
	switch {
	case kind == gateway.ResponseBody && r.Outcome == nil:
		message = "The request " + r.Intent.ID.String() + " is still running. Its response can be read when it has ended."
	case kind == gateway.ResponseBody && r.Outcome.FirstByteAt.IsZero():
		message = "The request " + r.Intent.ID.String() + " has no response body: nothing came back."
	}
	return &gateway.Error{Code: gateway.Missing, NoRetry: true, Message: message}
}

// contentType is what a stored body is: the record does not say, its first bytes do.
func contentType(body []byte) string {
	start := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case bytes.HasPrefix(start, []byte("{")), bytes.HasPrefix(start, []byte("[")):
		return "application/json"
	case bytes.HasPrefix(start, []byte("event:")), bytes.HasPrefix(start, []byte("data:")), bytes.HasPrefix(start, []byte(":")), bytes.HasPrefix(start, []byte("id:")):
		return "text/event-stream"
	}
	return "application/octet-stream"
}
