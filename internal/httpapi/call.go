package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// maxSession bounds what is kept of a client's session id, which is its own to choose.
const maxSession = 128

// backendCall handles the paths whose requests go to a backend.
func (a *API) backendCall(endpoint gateway.Endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		body, err := a.readBody(c)
		if body != nil {
			defer body.Release()
		}
		if err != nil {
			a.fail(c, err)
			return
		}
		client := newClient(c.Writer, a.HTTP.WriteTimeout)
		defer client.done()
		err = a.Exchange.Serve(c.Request.Context(), &exchange.Request{
			ID: requestID(c), Principal: principal(c), Caller: ownLogin(c), Endpoint: endpoint,
			Query: c.Request.URL.RawQuery, Header: c.Request.Header, Session: session(c.Request.Header), Body: body,
		}, client)
		if err != nil {
			a.fail(c, err)
		}
	}
}

// session is the conversation that a request belongs to, as its client says; "" if it does not.
func session(h http.Header) string {
	id := h.Get("X-Claude-Code-Session-Id")
	if id == "" {
		id = h.Get("X-Session-Id")
	}
	return id[:min(len(id), maxSession)]
}

// readBody reads the whole body into a pooled buffer.
func (a *API) readBody(c *gin.Context) (*backend.Body, error) {
	limit := a.HTTP.MaxBody
	if c.Request.ContentLength > limit {
		return nil, tooLarge(c, limit)
	}
	// The deadline is lifted again once the body is here: the answer may take as long as it takes.
	conn := http.NewResponseController(c.Writer)
	_ = conn.SetReadDeadline(time.Now().Add(a.HTTP.ReadTimeout))
	body, err := a.bodies.Read(c.Request.Body, c.Request.ContentLength, limit)
	_ = conn.SetReadDeadline(time.Time{})
	if err != nil {
		return body, &gateway.Error{Code: gateway.Invalid, Message: "The request body could not be read: it ended too early or came too slowly. Send it again.", Cause: err}
	}
	if int64(len(body.Bytes())) > limit {
		return body, tooLarge(c, limit)
	}
	return body, nil
}

func tooLarge(c *gin.Context, limit int64) error {
	c.Writer.Header().Set("Connection", "close") // the rest of the body is not worth reading
	return &gateway.Error{
		Code: gateway.TooLarge, NoRetry: true, Cause: errors.New("body over the limit"),
		Message: fmt.Sprintf("The request body is larger than this gateway takes (%d MB). Send less, for example by compacting the conversation.", limit>>20),
	}
}
