package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// maxOpenAIPage is the number of batches on a page of the OpenAI list.
const maxOpenAIPage = 100

func (p *batchPaths) createBatch(c *gin.Context) error {
	body, err := p.readBody(c)
	if body != nil {
		defer body.Release()
	}
	if err != nil {
		return err
	}
	asked, err := openai.ReadBatchRequest(body.Bytes())
	if err != nil {
		return err
	}
	b, err := p.newBatch(c, asked.Endpoint)
	if err != nil {
		return err
	}
	b.InputFile, b.Metadata = asked.InputFile, asked.Metadata
	made, err := p.create(c, b, &fileInput{batchPaths: p, file: asked.InputFile, subject: b.Principal.Subject, request: body.Bytes()})
	if err != nil {
		return err
	}
	return reply(c, openai.Batch(made))
}

// fileInput is the file that an OpenAI batch is made of. Its lines are read when the batch begins.
type fileInput struct {
	*batchPaths
	file    uuid.UUID
	subject string
	request []byte
}

func (f *fileInput) take(ctx context.Context, _ uuid.UUID) (items int, err error) {
	file, err := f.Store.File(ctx, f.file)
	switch {
	case errors.Is(err, gateway.ErrNotFound) || err == nil && file.Subject != f.subject:
		return 0, invalid("input_file_id: there is no file %q of yours here. Upload one with POST /v1/files and purpose=batch.", gateway.PublicFileID(f.file))
	case err != nil:
		return 0, err
	case file.Purpose != gateway.FileForBatch:
		return 0, invalid("input_file_id: the purpose of %q is %q. A batch is made of a file that was uploaded with purpose=batch.", gateway.PublicFileID(f.file), file.Purpose)
	}
	return 0, nil
}

func (f *fileInput) digest() ([]byte, error) {
	sum := sha256.Sum256(f.request)
	return sum[:], nil
}

func (p *batchPaths) listBatches(c *gin.Context) error {
	page, err := nextPage(c, defaultPage, maxOpenAIPage, batchCursor)
	if err != nil {
		return err
	}
	found, more, err := p.Store.Batches(c.Request.Context(), principal(c).Subject, gateway.OpenAI, page)
	if err != nil {
		return err
	}
	return reply(c, openai.BatchList(found, more))
}

func (p *batchPaths) batch(c *gin.Context) error {
	b, err := p.owned(c, gateway.OpenAI)
	if err != nil {
		return err
	}
	return reply(c, openai.Batch(b))
}

func (p *batchPaths) cancelBatch(c *gin.Context) error {
	b, err := p.owned(c, gateway.OpenAI)
	switch {
	case err != nil:
		return err
	case b.State == gateway.BatchEnded:
		return &gateway.Error{Code: gateway.Conflict, NoRetry: true, Message: "Cannot cancel a batch with status '" + openai.BatchStatus(b) + "'."}
	}
	if b, err = p.canceled(c.Request.Context(), b); err != nil {
		return err
	}
	return reply(c, openai.Batch(b))
}
