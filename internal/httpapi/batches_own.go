package httpapi

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// maxOwnPage is the number of batches on a page of GET /batches: each of them is looked at one by one.
const maxOwnPage = 100

// listAll lists the caller's batches of both dialects.
func (p *batchPaths) listAll(c *gin.Context) error {
	page, err := nextPage(c, defaultPage, maxOwnPage, batchCursor)
	if err != nil {
		return err
	}
	found, more, err := p.Store.Batches(c.Request.Context(), principal(c).Subject, "", page)
	if err != nil {
		return err
	}
	list := api.BatchList{Data: make([]api.Batch, len(found)), HasMore: more}
	for i := range found {
		if list.Data[i], err = p.described(c, &found[i]); err != nil {
			return err
		}
	}
	c.JSON(http.StatusOK, list)
	return nil
}

func (p *batchPaths) detail(c *gin.Context) error {
	b, err := p.owned(c, "")
	if err != nil {
		return err
	}
	return p.describe(c, b)
}

func (p *batchPaths) cancelAny(c *gin.Context) error {
	b, err := p.owned(c, "")
	switch {
	case err != nil:
		return err
	case b.State == gateway.BatchEnded:
		return &gateway.Error{Code: gateway.Conflict, NoRetry: true, Message: fmt.Sprintf("The batch %s cannot be canceled: it has ended (%s).", b.PublicID(), b.End)}
	}
	if b, err = p.canceled(c.Request.Context(), b); err != nil {
		return err
	}
	return p.describe(c, b)
}

func (p *batchPaths) allResults(c *gin.Context) error {
	b, err := p.owned(c, "")
	if err != nil {
		return err
	}
	return p.results(c, b)
}

func (p *batchPaths) describe(c *gin.Context, b *gateway.Batch) error {
	described, err := p.described(c, b)
	if err == nil {
		c.JSON(http.StatusOK, described)
	}
	return err
}

func (p *batchPaths) described(c *gin.Context, b *gateway.Batch) (api.Batch, error) {
	running, failures := 0, map[string]int{}
	if b.State != gateway.BatchEnded || b.Counts.Errored > 0 { // of others it is known
		var err error
		if running, failures, err = p.Store.BatchDetail(c.Request.Context(), b.ID); err != nil {
			return api.Batch{}, err
		}
	}
	return api.Batch{
		ID: b.PublicID(), Dialect: string(b.Endpoint.Dialect()), Endpoint: b.Endpoint.Path(),
		State: string(b.State), End: string(b.End), Open: b.Open, Waiting: waiting(b, time.Now()),
		Counts: api.Counts{
			Total: b.Total, Running: running, Waiting: max(0, b.Total-running-b.Counts.Sum()),
			Succeeded: b.Counts.Succeeded, Errored: b.Counts.Errored, Canceled: b.Counts.Canceled, Expired: b.Counts.Expired,
		},
		Failures: failures, Metadata: b.Metadata, WorkflowID: b.WorkflowID, InputFile: gateway.PublicFileID(b.InputFile),
		Usage: api.UsageOf(b), InputErrors: api.InputErrorsOf(b),
		CreatedAt: b.CreatedAt, StartedAt: optional(b.StartedAt), ExpiresAt: b.ExpiresAt,
		CancelRequestedAt: optional(b.CancelRequestedAt), EndedAt: optional(b.EndedAt), ArchivedAt: optional(b.ArchivedAt),
	}, nil
}

// optional is a time that may not have come.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// waiting tells people what a batch waits for.
func waiting(b *gateway.Batch, now time.Time) *api.Waiting {
	var message string
	at := fmt.Sprintf("%s (%s)", b.Wait.Until.UTC().Format(time.RFC3339), until(b.Wait.Until.Sub(now)))
	switch b.Wait.Reason {
	case gateway.WaitQuota:
		message = fmt.Sprintf("It waits for %s's daily quota, which resets at %s.", b.Principal.User, at)
	case gateway.WaitBackend:
		message = "It waits for a backend that has too much to do or is away. It tries again at " + at + "."
	case gateway.WaitNative:
		message = "Its items are in a batch of the backend's own. It looks for their results at " + at + "."
	case gateway.WaitItems:
		message = "All its items so far have ended, and it is open for more until " + at + "."
	default:
		return nil
	}
	return &api.Waiting{Reason: string(b.Wait.Reason), Until: b.Wait.Until, Message: message}
}

// until is a time to come as people say it.
func until(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d <= 0:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("in %d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("in %d m", d/time.Minute)
	}
	return fmt.Sprintf("in %d h %d m", d/time.Hour, d%time.Hour/time.Minute)
}
