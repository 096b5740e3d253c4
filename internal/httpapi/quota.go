package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// quotaAnswer is what GET /quota says. A limit that does not exist is null.
type quotaAnswer struct {
	User     string       `json:"user"`
	Tier     gateway.Tier `json:"tier"`
	Window   quotaWindow  `json:"window"`
	Requests quotaLine    `json:"requests"`
	Tokens   quotaLine    `json:"tokens"`
}

type quotaWindow struct {
	Start time.Time `json:"start"`
	Reset time.Time `json:"reset"`
}

type quotaLine struct {
	Limit     *int64 `json:"limit"`
	Used      int64  `json:"used"`
	Remaining *int64 `json:"remaining"`
}

// quota tells callers what they have used of the present window, running requests included.
func (a *API) quota(c *gin.Context) {
	p := principal(c)
	plan, err := a.Table().Routes.Plan(p.Tier)
	if err != nil {
		a.fail(c, err)
		return
	}
	window := gateway.DayWindow(time.Now(), a.Zone)
	used, err := a.Quota.Used(c.Request.Context(), p.Subject, window)
	if err != nil {
		a.fail(c, &gateway.Error{Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Message: "Your quota cannot be read right now. Try again in a few seconds.", Cause: err})
		return
	}
	c.JSON(http.StatusOK, quotaAnswer{
		User: p.User, Tier: p.Tier, Window: quotaWindow{window.Start, window.Reset},
		Requests: line(plan.Limits.Requests, used.Requests), Tokens: line(plan.Limits.Tokens, used.Tokens),
	})
}

func line(limit, used int64) quotaLine {
	if limit < 0 {
		return quotaLine{Used: used}
	}
	remaining := max(0, limit-used)
	return quotaLine{Limit: &limit, Used: used, Remaining: &remaining}
}
