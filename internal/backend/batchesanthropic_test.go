package backend

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestAMessageBatchIsSubmittedAsItsItemsAre(t *testing.T) {
	s := newBatchService(t, map[string]http.HandlerFunc{"POST /v1/messages/batches": says(`{"id":"msgbatch_1","processing_status":"in_progress"}`)}, nil)
	id, err := s.SubmitBatch(context.Background(), gateway.Messages, http.Header{"Anthropic-Version": {"2026-10-21"}, "Anthropic-Beta": {"x-1"}}, []BatchItem{
		{"id-1", []byte(`{"model":"m","stream":false,"max_tokens":1.0}`)}, {"id-2", []byte("{ \"model\":\"m\",\n\"messages\":[\"<&>\"]}")},
	})
	if err != nil || id != "msgbatch_1" {
		t.Fatalf("%q, %v", id, err)
	}
	const want = `{"requests":[{"custom_id":"id-1","params":{"model":"m","max_tokens":1.0}},{"custom_id":"id-2","params":{ "model":"m",` + "\n" + `"messages":["<&>"]}}]}`
	got := s.asked[0]
	if got.body != want || got.length != int64(len(want)) {
		t.Errorf("sent %s", got.body)
	}
	for name, value := range map[string]string{"Anthropic-Version": "2026-10-21", "Anthropic-Beta": "x-1", "Content-Type": "application/json"} {
		if got.header.Get(name) != value {
			t.Errorf("%s: %q", name, got.header.Get(name))
		}
	}
}

func TestWhatABackendRefusesIsLeftOutOfABatchAsWell(t *testing.T) {
	s := newBatchService(t, map[string]http.HandlerFunc{"POST /v1/messages/batches": says(`{"id":"b"}`)}, func(cfg *config.Backend) {
		cfg.Betas.Drop = []string{"context-management-2025-06-27"}
	})
	item := []byte(`{"model":"m","context_management":{},"x":1}`)
	if _, err := s.SubmitBatch(context.Background(), gateway.Messages, http.Header{"Anthropic-Beta": {"context-management-2025-06-27,x-1"}}, []BatchItem{{"a", item}, {"b", item}}); err != nil {
		t.Fatal(err)
	}
	got := s.asked[0]
	if got.header.Get("Anthropic-Beta") != "x-1" || strings.Contains(got.body, "context_management") || strings.Count(got.body, `{"model":"m","x":1}`) != 2 {
		t.Errorf("sent %q: %s", got.header.Get("Anthropic-Beta"), got.body)
	}
	if !strings.Contains(string(item), "context_management") {
		t.Error("the item itself was changed")
	}
}

func TestTheResultsOfAMessageBatch(t *testing.T) {
	errored := func(kind string) string {
		return fmt.Sprintf(`{"custom_id":"a","result":{"type":"errored","error":{"type":"error","error":{"type":%q,"message":"why"},"request_id":"req_1"}}}`, kind)
	}
	for name, c := range map[string]struct {
		line   string
		fate   BatchFate
		status int
		body   string
		id     string
	}{
		"answered": {`{"custom_id":"a","result":{"type":"succeeded","message":{"id":"msg_1", "n":1.0}}}`, Answered, 200, `{"id":"msg_1", "n":1.0}`, ""},
		"canceled": {`{"custom_id":"a","result":{"type":"canceled"}}`, Canceled, 0, "", ""},
		"expired":  {`{"custom_id":"a","result":{"type":"expired"}}`, Expired, 0, "", ""},
		"an error": {errored("overloaded_error"), Answered, 529, `{"type":"error","error":{"type":"overloaded_error","message":"why"},"request_id":"req_1"}`, "req_1"},
		"an error of an unknown shape": {
			`{"custom_id":"a","result":{"type":"errored","error":{"error":"no"}}}`, Answered, 500, `{"error":"no"}`, "",
		},
	} {
		got, err := batchWires()["messages"].answering(t, says(c.line+"\n")).results(gateway.Messages)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		if r := got[0]; r.ID != "a" || r.Fate != c.fate || r.Status != c.status || string(r.Body) != c.body || UpstreamID(r.Header) != c.id {
			t.Errorf("%s: %+v %s", name, r, r.Body)
		}
	}
	for kind, want := range map[string]int{
		"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
		"request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504, "overloaded_error": 529, "new_error": 500,
	} {
		got, err := batchWires()["messages"].answering(t, says(errored(kind))).results(gateway.Messages)
		if err != nil || len(got) != 1 || got[0].Status != want {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
	}
}

func TestALineThatIsNoResultOfAMessageIsAnError(t *testing.T) {
	w := batchWires()["messages"]
	for name, line := range map[string]string{
		"no JSON":                 `SECRET`,
		"no object":               `["SECRET"]`,
		"two objects":             `{"custom_id":"a","result":{"type":"expired"}}{}`,
		"no name":                 `{"result":{"type":"expired"}}`,
		"no result":               `{"custom_id":"a","message":"SECRET"}`,
		"an unknown end":          `{"custom_id":"a","result":{"type":"SECRET"}}`,
		"a success with nothing":  `{"custom_id":"a","result":{"type":"succeeded"}}`,
		"a success with null":     `{"custom_id":"a","result":{"type":"succeeded","message":null}}`,
		"a failure without error": `{"custom_id":"a","result":{"type":"errored","message":{"x":"SECRET"}}}`,
	} {
		got, err := w.answering(t, says(fmt.Sprintf(w.line, "first")+"\n"+line+"\n")).results(w.at)
		if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "SECRET") || len(got) != 1 {
			t.Errorf("%s: %d results, %v", name, len(got), err)
		}
	}
}

func TestTheCredentialGoesNowhereThatAnAnswerNames(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s came with %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	w := batchWires()["messages"]
	w.ended = fmt.Sprintf(`{"id":"b","processing_status":"ended","results_url":%q}`, elsewhere.URL+"/v1/messages/batches/b/results")
	s := w.answering(t, says(fmt.Sprintf(w.line, "a")))
	ended, err := s.BatchEnded(context.Background(), w.at, "b")
	got, err2 := s.results(w.at)
	if !ended || err != nil || err2 != nil || len(got) != 1 {
		t.Errorf("%v, %v, %v, %v", ended, err, got, err2)
	}
	s.answers[w.results] = sendsTo(elsewhere.URL)
	if _, err := s.results(w.at); err == nil {
		t.Error("a redirection was taken for results")
	}
}
