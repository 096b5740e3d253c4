package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

const question = `{"model":"claude-opus-5-5","messages":[{"role":"user","content":"a secret"}]}`

func TestCallersSeeTheirOwnRequestsAndAuditorsAll(t *testing.T) {
	w := newRecordWorld(t)
	response := answer
	pro, free := w.request("pro", question, &response), w.request("free", question, &response)
	running := w.request("pro", question, nil)
	for who, want := range map[string][]string{"pro": {running, pro}, "free": {free}, "enterprise": nil, "auditor": {running, free, pro}} {
		_, object := w.send(http.MethodGet, "/api/requests", "", as(who)...)
		if got := ids(t, object); !slices.Equal(got, want) {
			t.Errorf("%s is shown %v, want %v", who, got, want)
		}
		for _, id := range []string{pro, free, running} {
			status := http.StatusNotFound
			if slices.Contains(want, id) {
				status = http.StatusOK
			}
			if res, text := w.get(who, "/api/requests/"+id); res.StatusCode != status {
				t.Errorf("%s, %s: %d %s", who, id, res.StatusCode, text)
			}
		}
	}
}

// Whether there is another's request cannot be told from the answer, nor is it on record that it was read.
func TestAnothersRequestIsOneThatIsNotThere(t *testing.T) {
	w := newRecordWorld(t)
	response := answer
	anothers, nobodys := w.request("pro", question, &response), uuid.Must(uuid.NewV7()).String()
	for _, path := range []string{"", "/request", "/response"} {
		var told [2]string
		for i, id := range []string{anothers, nobodys} {
			res, text := w.get("free", "/api/requests/"+id+path)
			if res.StatusCode != http.StatusNotFound || strings.Contains(text, "secret") {
				t.Errorf("%d %s", res.StatusCode, text)
			}
			told[i] = strings.NewReplacer(id, "ID", res.Header.Get("Request-Id"), "REQUEST").Replace(text)
		}
		if told[0] != told[1] {
			t.Errorf("another's: %s; nobody's: %s", told[0], told[1])
		}
	}
	if n := w.server.Int(t, `SELECT count(*) FROM reads`); n != 0 {
		t.Errorf("%d reads are on record", n)
	}
}

func TestARequestIsDescribed(t *testing.T) {
	w := newRecordWorld(t)
	response := answer
	batch := uuid.Must(uuid.NewV7())
	w.server.Exec(t, `ALTER TABLE intents DISABLE TRIGGER intents_item_is_open`) // the batch is not there
	id := w.request("pro", question, &response, func(in *gateway.Intent, _ *gateway.Outcome) {
		in.Class, in.Item = "premium", gateway.ItemRef{Batch: batch, N: 3}
	})
	w.get("auditor", "/api/requests/"+id+"/request?reason=case+7")
	var got api.Request
	_, text := w.get("pro", "/api/requests/"+id)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Reads) != 1 || got.Reads[0].Reader != "u-auditor" || got.Reads[0].Reason != "case 7" || got.Reads[0].Owner != "u-pro" || got.Reads[0].Kind != "request" {
		t.Errorf("reads: %+v", got.Reads)
	}
	if len(got.Sent) != 1 || got.Sent[0].Status != http.StatusOK || got.Sent[0].Model != "claude-haiku-5-5" {
		t.Errorf("sent: %+v", got.Sent)
	}
	if got.RequestBody == nil || got.RequestBody.Size != int64(len(question)) || got.ResponseBody == nil || got.ResponseBody.Size != int64(len(answer)) {
		t.Errorf("bodies: %+v %+v", got.RequestBody, got.ResponseBody)
	}
	want := api.Request{
		ID: id, AdmittedAt: got.AdmittedAt, FirstByteAt: got.FirstByteAt, EndedAt: got.EndedAt, User: "u-pro", Subject: "s-pro", Tier: "pro",
		Endpoint: "/v1/messages", Dialect: "anthropic", Stream: true, Session: "session-pro", Batch: gateway.PublicBatchID(gateway.Anthropic, batch),
		ModelRequested: "claude-opus-5-5", Model: "claude-haiku-5-5", Backend: "anthropic", Class: "premium", Status: "completed", HTTPStatus: 200,
		StopReason: "end_turn", Attempts: 1, Usage: api.Usage{InputTokens: 20, OutputTokens: 30, Cost: 5}, Charged: api.Charge{Requests: 1, Tokens: 50},
		Window: got.Window,
	}
	got.Sent, got.Reads, got.RequestBody, got.ResponseBody = nil, nil, nil, nil
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	if string(gotText) != string(wantText) || got.FirstByteAt == nil || got.EndedAt == nil {
		t.Errorf("got\n%s, want\n%s", gotText, wantText)
	}
}

