package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// How many items go to the store at once: as many, or as many compressed bytes.
const (
	groupItems = 500
	groupBytes = 1 << 20
)

const batchTooLarge = "The batch is larger than this gateway takes (%d MB). Make several smaller batches of it."

func (p *batchPaths) createMessageBatch(c *gin.Context) error {
	b, err := p.newBatch(c, gateway.Messages)
	if err != nil {
		return err
	}
	if b.Header, err = itemHeader(c.Request.Header); err != nil {
		return err
	}
	up, err := p.receive(c, p.Config.MaxBytes, tooMuch(batchTooLarge, p.Config.MaxBytes))
	defer up.done()
	if err != nil {
		return err
	}
	made, err := p.create(c, b, p.newItemStream(up, b.Header))
	if err != nil {
		return err
	}
	return reply(c, anthropic.MessageBatch(made, resultsURL(c.Request)(made.PublicID())))
}

// itemHeader is the part of a batch's header that goes with each of its items. The betas that are about batches do not.
func itemHeader(h http.Header) (map[string]string, error) {
	kept := map[string]string{}
	if version := h.Get("Anthropic-Version"); version != "" {
		kept["anthropic-version"] = version
	}
	var betas []string
	for beta := range strings.SplitSeq(strings.Join(h.Values("Anthropic-Beta"), ","), ",") {
		if beta = strings.TrimSpace(beta); beta != "" && !strings.HasPrefix(beta, "message-batches-") {
			betas = append(betas, beta)
		}
	}
	if len(betas) > 0 {
		kept["anthropic-beta"] = strings.Join(betas, ",")
	}
	for name, value := range kept {
		if !printable(value) {
			return nil, invalid("%s: must be printable ASCII characters.", name)
		}
	}
	return kept, nil
}

// itemStream is the body of an Anthropic batch. Its digest covers the header that goes with the items.
type itemStream struct {
	*batchPaths
	body  io.Reader
	sum   hash.Hash
	batch uuid.UUID
	group []gateway.Item
	size  int // compressed bytes in the group
}

func (p *batchPaths) newItemStream(body io.Reader, header map[string]string) *itemStream {
	sum := sha256.New()
	for _, name := range []string{"anthropic-version", "anthropic-beta"} {
		_, _ = io.WriteString(sum, header[name]+"\n")
	}
	return &itemStream{batchPaths: p, body: io.TeeReader(body, sum), sum: sum}
}

func (s *itemStream) take(ctx context.Context, batch uuid.UUID) (items int, err error) {
	s.batch = batch
	limits := anthropic.BatchLimits{Items: s.Config.MaxItems, ItemBytes: s.HTTP.MaxBody}
	items, err = anthropic.ReadBatch(s.body, limits, func(n int, customID string, params []byte) error {
		return s.add(ctx, gateway.Item{Batch: batch, N: n, CustomID: customID, Body: s.Compressor.Body(params)})
	})
	if err != nil {
		return 0, err
	}
	return items, s.flush(ctx)
}

func (s *itemStream) add(ctx context.Context, item gateway.Item) error {
	s.group = append(s.group, item)
	s.size += len(item.Body.Zstd)
	if len(s.group) < groupItems && s.size < groupBytes {
		return nil
	}
	return s.flush(ctx)
}

func (s *itemStream) flush(ctx context.Context) error {
	if len(s.group) == 0 {
		return nil
	}
	err := s.Store.AddItems(ctx, s.group)
	if twice, ok := errors.AsType[*gateway.DuplicateItem](err); ok {
		return anthropic.DuplicateID(twice)
	}
	clear(s.group) // lets go of the bodies
	s.group, s.size = s.group[:0], 0
	return err
}

func (s *itemStream) digest() ([]byte, error) {
	if _, err := io.Copy(io.Discard, s.body); err != nil {
		return nil, err
	}
	return s.sum.Sum(nil), nil
}

func (p *batchPaths) listMessageBatches(c *gin.Context) error {
	page, err := anthropicPage(c)
	if err != nil {
		return err
	}
	found, more, err := p.Store.Batches(c.Request.Context(), principal(c).Subject, gateway.Anthropic, page)
	if err != nil {
		return err
	}
	return reply(c, anthropic.MessageBatchList(found, more, resultsURL(c.Request)))
}

func (p *batchPaths) messageBatch(c *gin.Context) error {
	b, err := p.owned(c, gateway.Anthropic)
	if err != nil {
		return err
	}
	return reply(c, anthropic.MessageBatch(b, resultsURL(c.Request)(b.PublicID())))
}

func (p *batchPaths) cancelMessageBatch(c *gin.Context) error {
	b, err := p.owned(c, gateway.Anthropic)
	switch {
	case err != nil:
		return err
	case b.State == gateway.BatchEnded:
		return invalid("The batch %s cannot be canceled: it has ended. GET its results.", b.PublicID())
	}
	if b, err = p.canceled(c.Request.Context(), b); err != nil {
		return err
	}
	return reply(c, anthropic.MessageBatch(b, resultsURL(c.Request)(b.PublicID())))
}

func (p *batchPaths) deleteMessageBatch(c *gin.Context) error {
	b, err := p.owned(c, gateway.Anthropic)
	switch {
	case err != nil:
		return err
	case b.State != gateway.BatchEnded:
		return invalid("The batch %s cannot be deleted before it has ended. Cancel it first, then delete it when it has ended.", b.PublicID())
	}
	if err := p.Store.DeleteBatch(c.Request.Context(), b.ID); err != nil {
		return err
	}
	return reply(c, anthropic.MessageBatchDeleted(b.PublicID()))
}

func (p *batchPaths) messageBatchResults(c *gin.Context) error {
	b, err := p.owned(c, gateway.Anthropic)
	if err != nil {
		return err
	}
	return p.results(c, b)
}

// resultsURL tells where the results of the batch of an id are, at the gateway's address as the client knows it.
func resultsURL(r *http.Request) func(id string) string {
	return func(id string) string { return origin(r) + "/v1/messages/batches/" + id + "/results" }
}

// forwarded is what the outermost proxy says of the request it was sent.
func forwarded(r *http.Request, what string) string {
	outermost, _, _ := strings.Cut(r.Header.Get("X-Forwarded-"+what), ",")
	return strings.TrimSpace(outermost)
}
