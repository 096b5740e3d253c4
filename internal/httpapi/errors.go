package httpapi

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// fail answers with an error in the dialect of the request, and ends it.
func (a *API) fail(c *gin.Context, err error) {
	e := gateway.AsError(err)
	a.Refusals.Refused(e.Code)
	a.logFailure(c, e)
	h := c.Writer.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if e.NoRetry {
		h.Set("X-Should-Retry", "false")
	}
	if e.Code == gateway.Unauthenticated {
		h.Set("WWW-Authenticate", `Bearer realm="llm-gateway"`)
	}
	status, body := wire.ErrorBody(dialect(c.Request), e, h.Get("Request-Id"))
	c.Data(status, "application/json", body)
	c.Abort()
}

// logFailure tells the operator of what the client cannot mend.
func (a *API) logFailure(c *gin.Context, e *gateway.Error) {
	switch {
	case errors.Is(e.Cause, context.Canceled):
	case e.Code == gateway.Internal:
		a.Log.Error("a request failed", "request", requestID(c), "error", e)
	case e.Code == gateway.Overloaded || e.Code == gateway.BackendFailed || e.Code == gateway.BackendTimeout:
		why := error(e)
		if e.Cause != nil {
			why = e.Cause // the message is for the client: a backend's words may quote the prompt
		}
		a.Log.Warn("a request failed", "request", requestID(c), "code", e.Code, "error", why)
	}
}

// dialect is the one a request is made in. Only models are asked for in both under one path.
func dialect(r *http.Request) gateway.Dialect {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/v1/chat/"), path == "/v1/responses", path == "/v1/embeddings", under(path, "/v1/files"), under(path, "/v1/batches"):
		return gateway.OpenAI
	case under(path, "/v1/models"):
		if r.Header.Get("Anthropic-Version") == "" {
			return gateway.OpenAI
		}
	}
	return gateway.Anthropic
}

// under tells whether a path is the root, or below it.
func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }
