package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

func aCancelledBatch(t *testing.T, w *world) {
	for _, submit := range []func(*owner, []item) string{
		func(o *owner, items []item) string { return o.submit(t, model, items) },
		func(o *owner, items []item) string { return o.submitFile(t, lines(model, items)) },
	} {
		o := w.owner(t, "pro")
		id := submit(o, items(300, "[x-mock: delay=1s] slow"))
		o.until(t, id, time.Minute, "some items have ended and some run", func(b api.Batch) bool { return b.Counts.Succeeded > 0 && b.Counts.Running > 0 })
		path := anthropicBatches
		if strings.HasPrefix(id, "batch_") {
			path = openaiBatches
		}
		o.want(t, http.StatusOK, nil, http.MethodPost, path+"/"+id+"/cancel", "")
		b := o.ended(t, id)
		if b.End != "canceled" || b.Counts.Succeeded == 0 || b.Counts.Canceled == 0 || b.Counts.Succeeded+b.Counts.Canceled != 300 {
			t.Errorf("%s %+v", b.End, b.Counts)
		}
		for _, it := range o.prove(t, b) {
			if it.State == "canceled" && (it.Admitted || it.Charged > 0) {
				t.Errorf("%+v: it was canceled after it was sent, or charged", it)
			}
		}
		a := o.call(t.Context(), http.MethodPost, path+"/"+id+"/cancel", nil)
		if a.status != http.StatusBadRequest && a.status != http.StatusConflict {
			t.Errorf("canceling it again: %d %s", a.status, a.body)
		}
	}
}

// hasty has the second frontend make batches that expire after 30 seconds.
func (w *world) hasty(t *testing.T) (url string) {
	t.Helper()
	file := filepath.Join(w.Dir, "frontend-2.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "\nbatch:\n", "\nbatch:\n    window: 30s\n", 1)
	if changed == string(text) {
		t.Fatalf("no settings of batches in %s", file)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	w.do(t, "kill/frontend-2?wait=true")
	return w.Frontends[1]
}

func anExpiredBatch(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	o.url = w.hasty(t)
	id := o.submitFile(t, lines(model, items(900, "[x-mock: delay=3s] slow")))
	b := o.ended(t, id)
	if b.End != "expired" || b.Counts.Succeeded == 0 || b.Counts.Expired == 0 || b.Counts.Succeeded+b.Counts.Expired != 900 {
		t.Errorf("%s %+v", b.End, b.Counts)
	}
	for _, it := range o.prove(t, b) {
		if it.State == "expired" && (it.Admitted || it.Charged > 0) {
			t.Errorf("%+v: it expired after it was sent, or was charged", it)
		}
	}
	var shown struct {
		Status       string `json:"status"`
		OutputFileID string `json:"output_file_id"`
		ErrorFileID  string `json:"error_file_id"`
	}
	o.want(t, http.StatusOK, &shown, http.MethodGet, openaiBatches+"/"+id, "")
	if shown.Status != "expired" {
		t.Errorf("the status is %q", shown.Status)
	}
	for file, n := range map[string]int{shown.OutputFileID: b.Counts.Succeeded, shown.ErrorFileID: b.Counts.Expired} {
		content := o.want(t, http.StatusOK, nil, http.MethodGet, openaiFiles+"/"+file+"/content", "").body
		if got := strings.Count(content, "\n"); got != n {
			t.Errorf("%s has %d lines, want %d", file, got, n)
		}
	}
}

func aDeletedBatch(t *testing.T, w *world) {
	o := w.owner(t, "pro")
	id := o.submit(t, model, items(4, "[x-mock: delay=2s] slow"))
	path := anthropicBatches + "/" + id
	refused := o.want(t, http.StatusBadRequest, nil, http.MethodDelete, path, "")
	if !strings.Contains(refused.body, "ancel") {
		t.Errorf("the refusal does not say what to do: %s", refused.body)
	}
	o.provedAs(t, o.ended(t, id), "completed", 4, 0)
	o.want(t, http.StatusOK, nil, http.MethodDelete, path, "")
	for _, gone := range []string{path, path + "/results", "/batches/" + id, "/batches/" + id + "/results"} {
		o.want(t, http.StatusNotFound, nil, http.MethodGet, gone, "")
	}
	o.want(t, http.StatusNotFound, nil, http.MethodDelete, path, "")
	o.leftNothing(t)
	var kept, bodies int
	err := w.db(t, "auditor").QueryRow(t.Context(), `
		SELECT count(*), count(b.request_id) FROM ledger l LEFT JOIN bodies b ON b.request_id = l.id AND b.kind = 'response' WHERE l.batch_id = $1`, batchID(t, id)).Scan(&kept, &bodies)
	if err != nil || kept != 4 || bodies != 4 {
		t.Errorf("the record has %d rows and %d answers of the 4 items, %v", kept, bodies, err)
	}
}
