package httpapi

import (
	"errors"
	"fmt"
	"mime"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// maxFilePage is the number of files on a page, if no less is asked for.
const maxFilePage = 10_000

func (p *batchPaths) listFiles(c *gin.Context) error {
	page, err := nextPage(c, maxFilePage, maxFilePage, gateway.ParseFileID)
	if err != nil {
		return err
	}
	switch c.Query("order") {
	case "asc":
		page.Ascending = true
	case "", "desc":
	default:
		return invalid(`order: must be "asc" or "desc".`)
	}
	found, more, err := p.Store.Files(c.Request.Context(), principal(c).Subject, c.Query("purpose"), page)
	if err != nil {
		return err
	}
	return reply(c, openai.FileList(found, more))
}

func (p *batchPaths) file(c *gin.Context) error {
	f, err := p.ownedFile(c)
	if err != nil {
		return err
	}
	return reply(c, openai.FileObject(f))
}

func (p *batchPaths) deleteFile(c *gin.Context) error {
	f, err := p.ownedFile(c)
	if err != nil {
		return err
	}
	if err := p.Store.DeleteFile(c.Request.Context(), f.ID); err != nil {
		return err
	}
	return reply(c, openai.FileDeleted(gateway.PublicFileID(f.ID)))
}

// fileContent sends the bytes of a file: of an upload as they came, or else the results of a batch that it is of.
func (p *batchPaths) fileContent(c *gin.Context) error {
	f, err := p.ownedFile(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	write := func(to *download) error {
		return p.Store.FileChunks(ctx, f.ID, 0, func(_ int, chunk gateway.Body) error { return to.piece(chunk) })
	}
	if f.Purpose == gateway.FileOfBatch {
		b, err := p.Store.Batch(ctx, f.Batch)
		if err != nil {
			return err
		}
		if !b.ArchivedAt.IsZero() {
			return p.gone("results in file "+gateway.PublicFileID(f.ID), b.ArchivedAt)
		}
		part := gateway.OutputPart
		if b.ErrorFile == f.ID {
			part = gateway.ErrorPart
		}
		write = func(to *download) error { return p.Store.Results(ctx, b.ID, part, to.line) }
	}
	c.Header("Content-Type", "application/octet-stream")
	c.Header("Content-Length", strconv.FormatInt(f.Size, 10))
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	return p.send(c, write)
}

// ownedFile is the caller's file that the path names. Those of others do not exist.
func (p *batchPaths) ownedFile(c *gin.Context) (*gateway.File, error) {
	name := c.Param("id")
	none := &gateway.Error{Code: gateway.Missing, NoRetry: true, Message: fmt.Sprintf("There is no file %q of yours here. GET /v1/files lists yours.", name)}
	id, ok := gateway.ParseFileID(name)
	if !ok {
		return nil, none
	}
	f, err := p.Store.File(c.Request.Context(), id)
	switch {
	case errors.Is(err, gateway.ErrNotFound) || err == nil && f.Subject != principal(c).Subject:
		return nil, none
	case err != nil:
		return nil, err
	}
	return &f, nil
}
