// Package httpapi is the gateway's face: its paths, who may call them, and how answers and errors are written. It
// is the only importer of Gin.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/routing"
)

// Authenticator knows callers by their tokens.
type Authenticator interface {
	Authenticate(ctx context.Context, tokens ...string) (gateway.Principal, error)
}

// Exchanger serves a request that goes to a backend.
type Exchanger interface {
	Serve(ctx context.Context, req *exchange.Request, client exchange.Client) error
}

// QuotaReader tells how much a subject uses.
type QuotaReader interface {
	Use(ctx context.Context, subject string, w gateway.Window, classes ...string) (gateway.Use, error)
}

// Refusals counts what was not admitted.
type Refusals interface {
	Refused(code gateway.Code)
}

// API is everything the paths need. All fields are needed, but for Batches and Records.
type API struct {
	HTTP     config.HTTP
	OIDC     config.OIDC
	Table    func() *routing.Table // the present one
	Zone     *time.Location
	Auth     Authenticator
	Exchange Exchanger
	Quota    QuotaReader
	Health   *Health
	Refusals Refusals
	Batches  *Batches // nil if the gateway takes none
	Records  *Records // nil if the gateway shows none
	Log      *slog.Logger

	bodies backend.Pool
}

// Handler is the API as one handler.
func (a *API) Handler() http.Handler { return anthropic.ForgiveBaseURL(a.engine()) }

func (a *API) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = false
	engine.Use(abortable, a.identify, gin.CustomRecoveryWithWriter(nil, a.recovered))

	engine.HEAD("/", ok)
	engine.HEAD("/api/hello", ok)
	engine.GET("/health", ok)
	engine.GET("/ready", a.Health.ready)
	engine.GET("/.well-known/oauth-protected-resource", a.protectedResource)

	v1 := engine.Group("/v1", a.authenticate)
	v1.POST("/messages", a.backendCall(gateway.Messages))
	v1.POST("/messages/count_tokens", a.backendCall(gateway.CountTokens))
	v1.POST("/chat/completions", a.backendCall(gateway.Chat))
	v1.POST("/responses", a.backendCall(gateway.Responses))
	v1.POST("/embeddings", a.backendCall(gateway.Embeddings))
	v1.GET("/models", a.models)
	v1.GET("/models/*id", a.model)
	engine.GET("/quota", a.authenticate, a.quota)
	engine.GET("/api/doctor", a.authenticate, a.doctor)
	engine.GET("/api/doctor/stream", a.authenticate, a.doctorStream)
	engine.GET("/openapi.yaml", openAPI)
	(&batchPaths{a, a.Batches}).route(engine)
	(&recordPaths{a, a.Records}).route(engine)
	engine.NoRoute(a.notFound)
	return engine
}

func ok(c *gin.Context) { c.Status(http.StatusOK) }

// The keys under which a request's own things are kept in its gin.Context.
const (
	keyID        = "request id"
	keyPrincipal = "principal"
	keyOwnLogin  = "own login"
)

// identify gives the request its id, which every answer carries.
func (a *API) identify(c *gin.Context) {
	id, err := uuid.NewV7()
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Set(keyID, id)
	text := id.String()
	h := c.Writer.Header()
	h["Request-Id"], h["X-Request-Id"] = []string{text}, []string{text}
}

func requestID(c *gin.Context) uuid.UUID { return c.MustGet(keyID).(uuid.UUID) } //nolint:forcetypeassert // only identify sets it

// authenticate lets only known callers pass.
func (a *API) authenticate(c *gin.Context) {
	tokens, own := credentials(c.Request.Header)
	p, err := a.Auth.Authenticate(c.Request.Context(), tokens...)
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Set(keyPrincipal, p)
	c.Set(keyOwnLogin, own)
}

// tokenHeader carries the gateway's token of a caller whose usual headers carry a login of another service.
const tokenHeader = "X-Gateway-Token"

// credentials are the tokens that may say who calls, in the order they are tried, and the caller's own login at the
// service behind the gateway: what the usual headers carry where the gateway has a header of its own.
func credentials(h http.Header) (tokens []string, own http.Header) {
	token := h.Get(tokenHeader)
	if token == "" {
		return []string{bearer(h), h.Get("X-Api-Key")}, nil
	}
	for _, name := range []string{"Authorization", "X-Api-Key"} {
		if value := h.Get(name); value != "" && value != token && bearer(h) != token {
			if own == nil {
				own = http.Header{}
			}
			own.Set(name, value)
		}
	}
	return []string{token}, own
}

func bearer(h http.Header) string {
	scheme, token, found := strings.Cut(h.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func principal(c *gin.Context) gateway.Principal { return c.MustGet(keyPrincipal).(gateway.Principal) } //nolint:forcetypeassert // only authenticate sets it

func ownLogin(c *gin.Context) http.Header { return c.MustGet(keyOwnLogin).(http.Header) } //nolint:forcetypeassert // only authenticate sets it

func (a *API) notFound(c *gin.Context) {
	a.fail(c, &gateway.Error{
		Code: gateway.NotFound, NoRetry: true,
		Message: "There is no " + c.Request.Method + " " + c.Request.URL.Path + " here. The base URL of an Anthropic client is the gateway's address without /v1, that of an OpenAI client with /v1.",
	})
}

func (a *API) recovered(c *gin.Context, panicked any) {
	a.Log.Error("a handler panicked", "request", requestID(c), "panic", panicked)
	if c.Writer.Written() {
		panic(http.ErrAbortHandler) // the client must not take what it has for the whole answer
	}
	a.fail(c, gateway.AsError(nil))
}
