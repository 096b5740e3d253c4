package httpapi

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// maxRecords is the most that a page of requests or reads has.
const maxRecords = 100

func (p *recordPaths) listRequests(c *gin.Context) error {
	filter, err := p.filter(c)
	if err != nil {
		return err
	}
	page, err := nextPage(c, defaultPage, maxRecords, parseUUID)
	if err != nil {
		return err
	}
	found, more, err := p.Store.Requests(c.Request.Context(), filter, page)
	if errors.Is(err, gateway.ErrTooLong) {
		return &gateway.Error{
			Code: gateway.Overloaded, NoRetry: true, Cause: err,
			Message: "The search was given up: there is too much to look through. Narrow from and to, or name a user, session or batch.",
		}
	}
	if err != nil {
		return err
	}
	list := api.RequestList{Data: make([]api.Request, len(found)), HasMore: more}
	for i := range found {
		list.Data[i] = describedRequest(&found[i])
	}
	c.JSON(http.StatusOK, list)
	return nil
}

// filter is what a list of requests is asked for, within what the caller may see.
func (p *recordPaths) filter(c *gin.Context) (f gateway.RecordFilter, err error) {
	if err := known(c, "user", "subject", "from", "to", "status", "model", "session", "batch", "limit", "after"); err != nil {
		return f, err
	}
	f = gateway.RecordFilter{
		User: c.Query("user"), Subject: c.Query("subject"), Session: c.Query("session"), Model: c.Query("model"), Status: c.Query("status"),
	}
	if !auditor(c) {
		if f.User != "" || f.Subject != "" {
			return f, forAuditors("To look for the requests of a user or subject")
		}
		f.Subject = principal(c).Subject
	}
	statuses := []string{"", gateway.Running, string(gateway.Completed), string(gateway.Failed), string(gateway.Cancelled), string(gateway.Interrupted)}
	if !slices.Contains(statuses, f.Status) {
		return f, invalid("status: must be one of %q.", statuses[1:])
	}
	if f.Batch, err = cursor(c, "batch", batchCursor); err != nil {
		return f, invalid("batch: %q is no batch's id. It is one such as msgbatch_… or batch_….", c.Query("batch"))
	}
	f.From, f.To, err = p.period(c)
	return f, err
}

// known refuses parameters of other names, which would be a filter that does not filter.
func known(c *gin.Context, names ...string) error {
	for name, values := range c.Request.URL.Query() {
		if !slices.Contains(names, name) {
			return invalid("%s: there is no such parameter. Those there are: %q.", name, names)
		}
		if len(values) > 1 {
			return invalid("%s: may be given once.", name)
		}
	}
	return nil
}

// period is the time that a request asks for: from the one, until before the other. Zero sets no bound.
func (p *recordPaths) period(c *gin.Context) (from, to time.Time, err error) {
	if from, err = p.instant(c, "from"); err != nil {
		return from, to, err
	}
	if to, err = p.instant(c, "to"); err == nil && !to.IsZero() && !from.Before(to) {
		err = invalid("from: must be before to.")
	}
	return from, to, err
}

// instant is the time in a parameter. A date is the midnight that it begins with, where the quota's days do.
func (p *recordPaths) instant(c *gin.Context, name string) (time.Time, error) {
	text := c.Query(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := gateway.ParseInstant(text, p.Zone)
	if err != nil {
		return t, invalid("%s: %q is neither a time such as 2026-11-20T08:00:00Z nor a date such as 2026-11-20.", name, text)
	}
	return t, nil
}

func parseUUID(text string) (uuid.UUID, bool) {
	id, err := uuid.Parse(text)
	return id, err == nil
}

func (p *recordPaths) listReads(c *gin.Context) error {
	after, limit, err := numberedPage(c)
	if err != nil {
		return err
	}
	found, more, err := p.Store.Reads(c.Request.Context(), uuid.Nil, after, limit)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, api.ReadList{Data: describedReads(found), HasMore: more})
	return nil
}

// numberedPage is the page that a client asked for of a list whose lines have numbers; after is 0 for the first.
func numberedPage(c *gin.Context) (after int64, limit int, err error) {
	if err := known(c, "limit", "after"); err != nil {
		return 0, 0, err
	}
	if limit, err = pageSize(c.Query("limit"), defaultPage, maxRecords); err != nil {
		return 0, 0, err
	}
	if text := c.Query("after"); text != "" {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 1 {
			return 0, 0, invalid("after: %q is no number of a line in this list.", text)
		}
	}
	return after, limit, nil
}