func TestFiltersNarrowAList(t *testing.T) {
	w := newRecordWorld(t)
	response := answer
	pro, free := w.request("pro", question, &response), w.request("free", question, &response)
	running := w.request("pro", question, nil)
	for query, want := range map[string][]string{
		"user=u-pro":                                      {running, pro},
		"subject=s-free":                                  {free},
		"session=session-free":                            {free},
		"status=running":                                  {running},
		"status=completed&user=u-pro":                     {pro},
		"model=claude-haiku-5-5&status=running":           {running},
		"model=claude-opus-5-5":                           nil,
		"from=2020-01-01":                                 {running, free, pro},
		"to=2020-01-01":                                   nil,
		"from=2020-01-01T08:00:00Z&to=2999-12-31":         {running, free, pro},
		"limit=1":                                         {running},
		"limit=1&after=" + running:                        {free},
		"limit=1&after=" + free:                           {pro},
		"limit=1&after=" + pro:                            nil,
		"batch=msgbatch_" + strings.Repeat("0", 31) + "1": nil,
	} {
		_, object := w.send(http.MethodGet, "/api/requests?"+query, "", as("auditor")...)
		if got := ids(t, object); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
		if more := strings.HasPrefix(query, "limit") && len(want) > 0 && want[0] != pro; object["has_more"] != more {
			t.Errorf("%s: has_more is %v", query, object["has_more"])
		}
	}
}

func TestFiltersThatAreNoneAreRefused(t *testing.T) {
	w := newRecordWorld(t)
	for _, test := range []struct {
		who, path string
		status    int
		told      string // a part of the message
	}{
		{"pro", "/api/requests?user=u-free", 403, "auditor"},
		{"pro", "/api/requests?subject=s-pro", 403, "auditor"},
		{"pro", "/api/requests?usr=u-pro", 400, "usr: "},
		{"pro", "/api/requests?status=done", 400, "status: "},
		{"pro", "/api/requests?status=failed&status=running", 400, "status: "},
		{"pro", "/api/requests?batch=7", 400, "batch: "},
		{"pro", "/api/requests?from=yesterday", 400, "from: "},
		{"pro", "/api/requests?to=2026-13-01", 400, "to: "},
		{"pro", "/api/requests?from=2026-11-20&to=2026-11-20", 400, "from: "},
		{"pro", "/api/requests?limit=0", 400, "limit: "},
		{"pro", "/api/requests?limit=101", 400, "limit: "},
		{"pro", "/api/requests?after=7", 400, "after: "},
		{"pro", "/api/reads", 403, "auditor"},
		{"pro", "/api/audit/seals", 403, "auditor"},
		{"pro", "/api/audit/export", 403, "auditor"},
		{"auditor", "/api/reads?after=x", 400, "after: "},
		{"auditor", "/api/reads?limit=x", 400, "limit: "},
		{"auditor", "/api/reads?user=x", 400, "user: "},
		{"auditor", "/api/requests/7", 404, "There is no request"},
		{"auditor", "/api/requests/" + w.request("pro", question, nil) + "/request?reason=" + url.QueryEscape(strings.Repeat("é", 501)), 400, "reason: "},
		{"auditor", "/api/requests/" + w.request("pro", question, nil) + "/request?why=x", 400, "why: "},
	} {
		res, object := w.send(http.MethodGet, test.path, "", as(test.who)...)
		if res.StatusCode != test.status || !strings.Contains(told(object), test.told) {
			t.Errorf("%s, %s: %d %v", test.who, test.path, res.StatusCode, object)
		}
	}
	if n := w.server.Int(t, `SELECT count(*) FROM reads`); n != 0 {
		t.Errorf("%d reads are on record", n)
	}
}

func TestBodiesAreGivenAsTheyWereAndTheirReadersAreOnRecord(t *testing.T) {
	w := newRecordWorld(t)
	for name, test := range map[string]struct{ response, contentType string }{
		"a stream":  {answer, "text/event-stream"},
		"JSON":      {`{"type":"message"}`, "application/json"},
		"otherwise": {"<html>a proxy's page</html>", "application/octet-stream"},
		"a lot":     {`{"text":"` + strings.Repeat("a long answer ", 100_000) + `"}`, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			id := w.request("pro", question, &test.response)
			for path, want := range map[string][2]string{"/request": {question, "application/json"}, "/response": {test.response, test.contentType}} {
				for _, who := range []string{"pro", "auditor"} {
					res, text := w.get(who, "/api/requests/"+id+path)
					if res.StatusCode != http.StatusOK || text != want[0] || res.Header.Get("Content-Type") != want[1] || res.ContentLength != int64(len(text)) {
						t.Errorf("%s, %s: %d %v %.200s", who, path, res.StatusCode, res.Header, text)
					}
					if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
						t.Errorf("%v", res.Header)
					}
				}
			}
			_, object := w.send(http.MethodGet, "/api/reads?limit=4", "", as("auditor")...)
			readers := map[string]int{}
			for _, line := range object["data"].([]any) {
				read := line.(map[string]any)
				readers[read["reader"].(string)]++
				if read["request_id"] != id || read["owner"] != "u-pro" || read["owner_subject"] != "s-pro" || read["login"] != "llmgw_test_auditor" {
					t.Errorf("%v", read)
				}
			}
			if readers["u-pro"] != 2 || readers["u-auditor"] != 2 {
				t.Errorf("on record are %v", readers)
			}
		})
	}
}

