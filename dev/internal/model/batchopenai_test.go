package model

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// upload makes a file and returns its id.
func upload(t *testing.T, url, purpose, content string) string {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("purpose", purpose)
	part, _ := w.CreateFormFile("file", "in.jsonl")
	_, _ = part.Write([]byte(content))
	_ = w.Close()
	made := submit(t, url+"/v1/files", form.String(), "content-type", w.FormDataContentType())
	if made.Get("object").Str != "file" || made.Get("bytes").Int() != int64(len(content)) || made.Get("filename").Str != "in.jsonl" {
		t.Errorf("the file is %s", made)
	}
	return made.Get("id").Str
}

// task is a line of an input file.
func task(id, path, body string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":%q,"body":%s}`, id, path, body) + "\n"
}

const chatPath = "/v1/chat/completions"

// order is the body that makes a batch.
func order(file, path string) string {
	return fmt.Sprintf(`{"input_file_id":%q,"endpoint":%q,"completion_window":"24h","metadata":{"job":"7"}}`, file, path)
}

// results are the lines of a file by custom_id, its id being a field of a batch.
func results(t *testing.T, url string, batch gjson.Result, field string) map[string]gjson.Result {
	t.Helper()
	if batch.Get(field).Type == gjson.Null {
		return nil
	}
	found, _ := lines(t, read(t, call(t, "GET", url+"/v1/files/"+batch.Get(field).Str+"/content", "")))
	return found
}

func TestABatchOfFileLinesEndsInFiles(t *testing.T) {
	url := serveAs(t, Config{Token: token, Provider: OpenAI})
	file := upload(t, url, "batch", task("ok", chatPath, chat("hello", ""))+"\n"+task("bad", chatPath, `{"model":"m"}`)+task("late", chatPath, chat("x", "")))
	made := submit(t, url+"/v1/batches", order(file, chatPath), "x-mock", "batch_expire=late")
	if made.Get("object").Str != "batch" || made.Get("status").Str != "validating" || made.Get("request_counts.total").Int() != 3 ||
		made.Get("metadata.job").Str != "7" || made.Get("output_file_id").Type != gjson.Null || made.Get("input_file_id").Str != file {
		t.Errorf("made: %s", made)
	}
	ended := await(t, url+"/v1/batches/"+made.Get("id").Str, "status", "expired")
	if got, want := ended.Get("request_counts").Raw, `{"completed":1,"failed":2,"total":3}`; got != want || ended.Get("expired_at").Int() == 0 {
		t.Errorf("ended: %s", ended)
	}
	output, failures := results(t, url, ended, "output_file_id"), results(t, url, ended, "error_file_id")
	alone := strings.TrimSpace(read(t, call(t, "POST", url+chatPath, chat("hello", ""))))
	if got := output["ok"].Get("response"); len(output) != 1 || got.Get("status_code").Int() != 200 || got.Get("body").Raw != alone || got.Get("request_id").Str == "" {
		t.Errorf("output: %v", output)
	}
	if got := failures["bad"].Get("response"); len(failures) != 2 || got.Get("status_code").Int() != 400 || !strings.Contains(got.Get("body.error.message").Str, "'messages'") {
		t.Errorf("errors: %v", failures)
	}
	if got := failures["late"]; got.Get("response").Type != gjson.Null || got.Get("error.code").Str != "batch_expired" {
		t.Errorf("the expired one: %s", got)
	}
}

func TestTheStatusOfABatchOfFileLines(t *testing.T) {
	url := serve(t)
	vectors := upload(t, url, "batch", task("a", "/v1/embeddings", `{"model":"e","input":"x"}`)+task("b", "/v1/embeddings", `{"model":"e","input":"y"}`))
	create := func(switches string) string {
		return url + "/v1/batches/" + submit(t, url+"/v1/batches", order(vectors, "/v1/embeddings"), "x-mock", switches).Get("id").Str
	}
	t.Run("completed", func(t *testing.T) {
		ended := await(t, create("batch_delay=0s"), "status", "completed")
		if got := results(t, url, ended, "output_file_id"); len(got) != 2 || ended.Get("error_file_id").Type != gjson.Null || ended.Get("completed_at").Int() == 0 {
			t.Errorf("%s: %v", ended, got)
		}
		if response := call(t, "POST", url+"/v1/batches/"+ended.Get("id").Str+"/cancel", ""); response.StatusCode != http.StatusConflict {
			t.Errorf("cancelled after its end: %d", response.StatusCode)
		}
	})
	t.Run("cancelled before it began", func(t *testing.T) {
		batch := create("batch_delay=1h")
		if got := submit(t, batch+"/cancel", "").Get("cancelling_at").Int(); got == 0 {
			t.Error("it is not being cancelled")
		}
		ended := await(t, batch, "status", "cancelled")
		if ended.Get("output_file_id").Type != gjson.Null || ended.Get("error_file_id").Type != gjson.Null || ended.Get("cancelled_at").Int() == 0 {
			t.Errorf("%s", ended)
		}
	})
	t.Run("cancelled on the way", func(t *testing.T) {
		batch := create("batch_hold=b")
		for await(t, batch, "status", "in_progress").Get("request_counts.completed").Int() != 1 {
		}
		submit(t, batch+"/cancel", "")
		ended := await(t, batch, "status", "cancelled")
		if got := results(t, url, ended, "output_file_id"); len(got) != 1 || got["a"].Get("response.body.object").Str != "list" {
			t.Errorf("%s: %v", ended, got)
		}
	})
}

