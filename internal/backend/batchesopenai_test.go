package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestABatchOfAFileIsSubmittedInTwoSteps(t *testing.T) {
	for at, path := range map[gateway.Endpoint]string{
		gateway.Chat: "/v1/chat/completions", gateway.Embeddings: "/v1/embeddings", gateway.Responses: "/v1/responses",
	} {
		s := newBatchService(t, map[string]http.HandlerFunc{
			"POST /v1/files": says(`{"id":"file-in"}`), "POST /v1/batches": says(`{"id":"batch_1","status":"validating"}`),
		}, nil)
		id, err := s.SubmitBatch(context.Background(), at, http.Header{"Openai-Project": {"p"}}, []BatchItem{
			{"id-1", []byte(`{"model":"m","stream":false,"stream_options":null,"n":1.0,"x":"<&>"}`)}, {"id-2", []byte("{\n  \"model\": \"m\"}\n")}, {"id-3", []byte("{\"model\":\r\"m\"}")},
		})
		if err != nil || id != "batch_1" || len(s.asked) != 2 {
			t.Fatalf("%s: %q, %v; asked %v", path, id, err, s.calls())
		}
		want := `{"custom_id":"id-1","method":"POST","url":"` + path + `","body":{"model":"m","n":1.0,"x":"<&>"}}` + "\n" +
			`{"custom_id":"id-2","method":"POST","url":"` + path + `","body":{"model":"m"}}` + "\n" +
			`{"custom_id":"id-3","method":"POST","url":"` + path + `","body":{"model":"m"}}` + "\n"
		if purpose, file := uploaded(t, s.asked[0]); purpose != "batch" || file != want {
			t.Errorf("%s: uploaded %q: %s", path, purpose, file)
		}
		order := s.asked[1]
		if order.body != `{"input_file_id":"file-in","endpoint":"`+path+`","completion_window":"24h"}` || order.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: ordered %s", path, order.body)
		}
		for _, a := range s.asked {
			if a.header.Get("Openai-Project") != "p" || a.length != int64(len(a.body)) {
				t.Errorf("%s, %s: %d bytes, %v", path, a.call, a.length, a.header)
			}
		}
	}
}

