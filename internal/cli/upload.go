package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"time"
)

// apiVersion is that of Anthropic's API that the command speaks.
const apiVersion = "2023-06-01"

// upload is a submission while it is sent.
type upload struct {
	*submission
	key      string
	metadata map[string]string
	screen   *screen
	now      func() time.Time
}

// created is what both APIs answer to whoever makes something.
type created struct {
	ID string `json:"id"`
}

// asRequest makes a batch of Anthropic's: all items are the body of one request.
func (u *upload) asRequest(ctx context.Context, c *client) (id string, err error) {
	var made created
	err = c.object(ctx, call{
		method: http.MethodPost, path: "/v1/messages/batches", open: u.tracked, size: u.size,
		header: http.Header{"Content-Type": {"application/json"}, "Anthropic-Version": {apiVersion}, "Idempotency-Key": {u.key}},
	}, &made)
	return made.ID, err
}

// asFile makes a batch of OpenAI's: the items are uploaded as a file, which the batch names.
func (u *upload) asFile(ctx context.Context, c *client) (id string, err error) {
	head, tail, contentType, err := form(filepath.Base(u.in.name))
	if err != nil {
		return "", err
	}
	var file, made created
	if err := c.object(ctx, call{
		method: http.MethodPost, path: "/v1/files", size: int64(len(head)) + u.size + int64(len(tail)),
		open: func() io.ReadCloser {
			content := u.tracked()
			return around{io.MultiReader(bytes.NewReader(head), content, bytes.NewReader(tail)), content}
		},
		header: http.Header{"Content-Type": {contentType}},
	}, &file); err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{
		"input_file_id": file.ID, "endpoint": u.endpoint.Path(), "completion_window": "24h", "metadata": u.metadata,
	})
	if err != nil {
		return "", err
	}
	err = c.object(ctx, call{
		method: http.MethodPost, path: "/v1/batches", size: int64(len(body)),
		open:   func() io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) },
		header: http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {u.key}},
	}, &made)
	if err != nil && !unsure(err) { // no batch will be made of the file
		if err := c.object(ctx, call{method: http.MethodDelete, path: "/v1/files/" + url.PathEscape(file.ID)}, &file); err != nil {
			c.say("The file %s stays with the gateway until it is too old: %v", file.ID, err)
		}
	}
	return made.ID, err
}

// form is a multipart form with a file that makes a batch: what comes before the file's content, and what behind it.
func form(name string) (head, tail []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err = w.WriteField("purpose", "batch")
	if err == nil {
		_, err = w.CreateFormFile("file", name)
	}
	split := b.Len()
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, nil, "", err
	}
	return b.Bytes()[:split], b.Bytes()[split:], w.FormDataContentType(), nil
}

// around is a reader with the closer of a part of it.
type around struct {
	io.Reader
	io.Closer
}

// tracked starts the batch from its beginning, and shows how much of it was read.
func (u *upload) tracked() io.ReadCloser {
	r := u.open()
	return around{&tracker{upload: u, r: r}, r}
}

type tracker struct {
	*upload
	r     io.Reader
	n     int64
	drawn time.Time
}

func (t *tracker) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	if now := t.now(); now.Sub(t.drawn) >= redraw {
		t.drawn = now
		t.screen.draw(fmt.Sprintf("uploading %s of %s  %d%%", bytesOf(t.n), bytesOf(t.size), 100*t.n/t.size))
	}
	return n, err
}
