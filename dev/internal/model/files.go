package model

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"
)

// openaiFiles are the endpoints of the Files API.
func (m *Model) openaiFiles() map[string]endpoint {
	of := func(answer func(*exchange, *file) error) func(*exchange) error {
		return func(x *exchange) error {
			if f := m.batches.findFile(x.id); f != nil {
				return answer(x, f)
			}
			return x.refuse(http.StatusNotFound, "No such File object: "+x.id)
		}
	}
	return map[string]endpoint{
		"POST /v1/files": {dialect: openai{}, other: true, answer: m.uploadFile},
		"GET /v1/files":  {dialect: openai{}, answer: m.listFiles},
		"GET /v1/files/{id}": {dialect: openai{}, answer: of(func(x *exchange, f *file) error {
			return x.writeJSON(marshal(f.object()))
		})},
		"GET /v1/files/{id}/content": {dialect: openai{}, answer: of(func(x *exchange, f *file) error {
			return x.writeWhole("application/octet-stream", f.content)
		})},
		"DELETE /v1/files/{id}": {dialect: openai{}, answer: of(func(x *exchange, f *file) error {
			m.batches.remove(f.id)
			return x.writeJSON(marshal(map[string]any{"id": f.id, "object": "file", "deleted": true}))
		})},
	}
}

// uploadFile answers POST /v1/files.
func (m *Model) uploadFile(x *exchange) error {
	f := &file{id: "file-" + m.batches.number(x), created: time.Now()}
	if err := f.read(x); err != nil {
		return x.refuse(http.StatusBadRequest, "The multipart form cannot be read: "+err.Error())
	}
	switch {
	case f.content == nil:
		return x.refuse(http.StatusBadRequest, "'file' is a required property")
	case f.purpose != "batch":
		return x.refuse(http.StatusBadRequest, "'"+f.purpose+"' is not one of ['batch'] - 'purpose'")
	}
	m.batches.addFile(f)
	x.note(http.StatusOK, usage{})
	return x.writeJSON(marshal(f.object()))
}

// read takes a file from a multipart form.
func (f *file) read(x *exchange) error {
	_, parameters, err := mime.ParseMediaType(x.r.Header.Get("content-type"))
	if err != nil {
		return err
	}
	form := multipart.NewReader(bytes.NewReader(x.body), parameters["boundary"])
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		switch part.FormName() {
		case "purpose":
			f.purpose = string(content)
		case "file":
			f.name, f.content = part.FileName(), content
		}
	}
}

// object is the file as the API shows it.
func (f *file) object() map[string]any {
	return map[string]any{
		"id": f.id, "object": "file", "bytes": len(f.content), "created_at": f.created.Unix(), "expires_at": nil,
		"filename": f.name, "purpose": f.purpose, "status": "processed", "status_details": nil,
	}
}

// listFiles answers GET /v1/files.
func (m *Model) listFiles(x *exchange) error {
	query := x.r.URL.Query()
	part, more := page(m.batches.newestFiles(query.Get("purpose")), query.Get("after"), "", query.Get("limit"))
	list := listed(part, more, (*file).object)
	list["object"] = "list"
	return x.writeJSON(marshal(list))
}
