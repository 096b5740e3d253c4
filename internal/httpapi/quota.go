package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// quota tells callers what they may use, and have used, running requests included.
func (a *API) quota(c *gin.Context) {
	p := principal(c)
	plan, err := a.Table().Plan(p)
	if err != nil {
		a.fail(c, err)
		return
	}
	now := time.Now()
	window := gateway.DayWindow(now, a.Zone)
	use, err := a.Quota.Use(c.Request.Context(), p.Subject, window, slices.Sorted(maps.Keys(plan.Limits.Classes))...)
	if err != nil {
		a.fail(c, &gateway.Error{Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Message: "Your quota cannot be read right now. Try again in a few seconds.", Cause: err})
		return
	}
	c.JSON(http.StatusOK, api.Quota{
		User: p.User, Subject: p.Subject, Tier: string(p.Tier), Override: plan.Override,
		Window:   api.QuotaWindow{Start: window.Start, Reset: window.Reset, Timezone: a.Zone.String()},
		Requests: line(plan.Limits.Requests, use.Day.Requests), Tokens: line(plan.Limits.Tokens, use.Day.Tokens),
		Limits: limits(plan.Limits, use, window, now),
	})
}

func line(limit, used int64) api.QuotaLine {
	if limit < 0 {
		return api.QuotaLine{Used: used}
	}
	remaining := max(0, limit-used)
	return api.QuotaLine{Limit: &limit, Used: used, Remaining: &remaining}
}

// limits are those that are set, the day's first.
func limits(l gateway.Limits, use gateway.Use, window gateway.Window, now time.Time) []api.Limit {
	set := []api.Limit{}
	add := func(name, class string, limit, used int64, reset *time.Time) {
		if limit >= 0 {
			set = append(set, api.Limit{Name: name, Class: class, Limit: limit, Used: used, Remaining: max(0, limit-used), Reset: reset})
		}
	}
	day := func(class string, l gateway.DayLimits, used gateway.Used) {
		add(api.RequestsPerDay, class, l.Requests, used.Requests, &window.Reset)
		add(api.TokensPerDay, class, l.Tokens, used.Tokens, &window.Reset)
	}
	day("", l.DayLimits, use.Day)
	for _, class := range slices.Sorted(maps.Keys(l.Classes)) {
		day(class, l.Classes[class], use.Classes[class])
	}
	minute := now.Add(time.Minute)
	add(api.RequestsPerMinute, "", l.PerMinute, use.Minute, &minute)
	add(api.ConcurrentRequests, "", l.Concurrent, use.Running, nil)
	return set
}
