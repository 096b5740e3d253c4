package httpapi

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestAFileComesBackAsItWasSent(t *testing.T) {
	w := newBatchWorld(t)
	random := make([]byte, 3*fileChunk+12345)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	content := string(random) + "\r\n--not the boundary\r\n"
	for name, fields := range map[string][]string{
		"the purpose first": {"purpose", "batch", "file", content},
		"the file first":    {"file", content, "purpose", "batch"},
		"fields of others":  {"user", "petra", "file", content, "purpose", "batch", "more", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			body, kind := form(t, fields...)
			res, object := w.send(http.MethodPost, "/v1/files", body, "Content-Type", kind)
			if res.StatusCode != http.StatusOK || object["object"] != "file" || object["filename"] != "in put.jsonl" || object["purpose"] != "batch" || object["bytes"] != float64(len(content)) {
				t.Fatalf("%d %v", res.StatusCode, object)
			}
			path := "/v1/files/" + object["id"].(string)
			if _, again := w.send(http.MethodGet, path, ""); fmt.Sprint(again) != fmt.Sprint(object) {
				t.Errorf("%v, at first %v", again, object)
			}
			res = w.do(w.request(http.MethodGet, path+"/content", ""))
			text, err := io.ReadAll(res.Body)
			if err != nil || string(text) != content || res.ContentLength != int64(len(content)) || res.Header.Get("Content-Type") != "application/octet-stream" {
				t.Errorf("%v, %d bytes of %d, %v", err, len(text), len(content), res.Header)
			}
			if got := res.Header.Get("Content-Disposition"); got != `attachment; filename="in put.jsonl"` {
				t.Errorf("%s", got)
			}
			if res, object = w.send(http.MethodDelete, path, ""); res.StatusCode != http.StatusOK || object["deleted"] != true {
				t.Errorf("%d %v", res.StatusCode, object)
			}
			if res, _ = w.send(http.MethodGet, path, ""); res.StatusCode != http.StatusNotFound {
				t.Errorf("%d when it was deleted", res.StatusCode)
			}
		})
	}
}

func TestAFormThatCannotBeUsedIsToldWhyAndLeavesNothing(t *testing.T) {
	w := newBatchWorld(t, func(b *Batches) { b.Config.MaxFile = 1 << 20 })
	whole, kind := form(t, "purpose", "batch", "file", strings.Repeat("{}\n", 200_000))
	for name, c := range map[string]struct {
		fields []string // of a form
		body   string   // or else this
		kind   string
		status int
		says   string
	}{
		"another purpose, first":  {[]string{"purpose", "fine-tune", "file", "{}"}, "", "", 400, `purpose: this gateway takes files for batches only, and the purpose of this one is "fine-tune". Send purpose=batch.`},
		"another purpose, last":   {[]string{"file", "{}", "purpose", "vision"}, "", "", 400, `the purpose of this one is "vision"`},
		"no purpose":              {[]string{"file", "{}"}, "", "", 400, "purpose: Field required. Send purpose=batch."},
		"no file":                 {[]string{"purpose", "batch"}, "", "", 400, "file: Field required."},
		"an empty file":           {[]string{"purpose", "batch", "file", ""}, "", "", 400, "file: is empty. Send a file with one request in each line."},
		"two files":               {[]string{"purpose", "batch", "file", "{}", "file", "{}"}, "", "", 400, "file: there are two. Send one file at a time."},
		"a time of its own":       {[]string{"file", "{}", "purpose", "batch", "expires_after[seconds]", "3600"}, "", "", 400, "expires_after: cannot be chosen. This gateway keeps files for 29 days, or until they are deleted. Leave the field out."},
		"a file over the limit":   {[]string{"purpose", "batch", "file", strings.Repeat("x", 1<<20+1)}, "", "", 413, "The file is larger than this gateway takes (1 MB). Split it, and make a batch of each part."},
		"a form without its end":  {nil, whole[:len(whole)-5], kind, 400, "its end is missing"},
		"a file without its end":  {nil, whole[:len(whole)/2], kind, 400, "its end is missing"},
		"a form without a header": {nil, whole[:60], kind, 400, "its end is missing"},
		"no form":                 {nil, "{}", "application/json", 400, "A file is sent as multipart/form-data, with the fields file and purpose."},
		"a tier nobody knows":     {nil, whole, "gold", 403, `"gold"`},
	} {
		t.Run(name, func(t *testing.T) {
			body, kind, token := c.body, c.kind, "tok-pro"
			if c.fields != nil {
				body, kind = form(t, c.fields...)
			}
			if kind == "gold" {
				token = "tok-gold"
			}
			res, object := w.send(http.MethodPost, "/v1/files", body, "Content-Type", kind, "Authorization", "Bearer "+token)
			if res.StatusCode != c.status || !strings.Contains(told(object), c.says) || res.Header.Get("X-Should-Retry") != "false" {
				t.Errorf("%d %v", res.StatusCode, object)
			}
			if _, isOpenAI := object["request_id"]; isOpenAI {
				t.Errorf("not in the dialect of the path: %v", object)
			}
			w.nothingIsKept(t)
		})
	}
}