func TestNoByteIsGivenWhileReadsCannotBePutOnRecord(t *testing.T) {
	w := newRecordWorld(t)
	response := answer
	id := w.request("pro", question, &response)
	conn, err := pgx.Connect(t.Context(), w.server.URL(postgrestest.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `BEGIN; LOCK TABLE reads IN EXCLUSIVE MODE`); err != nil { // it can be read
		t.Fatal(err)
	}
	for _, path := range []string{"/request", "/response"} {
		res, text := w.get("auditor", "/api/requests/"+id+path)
		if res.StatusCode != http.StatusServiceUnavailable || strings.Contains(text, "secret") || strings.Contains(text, "an answer") {
			t.Errorf("%s: %d %s", path, res.StatusCode, text)
		}
	}
	if _, err := conn.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if res, text := w.get("auditor", "/api/requests/"+id+"/request"); res.StatusCode != http.StatusOK || text != question {
		t.Errorf("afterwards: %d %s", res.StatusCode, text)
	}
}

func TestABodyThatIsNotThereIsExplained(t *testing.T) {
	w := newRecordWorld(t)
	response, empty := answer, ""
	erased := w.request("pro", question, &response)
	w.server.Exec(t, `DELETE FROM bodies`)
	running := w.request("pro", question, nil)
	unanswered := w.request("pro", question, &empty, func(_ *gateway.Intent, out *gateway.Outcome) { out.FirstByteAt = time.Time{} })
	for path, want := range map[string]string{
		erased + "/request":      "not kept any more",
		erased + "/response":     "not kept any more",
		running + "/response":    "still running",
		unanswered + "/response": "nothing came back",
	} {
		res, object := w.send(http.MethodGet, "/api/requests/"+path, "", as("auditor")...)
		if res.StatusCode != http.StatusNotFound || !strings.Contains(told(object), want) {
			t.Errorf("%s: %d %v", path, res.StatusCode, object)
		}
	}
	_, object := w.send(http.MethodGet, "/api/requests/"+erased, "", as("auditor")...)
	if body, ok := object["request_body"]; !ok || body != nil || object["status"] != "completed" {
		t.Errorf("%v", object)
	}
}

func TestASearchThroughTooMuchSaysWhatToDo(t *testing.T) {
	w := newRecordWorld(t)
	conn, err := pgx.Connect(t.Context(), w.server.URL(postgrestest.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `BEGIN; LOCK TABLE ledger`); err != nil {
		t.Fatal(err)
	}
	res, object := w.send(http.MethodGet, "/api/requests", "", as("auditor")...)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(told(object), "Narrow from and to") || res.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("%d %v", res.StatusCode, object)
	}
}

func TestAGatewayThatShowsNoRecordSaysSo(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/api/requests", "/api/requests/7", "/api/requests/7/request", "/api/requests/7/response", "/api/reads", "/api/audit/seals", "/api/audit/export"} {
		res, object := w.send(http.MethodGet, path, "")
		if res.StatusCode != http.StatusNotFound || !strings.Contains(told(object), "database.auditor_url") {
			t.Errorf("%s: %d %v", path, res.StatusCode, object)
		}
	}
}

func TestWhereARequestWasSent(t *testing.T) {
	at := func(n int) gateway.Target { return gateway.Target{Backend: string(rune('a' + n - 1)), Model: "m"} }
	attempt := func(n int) gateway.Attempt {
		return gateway.Attempt{N: n, Target: at(n), Status: 500 + n - 1, Reason: "fault " + string(rune('0'+n-1))}
	}
	ended := func(attempts int) *gateway.Outcome {
		return &gateway.Outcome{Attempts: attempts, HTTPStatus: 200, Error: "the end"}
	}
	for name, test := range map[string]struct {
		outcome *gateway.Outcome
		after   []gateway.Attempt
		want    string // backend, status, error
	}{
		"once":                             {ended(1), nil, "a 200 the end"},
		"never":                            {ended(0), nil, ""},
		"running":                          {nil, nil, "a 0 "},
		"running, again":                   {nil, []gateway.Attempt{attempt(2)}, "a 501 fault 1, b 0 "},
		"three times":                      {ended(3), []gateway.Attempt{attempt(2), attempt(3)}, "a 501 fault 1, b 502 fault 2, c 200 the end"},
		"the last was put on record late":  {ended(1), []gateway.Attempt{attempt(2)}, "a 200 the end"},
		"what is between is not kept":      {ended(3), []gateway.Attempt{attempt(3)}, "a 0 , c 200 the end"},
		"all but the first is not kept":    {ended(3), nil, "a 0 "},
		"late, after one that was in time": {ended(2), []gateway.Attempt{attempt(2), attempt(3)}, "a 501 fault 1, b 200 the end"},
	} {
		r := &gateway.Record{Intent: gateway.Intent{Target: at(1)}, Outcome: test.outcome}
		var got []string
		for _, s := range sent(r, test.after) {
			got = append(got, fmt.Sprintf("%s %d %s", s.Backend, s.Status, s.Error))
		}
		if joined := strings.Join(got, ", "); joined != test.want {
			t.Errorf("%s: %q, want %q", name, joined, test.want)
		}
	}
}
