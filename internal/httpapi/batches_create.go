package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// undoTimeout bounds the taking back of what a client that may have gone began.
const undoTimeout = 10 * time.Second

// batchInput is what a client makes a batch of.
type batchInput interface {
	// take puts it on record for the batch and answers how many items came with it.
	take(ctx context.Context, batch uuid.UUID) (items int, err error)
	// digest is the SHA-256 of it. It reads what was not taken, and keeps nothing of that.
	digest() ([]byte, error)
}

// newBatch is a batch of the caller for an endpoint.
func (p *batchPaths) newBatch(c *gin.Context, e gateway.Endpoint) (*gateway.Batch, error) {
	if err := p.known(c); err != nil {
		return nil, err
	}
	key := c.GetHeader("Idempotency-Key")
	if len(key) > 255 || !printable(key) {
		return nil, invalid("Idempotency-Key: must be 255 printable ASCII characters at most.")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, gateway.AsError(err)
	}
	now := moment()
	b := &gateway.Batch{
		ID: id, Principal: principal(c), Endpoint: e, State: gateway.BatchUploading, IdempotencyKey: key,
		CreatedAt: now, ExpiresAt: now.Add(p.Config.Window),
	}
	b.WorkflowID = b.PublicID()
	return b, nil
}

// known checks that the caller's tier has a plan. Which models it has is seen when the items run.
func (p *batchPaths) known(c *gin.Context) error {
	_, err := p.Table().Routes.Plan(principal(c).Tier)
	return err
}

// moment is now, to the precision of the records.
func moment() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func printable(s string) bool {
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// create puts a batch on record: its row, what its input has, and last that it is accepted. Until then it does not
// exist for its owner, and whatever fails leaves nothing of it. If its idempotency key was used before for the same
// input, the batch of that time is the answer.
func (p *batchPaths) create(c *gin.Context, b *gateway.Batch, in batchInput) (*gateway.Batch, error) {
	ctx := c.Request.Context()
	err := p.fill(ctx, b, in)
	if errors.Is(err, gateway.ErrKeyUsed) {
		return p.replay(c, b, in)
	}
	accepting := err == nil
	if accepting {
		if err = p.Store.AcceptBatch(ctx, b.ID, b.Total, b.InputDigest); err == nil {
			b.State = gateway.BatchValidating
			return b, nil
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if failed := p.Store.DiscardBatch(ctx, b.ID); failed != nil {
		p.Log.Warn("what a failed upload left is removed later", "batch", b.ID, "error", failed)
	}
	if !accepting {
		return nil, err
	}
	return p.fate(ctx, b, err)
}

func (p *batchPaths) fill(ctx context.Context, b *gateway.Batch, in batchInput) (err error) {
	if err := p.Store.CreateBatch(ctx, b); err != nil {
		return err
	}
	if b.Total, err = in.take(ctx, b.ID); err != nil {
		return err
	}
	b.InputDigest, err = in.digest()
	return err
}

// fate is what became of a batch whose acceptance failed, and which was to be discarded then: if there is one, it was
// accepted all the same.
func (p *batchPaths) fate(ctx context.Context, b *gateway.Batch, failure error) (*gateway.Batch, error) {
	made, err := p.Store.Batch(ctx, b.ID)
	switch {
	case err == nil:
		return &made, nil
	case errors.Is(err, gateway.ErrNotFound):
		return nil, failure
	case b.IdempotencyKey != "": // it is safe to repeat
		return nil, unavailable(failure)
	}
	return nil, &gateway.Error{
		Code: gateway.Overloaded, NoRetry: true, Cause: failure,
		Message: fmt.Sprintf("The gateway lost its database at the last moment, and the batch %s may have been made or not. "+
			"Look whether GET %s has it before you send it again; with the header Idempotency-Key it is safe to repeat.", b.PublicID(), listPath(b.Endpoint.Dialect())),
	}
}

// replay is the batch that was made with the same key, if it was of the same input.
func (p *batchPaths) replay(c *gin.Context, b *gateway.Batch, in batchInput) (*gateway.Batch, error) {
	first, err := p.Store.BatchByKey(c.Request.Context(), b.Principal.Subject, b.IdempotencyKey)
	if errors.Is(err, gateway.ErrNotFound) || err == nil && first.State == gateway.BatchUploading {
		return nil, &gateway.Error{
			Code: gateway.Conflict, RetryAfter: time.Second,
			Message: "Idempotency-Key: another request with this key is still being received. Try again in a moment to see its batch.",
		}
	}
	if err != nil {
		return nil, err
	}
	digest, err := in.digest()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(digest, first.InputDigest) {
		return nil, invalid("Idempotency-Key: this key was used for another input, which made the batch %s. Take a new key for a new batch.", first.PublicID())
	}
	c.Header("Idempotent-Replayed", "true")
	return &first, nil
}