// uploaded reads the form of an upload.
func uploaded(t *testing.T, a asked) (purpose, file string) {
	t.Helper()
	_, parameters, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	form, err := multipart.NewReader(strings.NewReader(a.body), parameters["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	part, err := form.File["file"][0].Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(part)
	if err != nil {
		t.Fatal(err)
	}
	return form.Value["purpose"][0], string(text)
}

func TestTheResultsOfABatchAreThoseOfBothItsFiles(t *testing.T) {
	w := batchWires()["files"]
	const ended = `{"id":"b","status":%q,"output_file_id":%s,"error_file_id":%s,"request_counts":{"total":2,"completed":%d,"failed":1}}`
	failure := `{"id":"r","custom_id":"bad","response":{"status_code":400,"request_id":"q-2","body":{"error":{"message":"no"}}},"error":null}`
	for name, c := range map[string]struct{ object, want string }{
		"both":                        {fmt.Sprintf(ended, "completed", `"file-o"`, `"file-e"`, 1), "good bad"},
		"no output":                   {fmt.Sprintf(ended, "cancelled", `null`, `"file-e"`, 0), "bad"},
		"no errors":                   {fmt.Sprintf(ended, "expired", `"file-o"`, `null`, 1), "good"},
		"none":                        {fmt.Sprintf(ended, "cancelled", `null`, `null`, 0), ""},
		"an output that is not there": {fmt.Sprintf(ended, "completed", `null`, `"file-e"`, 1), "an error"},
		"an output that is gone":      {fmt.Sprintf(ended, "completed", `"file-x"`, `"file-e"`, 1), "an error"},
		"a file that leads elsewhere": {fmt.Sprintf(ended, "completed", `"../files/file-o"`, `null`, 1), "an error"},
		"a batch that still runs":     {fmt.Sprintf(ended, "finalizing", `"file-o"`, `null`, 1), "an error"},
	} {
		w.ended = c.object
		s := w.answering(t, says(fmt.Sprintf(w.line, "good")+"\n"))
		s.answers["GET /v1/files/file-e/content"] = says(failure + "\n")
		s.answers["GET /v1/files/../files/file-o/content"] = s.answers[w.results]
		results, err := s.results(w.at)
		var ids []string
		for _, r := range results {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); (err != nil) != (c.want == "an error") || err == nil && got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestTheResultsOfABatchOfAFile(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		fate   BatchFate
		status int
		body   string
		id     string
	}{
		"answered":       {`{"custom_id":"a","response":{"status_code":200,"request_id":"q","body":{"id":"c", "n":1.0}},"error":null}`, Answered, 200, `{"id":"c", "n":1.0}`, "q"},
		"an error":       {`{"custom_id":"a","response":{"status_code":429,"request_id":"q","body":{"error":{}}},"error":null}`, Answered, 429, `{"error":{}}`, "q"},
		"an error alone": {`{"custom_id":"a","response":{"status_code":502,"request_id":"","body":null}}`, Answered, 502, `null`, ""},
		"expired":        {`{"custom_id":"a","response":null,"error":{"code":"batch_expired","message":"x"}}`, Expired, 0, "", ""},
		"cancelled":      {`{"custom_id":"a","response":null,"error":{"code":"batch_cancelled","message":"x"}}`, Canceled, 0, "", ""},
		"never answered": {
			`{"custom_id":"a","response":null,"error":{"code":"request_timeout","message":"say \"why\""}}`, Answered, 500,
			`{"error":{"message":"say \"why\"","type":"server_error","param":null,"code":"request_timeout"}}`, "",
		},
	} {
		got, err := batchWires()["files"].answering(t, says(c.line+"\n")).results(gateway.Chat)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		if r := got[0]; r.ID != "a" || r.Fate != c.fate || r.Status != c.status || string(r.Body) != c.body || UpstreamID(r.Header) != c.id {
			t.Errorf("%s: %+v %s", name, r, r.Body)
		}
	}
}

func TestALineThatIsNoResultOfAFileIsAnError(t *testing.T) {
	w := batchWires()["files"]
	for name, line := range map[string]string{
		"no JSON":            `SECRET`,
		"no object":          `["SECRET"]`,
		"two objects":        `{"custom_id":"a","error":{"code":"batch_expired"}}{}`,
		"no name":            `{"error":{"code":"batch_expired"}}`,
		"neither of the two": `{"custom_id":"a","response":null,"error":null,"body":"SECRET"}`,
		"no status":          `{"custom_id":"a","response":{"body":{"x":"SECRET"}}}`,
		"no answer":          `{"custom_id":"a","response":{"status_code":200,"body":"SECRET"}}`,
	} {
		got, err := w.answering(t, says(fmt.Sprintf(w.line, "first")+"\n"+line+"\n")).results(w.at)
		if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "SECRET") || len(got) != 1 {
			t.Errorf("%s: %d results, %v", name, len(got), err)
		}
	}
}

func TestABatchWhoseInputWasRefusedSaysWhy(t *testing.T) {
	w := batchWires()["files"]
	for name, c := range map[string]struct {
		errors string
		status int
		kind   string
		says   string
	}{
		"bad lines": {
			`{"data":[{"code":"invalid_url","message":"SECRET","line":2},{"code":"x","message":"more","line":null}]}`, 400, "invalid_url", "line 2: SECRET\nmore",
		},
		"too much waits already": {`{"data":[{"code":"token_limit_exceeded","message":"Enqueued token limit reached.","line":null}]}`, 429, "token_limit_exceeded", "Enqueued token limit reached."},
		"no reason":              {`null`, 400, "", ""},
	} {
		w.ended = `{"id":"b","status":"failed","errors":` + c.errors + `}`
		got, err := w.answering(t, nil).results(w.at)
		refusal, ok := errors.AsType[*BatchError](err)
		if !ok || len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		if refusal.Status != c.status || refusal.Kind != c.kind || refusal.Message != c.says || !strings.Contains(err.Error(), c.kind) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %+v: %v", name, refusal, err)
		}
	}
}
