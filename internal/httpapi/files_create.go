package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

const (
	fileChunk = 256 << 10 // bytes of a file that are stored together
	formRoom  = 1 << 20   // bytes of a form beside its file
	maxName   = 255       // bytes of a file's name
)

const fileTooLarge = "The file is larger than this gateway takes (%d MB). Split it, and make a batch of each part."

// createFile takes a file in a form. The form's fields may come in any order, so what is wrong with them may show only
// when the file is stored.
func (p *batchPaths) createFile(c *gin.Context) error {
	if err := p.known(c); err != nil {
		return err
	}
	kind, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return invalid("A file is sent as multipart/form-data, with the fields file and purpose.")
	}
	up, err := p.receive(c, p.Config.MaxFile+formRoom, tooMuch(fileTooLarge, p.Config.MaxFile))
	defer up.done()
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return gateway.AsError(err)
	}
	now := moment()
	f := &gateway.File{ID: id, Subject: principal(c).Subject, Purpose: gateway.FileForBatch, CreatedAt: now, ExpiresAt: now.Add(p.Config.Retention)}
	form := &fileForm{batchPaths: p, file: f}
	ctx := c.Request.Context()
	if err = form.read(ctx, multipart.NewReader(up, params["boundary"])); err == nil {
		err = p.Store.FinishFile(ctx, f.ID, f.Size)
	}
	if err == nil {
		return reply(c, openai.FileObject(f))
	}
	if form.begun {
		p.discardFile(ctx, f.ID)
	}
	return err
}

// discardFile takes back a file that was not finished.
func (p *batchPaths) discardFile(ctx context.Context, id uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := p.Store.DiscardFile(ctx, id); err != nil {
		p.Log.Warn("what a failed upload left is removed later", "file", id, "error", err)
	}
}

// fileForm is the form that a file comes in.
type fileForm struct {
	*batchPaths
	file    *gateway.File
	begun   bool // there is something of the file in the store
	purpose string
}

// read takes the whole form. It fails unless there is a file for batches in it.
func (f *fileForm) read(ctx context.Context, parts *multipart.Reader) error {
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // a form that is cut off wraps it
			return f.whole()
		}
		if err == nil {
			err = f.field(ctx, part)
		}
		if err != nil {
			return malformed(err)
		}
	}
}

// malformed is the error about a form that is none, unless it is about something else.
func malformed(err error) error {
	if _, ok := errors.AsType[*gateway.Error](err); ok {
		return err
	}
	return &gateway.Error{
		Code: gateway.Invalid, NoRetry: true, Cause: err,
		Message: "The form cannot be read: it is no multipart/form-data, or its end is missing. Nothing of it was kept.",
	}
}

func (f *fileForm) field(ctx context.Context, part *multipart.Part) error {
	switch name := part.FormName(); {
	case name == "file":
		return f.store(ctx, part)
	case name == "purpose":
		value, err := io.ReadAll(io.LimitReader(part, 100))
		if err != nil {
			return err
		}
		if f.purpose = string(value); f.purpose != f.file.Purpose {
			return invalid("purpose: this gateway takes files for batches only, and the purpose of this one is %q. Send purpose=batch.", value)
		}
	case strings.HasPrefix(name, "expires_after"):
		return invalid("expires_after: cannot be chosen. This gateway keeps files for %s, or until they are deleted. Leave the field out.", days(f.Config.Retention))
	}
	return nil
}

func (f *fileForm) store(ctx context.Context, part *multipart.Part) error {
	if f.begun {
		return invalid("file: there are two. Send one file at a time.")
	}
	f.begun = true
	f.file.Name = cleanName(part.FileName())
	if err := f.Store.CreateFile(ctx, f.file); err != nil {
		return unavailable(err)
	}
	n := 0
	chunks := bufio.NewWriterSize(writeFunc(func(chunk []byte) error {
		if f.file.Size += int64(len(chunk)); f.file.Size > f.Config.MaxFile {
			return tooMuch(fileTooLarge, f.Config.MaxFile)
		}
		n++
		return f.Store.AddFileChunk(ctx, f.file.ID, n-1, f.Compressor.Body(chunk))
	}), fileChunk)
	if _, err := chunks.ReadFrom(part); err != nil {
		return err
	}
	return chunks.Flush()
}

// cleanName is a client's name for a file, as far as it can be stored.
func cleanName(name string) string {
	name = strings.ReplaceAll(strings.ToValidUTF8(name, "?"), "\x00", "?")
	return strings.ToValidUTF8(name[:min(len(name), maxName)], "")
}

// whole is nil if there was all that a file needs.
func (f *fileForm) whole() error {
	switch {
	case !f.begun:
		return invalid("file: Field required.")
	case f.purpose == "":
		return invalid("purpose: Field required. Send purpose=batch.")
	case f.file.Size == 0:
		return invalid("file: is empty. Send a file with one request in each line.")
	}
	return nil
}
