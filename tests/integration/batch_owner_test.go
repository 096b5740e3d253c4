package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

// Where batches are made, and looked at.
const (
	anthropicBatches = "/v1/messages/batches"
	openaiBatches    = "/v1/batches"
	openaiFiles      = "/v1/files"
)

// owner makes batches. Nobody else is known by its subject.
type owner struct {
	*world
	url            string // of the frontend it uses
	token, subject string
}

// owner is a new user of a tier.
func (w *world) owner(t *testing.T, tier string) *owner {
	t.Helper()
	token := w.mint(t, tier)
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var who struct {
		Subject string `json:"sub"`
	}
	if err := json.Unmarshal(claims, &who); err != nil {
		t.Fatal(err)
	}
	return &owner{w, w.Gateway, token, who.Subject}
}

// name is what people know the owner by.
func (o *owner) name() string { return "test-" + o.subject[:8] }

// call sends a request and reads the whole answer.
func (o *owner) call(ctx context.Context, method, path string, body io.Reader, header ...string) answer {
	return whole(send(ctx, method, o.url+path, o.token, body, header...))
}

// want is call where only one status will do; into is filled with the answer if it is not nil.
func (o *owner) want(t *testing.T, status int, into any, method, path, body string, header ...string) answer {
	t.Helper()
	a := o.call(t.Context(), method, path, strings.NewReader(body), header...)
	if a.err != nil || a.status != status {
		t.Fatalf("%s %s: %d %.500s %v, want %d", method, path, a.status, a.body, a.err, status)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(a.body), into); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// item is one request of a batch.
type item struct{ id, prompt string }

// items are some that say the same.
func items(n int, prompt string) []item {
	all := make([]item, n)
	for i := range all {
		all[i] = item{fmt.Sprintf("item-%05d", i), prompt}
	}
	return all
}

// requests is the body that makes a batch of Messages.
func requests(model string, items []item) string {
	lines := make([]string, len(items))
	for i, it := range items {
		lines[i] = fmt.Sprintf(`{"custom_id":%q,"params":%s}`, it.id, message(model, it.prompt, false))
	}
	return `{"requests":[` + strings.Join(lines, ",\n") + `]}`
}

// lines is the file that makes a batch of chat completions.
func lines(model string, items []item) string {
	var file strings.Builder
	for _, it := range items {
		_, _ = fmt.Fprintf(&file, `{"custom_id":%q,"method":"POST","url":"/v1/chat/completions","body":%s}`+"\n", it.id, message(model, it.prompt, false))
	}
	return file.String()
}

// submit makes a batch and answers its id.
func (o *owner) submit(t *testing.T, model string, items []item, header ...string) string {
	t.Helper()
	var made struct{ ID string }
	o.want(t, http.StatusOK, &made, http.MethodPost, anthropicBatches, requests(model, items), header...)
	return made.ID
}

// submitFile makes a batch of a file, in OpenAI's way, and answers its id.
func (o *owner) submitFile(t *testing.T, file string) string {
	t.Helper()
	var made struct{ ID string }
	body := fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h"}`, o.upload(t, file))
	o.want(t, http.StatusOK, &made, http.MethodPost, openaiBatches, body)
	return made.ID
}

// upload stores a file for batches and answers its id.
func (o *owner) upload(t *testing.T, file string) string {
	t.Helper()
	var made struct{ ID string }
	kind, form := fileForm(strings.NewReader(file))
	text, err := io.ReadAll(form)
	if err != nil {
		t.Fatal(err)
	}
	o.want(t, http.StatusOK, &made, http.MethodPost, openaiFiles, string(text), "Content-Type", kind)
	return made.ID
}

// fileForm is the form that a file is uploaded in, as it comes, and its content type.
func fileForm(file io.Reader) (kind string, form io.Reader) {
	var around bytes.Buffer
	w := multipart.NewWriter(&around)
	_ = w.WriteField("purpose", "batch")
	_, _ = w.CreateFormFile("file", "input.jsonl")
	before := around.Len()
	_ = w.Close()
	return w.FormDataContentType(), io.MultiReader(bytes.NewReader(around.Bytes()[:before]), file, bytes.NewReader(around.Bytes()[before:]))
}

// show is what the gateway tells of a batch.
func (o *owner) show(t *testing.T, id string) (b api.Batch) {
	t.Helper()
	o.want(t, http.StatusOK, &b, http.MethodGet, "/batches/"+id, "")
	return b
}

// until waits until a batch is in some way.
func (o *owner) until(t *testing.T, id string, patience time.Duration, what string, is func(api.Batch) bool) (b api.Batch) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("batch %s: %+v", id, b)
		}
	}()
	eventually(t, patience, what, func() bool { b = o.show(t, id); return is(b) })
	return b
}

// ended waits until a batch has ended.
func (o *owner) ended(t *testing.T, id string) api.Batch {
	t.Helper()
	return o.until(t, id, 2*time.Minute, "batch "+id+" has ended", func(b api.Batch) bool { return b.State == "ended" })
}

// result is a line of a batch's results.
type result struct {
	id    string
	state string // "succeeded", "errored", "canceled", "expired"
	text  string // the whole line
}

// results reads those of a batch, in the order of its items.
func (o *owner) results(t *testing.T, id string) (all []result) {
	t.Helper()
	scan := bufio.NewScanner(strings.NewReader(o.want(t, http.StatusOK, nil, http.MethodGet, "/batches/"+id+"/results", "").body))
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var line struct {
			CustomID string `json:"custom_id"`
			Result   struct{ Type string }
			Response *struct {
				Status int `json:"status_code"`
			}
			Error *struct{ Code string }
		}
		if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
			t.Fatalf("%q: %v", scan.Text(), err)
		}
		state := line.Result.Type
		switch { // OpenAI's lines say it in another way
		case state != "":
		case line.Response != nil && line.Response.Status == http.StatusOK:
			state = "succeeded"
		case line.Error != nil && line.Error.Code == "batch_cancelled":
			state = "canceled"
		case line.Error != nil && line.Error.Code == "batch_expired":
			state = "expired"
		default:
			state = "errored"
		}
		all = append(all, result{line.CustomID, state, scan.Text()})
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// cancel asks for a batch's end.
func (o *owner) cancel(t *testing.T, id string) {
	t.Helper()
	o.want(t, http.StatusOK, nil, http.MethodPost, "/batches/"+id+"/cancel", "")
}
