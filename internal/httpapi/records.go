package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/record"
)

// RecordStore reads what is on record. What is not there is an error with gateway.ErrNotFound in its chain.
type RecordStore interface {
	Requests(ctx context.Context, f gateway.RecordFilter, p gateway.Page) (found []gateway.Record, more bool, err error)
	Request(ctx context.Context, id uuid.UUID) (gateway.Record, error)
	Attempts(ctx context.Context, request uuid.UUID) ([]gateway.Attempt, error)
	Reads(ctx context.Context, request uuid.UUID, after int64, limit int) (found []gateway.Read, more bool, err error)
	// ReadBody answers the bytes that r is about when r is on record.
	ReadBody(ctx context.Context, r gateway.Read) (gateway.Body, error)
}

// Records is what the paths that show the record need beside the rest.
type Records struct {
	Store      RecordStore
	Seals      SealStore
	Compressor *record.Compressor
}

// recordPaths shows the record: callers their own requests, auditors all.
type recordPaths struct {
	*API
	*Records // nil if this gateway shows none
}

func (p *recordPaths) route(engine *gin.Engine) {
	at := engine.Group("/api", p.authenticate, p.shown, unkept)
	at.GET("/requests", p.told(p.listRequests))
	at.GET("/requests/:id", p.told(p.request))
	at.GET("/requests/:id/request", p.told(p.requestBody))
	at.GET("/requests/:id/response", p.told(p.responseBody))

	auditors := at.Group("", p.auditorsOnly)
	auditors.GET("/reads", p.told(p.listReads))
	auditors.GET("/audit/export", p.told(p.exportLedger))
	auditors.GET("/audit/seals", p.told(p.listSeals))
}

// shown lets requests pass where the record is shown.
func (p *recordPaths) shown(c *gin.Context) {
	if p.Records == nil {
		p.fail(c, &gateway.Error{
			Code: gateway.Missing, NoRetry: true,
			Message: "This gateway does not show its record: its operator has not set database.auditor_url, a login in the role llmgw_auditor.",
		})
	}
}

// unkept asks caches to keep nothing of what is shown.
func unkept(c *gin.Context) { c.Header("Cache-Control", "no-store") }

// auditorsOnly lets auditors pass.
func (p *recordPaths) auditorsOnly(c *gin.Context) {
	if !auditor(c) {
		p.fail(c, forAuditors("This"))
	}
}

// auditor tells whether the caller may see what is not the caller's.
func auditor(c *gin.Context) bool { return principal(c).HasRole(gateway.Auditor) }

func forAuditors(what string) error {
	return &gateway.Error{
		Code: gateway.Forbidden, NoRetry: true,
		Message: what + " is for auditors. Ask whoever manages the accounts for the role " + gateway.Auditor + ".",
	}
}

// visible is the request that the path names. One that the caller may not see does not exist.
func (p *recordPaths) visible(c *gin.Context) (*gateway.Record, error) {
	name := c.Param("id")
	none := &gateway.Error{Code: gateway.Missing, NoRetry: true, Message: fmt.Sprintf("There is no request %q of yours on record. GET /api/requests lists yours.", name)}
	if auditor(c) {
		none.Message = fmt.Sprintf("There is no request %q on record: it was not admitted, or is past its retention. GET /api/requests lists those there are.", name)
	}
	id, err := uuid.Parse(name)
	if err != nil {
		return nil, none
	}
	r, err := p.Store.Request(c.Request.Context(), id)
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return nil, none
	case err != nil:
		return nil, err
	case r.Intent.Principal.Subject != principal(c).Subject && !auditor(c):
		return nil, none
	}
	return &r, nil
}

func (p *recordPaths) request(c *gin.Context) error {
	r, err := p.visible(c)
	if err != nil {
		return err
	}
	attempts, err := p.Store.Attempts(c.Request.Context(), r.Intent.ID)
	if err != nil {
		return err
	}
	reads, _, err := p.Store.Reads(c.Request.Context(), r.Intent.ID, 0, maxRecords)
	if err != nil {
		return err
	}
	described := describedRequest(r)
	described.Sent, described.Reads = sent(r, attempts), describedReads(reads)
	c.JSON(http.StatusOK, described)
	return nil
}