func TestAFileThatCannotBeUsedFailsItsBatch(t *testing.T) {
	url := serve(t)
	good := task("a", chatPath, chat("x", ""))
	for name, c := range map[string]struct {
		content, code string
		line          int64
	}{
		"broken JSON":    {good + "{\n", "invalid_json_line", 2},
		"a name twice":   {good + good, "duplicate_custom_id", 2},
		"no name":        {good + "\n" + task("", chatPath, "{}"), "missing_required_parameter", 3},
		"another path":   {task("a", "/v1/embeddings", "{}"), "invalid_url", 1},
		"another method": {strings.Replace(good, "POST", "GET", 1), "invalid_method", 1},
		"no body":        {task("a", chatPath, "null"), "missing_required_parameter", 1},
		"nothing at all": {"", "empty_file", 0},
		"too many lines": {strings.Join(manyTasks(maxLines+1), ""), "too_many_tasks", 0},
	} {
		made := submit(t, url+"/v1/batches", order(upload(t, url, "batch", c.content), chatPath))
		ended := await(t, url+"/v1/batches/"+made.Get("id").Str, "status", "failed")
		mistakes := ended.Get("errors.data").Array()
		if len(mistakes) != 1 || mistakes[0].Get("code").Str != c.code || mistakes[0].Get("line").Int() != c.line || ended.Get("failed_at").Int() == 0 || ended.Get("in_progress_at").Type != gjson.Null {
			t.Errorf("%s: %s", name, ended)
		}
	}
	if got := strings.TrimSpace(read(t, call(t, "GET", url+"/mock/items", ""))); got != "{}" {
		t.Errorf("items were run: %s", got)
	}
}

func manyTasks(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = task("i"+itoa(i), chatPath, "{}")
	}
	return list
}

func TestFilesAreListedReadAndDeleted(t *testing.T) {
	url := serve(t)
	first, second := upload(t, url, "batch", "one\n"), upload(t, url, "batch", "two\n")
	list := gjson.Parse(read(t, call(t, "GET", url+"/v1/files?purpose=batch&limit=1", "")))
	if list.Get("object").Str != "list" || list.Get("data.0.id").Str != second || !list.Get("has_more").Bool() {
		t.Errorf("the list: %s", list)
	}
	if got := read(t, call(t, "GET", url+"/v1/files/"+first+"/content", "")); got != "one\n" {
		t.Errorf("the content: %q", got)
	}
	if got := read(t, call(t, "DELETE", url+"/v1/files/"+first, "")); !gjson.Get(got, "deleted").Bool() {
		t.Errorf("deleted: %s", got)
	}
	if response := call(t, "GET", url+"/v1/files/"+first, ""); response.StatusCode != http.StatusNotFound {
		t.Errorf("after its deletion: %d", response.StatusCode)
	}
}

func TestBatchesOfFileLinesThatCannotBeMade(t *testing.T) {
	url := serve(t)
	file := upload(t, url, "batch", task("a", chatPath, "{}"))
	good := order(file, chatPath)
	for name, c := range map[string]struct{ path, body, says string }{
		"an unknown file":           {"/v1/batches", order("file-none", chatPath), "input_file_id"},
		"an endpoint without batch": {"/v1/batches", order(file, "/v1/models"), "endpoint"},
		"another window":            {"/v1/batches", strings.Replace(good, "24h", "1h", 1), "completion_window"},
		"a file that is no form":    {"/v1/files", "x", "cannot be read"},
	} {
		response := call(t, "POST", url+c.path, c.body)
		if body := read(t, response); response.StatusCode != http.StatusBadRequest || !strings.Contains(gjson.Get(body, "error.message").Str, c.says) {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
	}
}

func TestEachProviderHasTheBatchesOfItsDialect(t *testing.T) {
	for provider, want := range map[Provider][]int{Anthropic: {200, 404, 404}, OpenAI: {404, 200, 200}, "": {200, 200, 200}} {
		url := serveAs(t, Config{Token: token, Provider: provider})
		var got []int
		for _, path := range []string{"/v1/messages/batches", "/v1/batches", "/v1/files"} {
			got = append(got, call(t, "GET", url+path, "").StatusCode)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v", provider, got)
		}
	}
}
