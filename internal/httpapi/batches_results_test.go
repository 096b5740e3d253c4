package httpapi

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestResultsAreReadInTheirOrder(t *testing.T) {
	w := newBatchWorld(t)
	const n = 1200 // more than the store reads at once
	name := w.made(names(n)...)
	for _, path := range []string{"/v1/messages/batches/" + name + "/results", "/batches/" + name + "/results"} {
		res, object := w.send(http.MethodGet, path, "")
		if res.StatusCode != http.StatusBadRequest || !strings.HasPrefix(told(object), "The batch "+name+" has not ended, so it has no results yet. It ends by 2") {
			t.Errorf("%s before the end: %d %v", path, res.StatusCode, object)
		}
	}
	states := make([]gateway.ItemState, n)
	var want strings.Builder
	for i := range states {
		states[i] = []gateway.ItemState{gateway.ItemSucceeded, gateway.ItemErrored, gateway.ItemCanceled, gateway.ItemExpired}[i%4]
		want.WriteString(resultLine(i) + "\n")
	}
	w.run(name, states...)
	_, object := w.send(http.MethodGet, "/v1/messages/batches/"+name, "", "X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "llm.example.org")
	if object["processing_status"] != "ended" || object["results_url"] != "https://llm.example.org/v1/messages/batches/"+name+"/results" {
		t.Errorf("%v", object)
	}
	if _, object = w.send(http.MethodGet, "/v1/messages/batches/"+name, ""); object["results_url"] != w.URL+"/v1/messages/batches/"+name+"/results" {
		t.Errorf("%v", object)
	}
	for _, path := range []string{"/v1/messages/batches/" + name + "/results", "/batches/" + name + "/results"} {
		res := w.do(w.request(http.MethodGet, path, ""))
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-jsonl" || string(text) != want.String() {
			t.Errorf("%s: %d %v, %d bytes of %d", path, res.StatusCode, err, len(text), want.Len())
		}
	}
	w.server.Exec(t, `UPDATE batches SET archived_at = '2026-10-01'`)
	res, object := w.send(http.MethodGet, "/v1/messages/batches/"+name+"/results", "")
	if res.StatusCode != http.StatusNotFound || told(object) != "The results of batch "+name+" were deleted on 2026-10-01: this gateway keeps them for 29 days." {
		t.Errorf("archived: %d %v", res.StatusCode, object)
	}
}

func TestADownloadThatBreaksOffNeverPassesForTheWhole(t *testing.T) {
	w := newBatchWorld(t)
	const n = 3000 // more than is sent at once
	name := w.made(names(n)...)
	states := make([]gateway.ItemState, n)
	for i := range states {
		states[i] = gateway.ItemSucceeded
	}
	w.run(name, states...)
	b := w.file(t, name)
	var breaks atomic.Int64 // the line before which the database goes away
	w.faults.results = func(i int) error {
		if int64(i) == breaks.Load() {
			return errors.New("connection reset")
		}
		return nil
	}
	for _, path := range []string{"/v1/messages/batches/" + name + "/results", "/v1/files/" + b + "/content"} {
		breaks.Store(n - 1)
		res := w.do(w.request(http.MethodGet, path, ""))
		if text, err := io.ReadAll(res.Body); err == nil || res.StatusCode != http.StatusOK || len(text) == 0 {
			t.Errorf("%s: %d, %v after %d bytes", path, res.StatusCode, err, len(text))
		}
		breaks.Store(0)
		res, object := w.send(http.MethodGet, path, "")
		if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(told(object), "Try again") || res.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s before the first byte: %d %v", path, res.StatusCode, object)
		}
	}
	breaks.Store(-1)
	w.server.Exec(t, `UPDATE batch_results SET zstd = '\x00' WHERE n = 2999`)
	res := w.do(w.request(http.MethodGet, "/batches/"+name+"/results", ""))
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("a damaged line passed")
	}
}

// file is the output file of a batch that has ended.
func (w *batchWorld) file(t *testing.T, name string) string {
	t.Helper()
	id, _, _ := gateway.ParseBatchID(name)
	b, err := w.worker.Batch(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return gateway.PublicFileID(b.OutputFile)
}
