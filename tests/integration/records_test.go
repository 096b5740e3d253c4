package integration

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

// What was sent and what came back is what the gateway gives those who may see it: the caller, and auditors, who are on
// record for it.
func TestAnAuditorReadsWhatACallerSaidAndIsOnRecord(t *testing.T) {
	w := stack(t)
	caller, other := w.owner(t, "enterprise"), w.owner(t, "enterprise")
	auditor := &owner{w, w.Frontends[len(w.Frontends)-1], w.Tokens["auditor"], ""} // by another frontend

	prompt := message("claude-haiku-5-5", "for the auditor "+caller.subject, true)
	got := caller.want(t, http.StatusOK, nil, http.MethodPost, "/v1/messages", prompt)
	id := got.id()
	path := "/api/requests/" + id

	var described api.Request
	eventually(t, time.Minute, "the request is shown as completed", func() bool {
		caller.want(t, http.StatusOK, &described, http.MethodGet, path, "")
		return described.Status == "completed"
	})
	if described.Subject != caller.subject || len(described.Sent) != 1 || described.RequestBody.Size != int64(len(prompt)) || len(described.Reads) != 0 {
		t.Errorf("%+v", described)
	}

	if a := auditor.want(t, http.StatusOK, nil, http.MethodGet, path+"/request?reason=case+7", ""); a.body != prompt {
		t.Errorf("the request reads %s", a.body)
	}
	a := auditor.want(t, http.StatusOK, nil, http.MethodGet, path+"/response", "")
	if a.body != got.body || a.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("the response reads %v %s, the client was given %s", a.header, a.body, got.body)
	}
	caller.want(t, http.StatusOK, &described, http.MethodGet, path, "")
	if len(described.Reads) != 2 || described.Reads[1].Reason != "case 7" || described.Reads[0].Reader == caller.name() {
		t.Errorf("on record are %+v", described.Reads)
	}

	var list api.RequestList
	auditor.want(t, http.StatusOK, &list, http.MethodGet, "/api/requests?subject="+caller.subject, "")
	if len(list.Data) != 1 || list.Data[0].ID != id {
		t.Errorf("the auditor is shown %+v", list)
	}
	other.want(t, http.StatusOK, &list, http.MethodGet, "/api/requests", "")
	if len(list.Data) != 0 {
		t.Errorf("another caller is shown %+v", list)
	}
	for _, path := range []string{path, path + "/request", path + "/response"} {
		if a := other.want(t, http.StatusNotFound, nil, http.MethodGet, path, ""); strings.Contains(a.body, "for the auditor") {
			t.Errorf("another caller is told %s", a.body)
		}
	}
	other.want(t, http.StatusForbidden, nil, http.MethodGet, "/api/reads", "")

	if strings.Contains(w.logs(t), "for the auditor") {
		t.Error("a prompt is in the logs")
	}
}

// Nothing is left out between two pages, and nothing told twice, while requests come and end.
func TestTheListOfRequestsHasEachOfThem(t *testing.T) {
	w := stack(t)
	caller := w.owner(t, "enterprise")
	sent := map[string]bool{}
	for range 7 {
		sent[caller.want(t, http.StatusOK, nil, http.MethodPost, "/v1/messages", message("claude-haiku-5-5", "hi", false)).id()] = true
	}
	after := ""
	for more := true; more; {
		var page api.RequestList
		text := caller.want(t, http.StatusOK, &page, http.MethodGet, "/api/requests?limit=2"+after, "").body
		if len(page.Data) == 0 {
			t.Fatalf("an empty page: %s", text)
		}
		for _, r := range page.Data {
			if !sent[r.ID] {
				shown, _ := json.Marshal(r)
				t.Errorf("shown twice, or another's: %s", shown)
			}
			delete(sent, r.ID)
			after = "&after=" + r.ID
		}
		more = page.HasMore
	}
	if len(sent) > 0 {
		t.Errorf("not shown: %v", sent)
	}
}
