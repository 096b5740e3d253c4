package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/record"
)

// BatchStore keeps batches and files. What is not there is an error with gateway.ErrNotFound in its chain.
type BatchStore interface {
	CreateBatch(ctx context.Context, b *gateway.Batch) error
	AddItems(ctx context.Context, items []gateway.Item) error
	AcceptBatch(ctx context.Context, id uuid.UUID, total int, digest []byte) error
	DiscardBatch(ctx context.Context, id uuid.UUID) error
	Batch(ctx context.Context, id uuid.UUID) (gateway.Batch, error)
	BatchByKey(ctx context.Context, subject, key string) (gateway.Batch, error)
	Batches(ctx context.Context, subject string, d gateway.Dialect, p gateway.Page) (found []gateway.Batch, more bool, err error)
	BatchDetail(ctx context.Context, id uuid.UUID) (running int, failures map[string]int, err error)
	CancelBatch(ctx context.Context, id uuid.UUID) error
	DeleteBatch(ctx context.Context, id uuid.UUID) error
	Results(ctx context.Context, id uuid.UUID, part gateway.Part, fn func(line gateway.Body) error) error

	CreateFile(ctx context.Context, f *gateway.File) error
	AddFileChunk(ctx context.Context, file uuid.UUID, n int, chunk gateway.Body) error
	FinishFile(ctx context.Context, file uuid.UUID, size int64) error
	DiscardFile(ctx context.Context, file uuid.UUID) error
	File(ctx context.Context, id uuid.UUID) (gateway.File, error)
	Files(ctx context.Context, subject, purpose string, p gateway.Page) (found []gateway.File, more bool, err error)
	DeleteFile(ctx context.Context, id uuid.UUID) error
	FileChunks(ctx context.Context, id uuid.UUID, from int, fn func(n int, chunk gateway.Body) error) error
}

// Submissions signs permissions to start one batch through Temporal.
type Submissions interface {
	Sign(batch uuid.UUID, p gateway.Principal, now time.Time) (token string, expires time.Time, err error)
}

// Batches is what the paths of batches and files need beside the rest.
type Batches struct {
	Config      config.Batch
	Temporal    config.Temporal // where the permissions are used
	Store       BatchStore
	Submissions Submissions // nil if none are given
	Compressor  *record.Compressor
}

// batchPaths serves the paths of batches and files.
type batchPaths struct {
	*API
	*Batches // nil if there are no batches here
}

func (p *batchPaths) route(engine *gin.Engine) {
	at := engine.Group("", p.authenticate, p.enabled)

	at.POST("/v1/messages/batches", p.uploaded(p.createMessageBatch))
	at.GET("/v1/messages/batches", p.told(p.listMessageBatches))
	at.GET("/v1/messages/batches/:id", p.told(p.messageBatch))
	at.POST("/v1/messages/batches/:id/cancel", p.told(p.cancelMessageBatch))
	at.GET("/v1/messages/batches/:id/results", p.told(p.messageBatchResults))
	at.DELETE("/v1/messages/batches/:id", p.told(p.deleteMessageBatch))

	at.POST("/v1/files", p.uploaded(p.createFile))
	at.GET("/v1/files", p.told(p.listFiles))
	at.GET("/v1/files/:id", p.told(p.file))
	at.GET("/v1/files/:id/content", p.told(p.fileContent))
	at.DELETE("/v1/files/:id", p.told(p.deleteFile))
	at.POST("/v1/batches", p.told(p.createBatch))
	at.GET("/v1/batches", p.told(p.listBatches))
	at.GET("/v1/batches/:id", p.told(p.batch))
	at.POST("/v1/batches/:id/cancel", p.told(p.cancelBatch))

	at.GET("/batches", p.told(p.listAll))
	at.GET("/batches/:id", p.told(p.detail))
	at.POST("/batches/:id/cancel", p.told(p.cancelAny))
	at.GET("/batches/:id/results", p.told(p.allResults))
	at.POST("/batches/submissions", p.told(p.submit))
}

// enabled lets requests pass where there are batches.
func (p *batchPaths) enabled(c *gin.Context) {
	if p.Batches == nil {
		p.fail(c, &gateway.Error{
			Code: gateway.Missing, NoRetry: true,
			Message: "This gateway takes no batches: its operator has turned them off. Send the requests one by one.",
		})
	}
}

// told makes a handler of one that may fail.
func (a *API) told(handle func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handle(c); err != nil {
			a.fail(c, unavailable(err))
		}
	}
}

// unavailable is what a client is told of the store's errors. A record that the store refuses is a fault of the
// gateway: what clients say was checked before.
func unavailable(err error) error {
	if _, ok := errors.AsType[*gateway.Error](err); ok || errors.Is(err, gateway.ErrRecordRefused) {
		return err
	}
	if errors.Is(err, gateway.ErrNotFound) { // it was there before
		return &gateway.Error{Code: gateway.Missing, NoRetry: true, Message: "It is gone: it was deleted meanwhile, or its upload took too long.", Cause: err}
	}
	return &gateway.Error{
		Code: gateway.Overloaded, RetryAfter: 2 * time.Second, Cause: err,
		Message: "The gateway's records cannot be reached right now. Try again in a few seconds.",
	}
}

// owned is the caller's batch that the path names. Those of others do not exist, nor those of another dialect than d
// has; "" has both.
func (p *batchPaths) owned(c *gin.Context, d gateway.Dialect) (*gateway.Batch, error) {
	name := c.Param("id")
	none := &gateway.Error{Code: gateway.Missing, NoRetry: true, Message: fmt.Sprintf("There is no batch %q of yours here. GET %s lists yours.", name, listPath(d))}
	id, named, ok := gateway.ParseBatchID(name)
	if !ok || d != "" && named != d {
		return nil, none
	}
	b, err := p.Store.Batch(c.Request.Context(), id)
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return nil, none
	case err != nil:
		return nil, err
	case b.Principal.Subject != principal(c).Subject || b.Endpoint.Dialect() != named:
		return nil, none
	}
	return &b, nil
}

func listPath(d gateway.Dialect) string {
	switch d {
	case gateway.Anthropic:
		return "/v1/messages/batches"
	case gateway.OpenAI:
		return "/v1/batches"
	}
	return "/batches"
}

// canceled asks for the batch's end, and is the batch as it is then.
func (p *batchPaths) canceled(ctx context.Context, b *gateway.Batch) (*gateway.Batch, error) {
	if err := p.Store.CancelBatch(ctx, b.ID); err != nil {
		return nil, err
	}
	now, err := p.Store.Batch(ctx, b.ID)
	return &now, err
}

// reply sends a JSON body.
func reply(c *gin.Context, body []byte) error {
	c.Data(http.StatusOK, "application/json", body)
	return nil
}

func invalid(format string, args ...any) error {
	return &gateway.Error{Code: gateway.Invalid, NoRetry: true, Message: fmt.Sprintf(format, args...)}
}