func TestAListOfFilesIsSortedAsAsked(t *testing.T) {
	w := newBatchWorld(t)
	var made []string
	for range 3 {
		made = append(made, w.upload("{}\n"))
	}
	for query, want := range map[string]string{
		"":                                made[2] + " " + made[1] + " " + made[0] + " false",
		"?order=asc":                      made[0] + " " + made[1] + " " + made[2] + " false",
		"?limit=2":                        made[2] + " " + made[1] + " true",
		"?limit=2&after=" + made[1]:       made[0] + " false",
		"?order=asc&after=" + made[1]:     made[2] + " false",
		"?purpose=batch_output":           "false",
		"?purpose=batch&limit=1":          made[2] + " true",
		"?purpose=batch&after=" + made[0]: "false",
	} {
		var page struct {
			Data    []struct{ ID string }
			HasMore bool `json:"has_more"`
		}
		w.get("/v1/files"+query, &page)
		var got []string
		for _, f := range page.Data {
			got = append(got, f.ID)
		}
		if text := strings.Join(append(got, fmt.Sprint(page.HasMore)), " "); text != want {
			t.Errorf("%s: %s, not %s", query, text, want)
		}
	}
}

func TestABatchIsMadeOfAFile(t *testing.T) {
	w := newBatchWorld(t)
	file := w.upload("{}\n")
	res, object := w.send(http.MethodPost, "/v1/batches", batchRequest(file))
	if res.StatusCode != http.StatusOK || object["object"] != "batch" || object["status"] != "validating" || object["input_file_id"] != file || fmt.Sprint(object["metadata"]) != "map[for:a test]" {
		t.Fatalf("%d %v", res.StatusCode, object)
	}
	name := object["id"].(string)
	if _, again := w.send(http.MethodGet, "/v1/batches/"+name, ""); fmt.Sprint(again) != fmt.Sprint(object) {
		t.Errorf("%v, at first %v", again, object)
	}
	res, object = w.send(http.MethodPost, "/v1/batches/"+name+"/cancel", "")
	if res.StatusCode != http.StatusOK || object["status"] != "cancelling" {
		t.Errorf("%d %v", res.StatusCode, object)
	}
	id, _, _ := gateway.ParseBatchID(name)
	items := []gateway.Item{{Batch: id, N: 0, CustomID: "item-0"}, {Batch: id, N: 1, CustomID: "item-1"}, {Batch: id, N: 2, CustomID: "item-2"}}
	for i := range items {
		items[i].Body = w.batches.Compressor.Body([]byte("{}"))
	}
	if err := w.worker.AddItems(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	w.run(name, gateway.ItemSucceeded, gateway.ItemErrored, gateway.ItemSucceeded)
	res, object = w.send(http.MethodPost, "/v1/batches/"+name+"/cancel", "")
	if res.StatusCode != http.StatusConflict || res.Header.Get("X-Should-Retry") != "false" || told(object) != "Cannot cancel a batch with status 'completed'." {
		t.Errorf("%d %v", res.StatusCode, object)
	}
	_, object = w.send(http.MethodGet, "/v1/batches/"+name, "")
	for part, want := range map[string]string{"output_file_id": resultLine(0) + "\n" + resultLine(2) + "\n", "error_file_id": resultLine(1) + "\n"} {
		id, _ := object[part].(string)
		res := w.do(w.request(http.MethodGet, "/v1/files/"+id+"/content", ""))
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || string(text) != want || res.ContentLength != int64(len(want)) {
			t.Errorf("%s: %d %v %q", part, res.StatusCode, err, text)
		}
		res, refused := w.send(http.MethodPost, "/v1/batches", batchRequest(id))
		if says := `input_file_id: the purpose of "` + id + `" is "batch_output".`; res.StatusCode != http.StatusBadRequest || !strings.HasPrefix(told(refused), says) {
			t.Errorf("a batch of results: %d %v", res.StatusCode, refused)
		}
	}
	w.server.Exec(t, `UPDATE batches SET archived_at = '2026-10-01'`)
	output := object["output_file_id"].(string)
	res, object = w.send(http.MethodGet, "/v1/files/"+output+"/content", "")
	if res.StatusCode != http.StatusNotFound || told(object) != "The results in file "+output+" were deleted on 2026-10-01: this gateway keeps them for 29 days." {
		t.Errorf("archived: %d %v", res.StatusCode, object)
	}
}

func TestABatchOfAFileThatIsNotTheCallersIsRefused(t *testing.T) {
	w := newBatchWorld(t)
	file := w.upload("{}\n")
	gone := w.upload("{}\n")
	w.send(http.MethodDelete, "/v1/files/"+gone, "")
	for id, token := range map[string]string{file: "tok-pro", gone: "tok-enterprise", "file-00000000000070008000000000000000": "tok-pro"} {
		res, object := w.send(http.MethodPost, "/v1/batches", batchRequest(id), "Authorization", "Bearer "+token)
		if says := fmt.Sprintf("input_file_id: there is no file %q of yours here.", id); res.StatusCode != http.StatusBadRequest || !strings.HasPrefix(told(object), says) {
			t.Errorf("%d %v", res.StatusCode, object)
		}
	}
	if n := w.server.Int(t, `SELECT count(*) FROM batches WHERE deleted_at IS NULL`); n != 0 {
		t.Errorf("%d batches", n)
	}
}
