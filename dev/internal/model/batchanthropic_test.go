package model

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// part is an item of a batch of messages.
func part(id, params string) string {
	return `{"custom_id":` + string(marshal(id)) + `,"params":` + params + `}`
}

func messagesOf(parts ...string) string { return `{"requests":[` + strings.Join(parts, ",") + `]}` }

// submit makes a batch, which must be taken, and returns it as it was answered.
func submit(t *testing.T, url, body string, headers ...string) gjson.Result {
	t.Helper()
	response := call(t, "POST", url, body, headers...)
	content := read(t, response)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", response.StatusCode, content)
	}
	return gjson.Parse(content)
}

// await asks for a batch until a field has a value.
func await(t *testing.T, url, field, value string) gjson.Result {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := gjson.Parse(read(t, call(t, "GET", url, "")))
		if got.Get(field).Str == value {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never was %s: %s", field, value, got)
		}
	}
}

// lines are the results of a batch by custom_id, and the ids in their order.
func lines(t *testing.T, jsonl string) (results map[string]gjson.Result, order []string) {
	t.Helper()
	results = map[string]gjson.Result{}
	for line := range strings.Lines(jsonl) {
		if !gjson.Valid(line) {
			t.Fatalf("not JSON: %q", line)
		}
		id := gjson.Get(line, "custom_id").Str
		if _, twice := results[id]; twice {
			t.Errorf("%s has two results", id)
		}
		results[id] = gjson.Parse(line)
		order = append(order, id)
	}
	return results, order
}

func TestEachItemOfABatchIsAnsweredAsIfItHadComeAlone(t *testing.T) {
	server := httptest.NewServer(http.StripPrefix("/internal", New(Config{Token: token})))
	t.Cleanup(server.Close)
	url := server.URL + "/internal" // as the stack mounts it
	params := map[string]string{
		"plain": message("hello", ""), "thinking": message("hello", `,"thinking":{"type":"adaptive"}`),
		"incomplete": `{"model":"m","messages":[]}`, "limited": message("hello [x-mock: status=429]", ""),
	}
	made := submit(t, url+"/v1/messages/batches", messagesOf(
		part("plain", params["plain"]), part("thinking", params["thinking"]), part("incomplete", params["incomplete"]), part("limited", params["limited"]),
	), "x-mock", "body=5") // which is meant for the batch
	if made.Get("type").Str != "message_batch" || made.Get("processing_status").Str != "in_progress" || made.Get("request_counts.processing").Int() != 4 ||
		made.Get("results_url").Type != gjson.Null || made.Get("ended_at").Type != gjson.Null || !strings.HasPrefix(made.Get("id").Str, "msgbatch_01") {
		t.Errorf("made: %s", made)
	}
	ended := await(t, url+"/v1/messages/batches/"+made.Get("id").Str, "processing_status", "ended")
	if got, want := ended.Get("request_counts").Raw, `{"canceled":0,"errored":2,"expired":0,"processing":0,"succeeded":2}`; got != want {
		t.Errorf("counts %s, want %s", got, want)
	}
	results, order := lines(t, read(t, call(t, "GET", ended.Get("results_url").Str, "")))
	if len(order) != 4 || order[0] == "plain" {
		t.Errorf("the results come in the order %v", order)
	}
	for id, alone := range params {
		response := call(t, "POST", url+"/v1/messages", alone)
		want := strings.TrimSpace(read(t, response))
		result := results[id].Get("result")
		kind, got := "succeeded", result.Get("message").Raw
		if response.StatusCode != http.StatusOK {
			kind, got = "errored", result.Get("error").Raw
		}
		if result.Get("type").Str != kind || got != want {
			t.Errorf("%s: %s\nalone it is answered %s", id, result, want)
		}
	}
}

// ends tells what became of each item of a batch of messages.
func ends(t *testing.T, batch string) string {
	t.Helper()
	results, order := lines(t, read(t, call(t, "GET", batch+"/results", "")))
	slices.Sort(order)
	var list []string
	for _, id := range order {
		list = append(list, id+" "+results[id].Get("result.type").Str)
	}
	return strings.Join(list, ", ")
}

var threeMessages = messagesOf(part("a", message("x", "")), part("b", message("y", "")), part("c", message("z", "")))

func TestSwitchesSayWhatBecomesOfTheItemsOfABatch(t *testing.T) {
	url := serve(t) + "/v1/messages/batches"
	for switches, want := range map[string]string{
		"batch_fail=^b$":    "a succeeded, b errored, c succeeded",
		"batch_expire=[ab]": "a expired, b expired, c succeeded",
		"batch_delay=1ms":   "a succeeded, b succeeded, c succeeded",
	} {
		batch := url + "/" + submit(t, url, threeMessages, "x-mock", switches).Get("id").Str
		await(t, batch, "processing_status", "ended")
		if got := ends(t, batch); got != want {
			t.Errorf("%s: %s, want %s", switches, got, want)
		}
	}
}

func TestACancelledBatchKeepsTheResultsOfWhatHasRun(t *testing.T) {
	for switches, want := range map[string]struct {
		ends    string
		reached int
	}{
		"batch_hold=b":   {"a succeeded, b canceled, c succeeded", 2},
		"batch_delay=1h": {"a canceled, b canceled, c canceled", 0},
	} {
		root := serve(t)
		list := root + "/v1/messages/batches"
		batch := list + "/" + submit(t, list, threeMessages, "x-mock", switches).Get("id").Str
		reached := func() int {
			return len(gjson.Parse(read(t, call(t, "GET", root+"/mock/items", ""))).Map())
		}
		for deadline := time.Now().Add(10 * time.Second); reached() < want.reached; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d items were run", switches, reached())
			}
		}
		for _, early := range [][2]string{{"DELETE", ""}, {"GET", "/results"}} {
			if response := call(t, early[0], batch+early[1], ""); response.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s%s of a batch that runs: %d", switches, early[0], early[1], response.StatusCode)
			}
		}
		if got := submit(t, batch+"/cancel", ""); got.Get("cancel_initiated_at").Type != gjson.String || got.Get("processing_status").Str == "in_progress" {
			t.Errorf("%s: cancelled: %s", switches, got)
		}
		await(t, batch, "processing_status", "ended")
		if got := ends(t, batch); got != want.ends || reached() != want.reached {
			t.Errorf("%s: %s, %d were run; want %s", switches, got, reached(), want.ends)
		}
		if response := call(t, "POST", batch+"/cancel", ""); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: cancelled after its end: %d", switches, response.StatusCode)
		}
		if got := gjson.Parse(read(t, call(t, "DELETE", batch, ""))); got.Get("type").Str != "message_batch_deleted" {
			t.Errorf("%s: deleted: %s", switches, got)
		}
		if response := call(t, "GET", batch, ""); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: after its deletion: %d", switches, response.StatusCode)
		}
	}
}

func TestBatchesOfMessagesThatCannotBeMade(t *testing.T) {
	url := serve(t)
	for name, c := range map[string]struct{ body, says string }{
		"no list":                {`{}`, "requests: Field required"},
		"an empty list":          {messagesOf(), "at least 1 item"},
		"a custom_id too long":   {messagesOf(part("a", "{}"), part(strings.Repeat("b", 65), "{}")), "requests.1.custom_id: String should match"},
		"a custom_id twice":      {messagesOf(part("a", "{}"), part("b", "{}"), part("a", "{}")), "requests.2.custom_id: must be unique"},
		"an item without params": {messagesOf(`{"custom_id":"a"}`), "requests.0.params: Field required"},
		"too many items":         {messagesOf(manyParts(maxMessages + 1)...), "at most 100000 items after validation, not 100001"},
	} {
		response := call(t, "POST", url+"/v1/messages/batches", c.body)
		if body := read(t, response); response.StatusCode != http.StatusBadRequest || !strings.Contains(gjson.Get(body, "error.message").Str, c.says) {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
	}
	if list := read(t, call(t, "GET", url+"/v1/messages/batches", "")); gjson.Get(list, "data.#").Int() != 0 {
		t.Errorf("one was made: %s", list)
	}
}

func manyParts(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = part("i"+itoa(i), "{}")
	}
	return list
}

func TestItemsOfBatchesAreOnRecordAsSingleRequestsAre(t *testing.T) {
	url := serve(t)
	list := url + "/v1/messages/batches"
	body := message("x", "")
	for range 2 {
		id := submit(t, list, messagesOf(part("r-1", body), part("r-2", message("y", ""))), "anthropic-beta", "b-1").Get("id").Str
		await(t, list+"/"+id, "processing_status", "ended")
		records := gjson.Parse(read(t, call(t, "GET", url+"/mock/requests?id=r-1", ""))).Array()
		got := records[len(records)-1]
		if got.Get("batch").Str != id || got.Get("custom_id").Str != "r-1" || got.Get("path").Str != "/v1/messages" || got.Get("body").Str != body ||
			got.Get("headers.Anthropic-Beta.0").Str != "b-1" || got.Get("answer.status").Int() != 200 || got.Get("answer.output_tokens").Int() == 0 {
			t.Errorf("the record is %s", got)
		}
	}
	if got := strings.TrimSpace(read(t, call(t, "GET", url+"/mock/items", ""))); got != `{"r-1":2,"r-2":2}` {
		t.Errorf("items arrived %s", got)
	}
	if stats := gjson.Parse(read(t, call(t, "GET", url+"/mock/stats", ""))); stats.Get(`paths./v1/messages`).Int() != 4 || stats.Get("in_flight").Int() != 0 {
		t.Errorf("stats %s", stats)
	}
	call(t, "DELETE", url+"/mock/stats", "")
	if got := strings.TrimSpace(read(t, call(t, "GET", url+"/mock/items", ""))); got != `{}` {
		t.Errorf("after the reset: %s", got)
	}
}

func TestAnItemWhoseAnswerBreaksFailed(t *testing.T) {
	list := serve(t) + "/v1/messages/batches"
	made := submit(t, list, messagesOf(
		part("cut", message("[x-mock: cut=10]", "")), part("garbage", message("[x-mock: garbage=0]", "")),
		part("streamed", message("x", streaming)), part("stalled", message("[x-mock: stall=0,delay=1h]", "")),
	))
	batch := list + "/" + made.Get("id").Str
	await(t, batch, "processing_status", "ended")
	if got, want := ends(t, batch), "cut errored, garbage errored, stalled succeeded, streamed errored"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestResultsCanBreakOffOnTheirWay(t *testing.T) {
	list := serve(t) + "/v1/messages/batches"
	batch := list + "/" + submit(t, list, threeMessages).Get("id").Str
	await(t, batch, "processing_status", "ended")
	whole := read(t, call(t, "GET", batch+"/results", ""))
	if got, err := readUntilError(call(t, "GET", batch+"/results", "", "x-mock", "cut=400")); err == nil || got != whole[:400] {
		t.Errorf("%q, %v", got, err)
	}
}

func TestBatchesAreListedInPagesTheNewestFirst(t *testing.T) {
	list := serve(t) + "/v1/messages/batches"
	var made []string // the newest first
	for range 5 {
		made = slices.Insert(made, 0, submit(t, list, threeMessages).Get("id").Str)
	}
	for query, want := range map[string][]string{
		"":                              made,
		"?limit=2":                      made[:2],
		"?limit=2&after_id=" + made[1]:  made[2:4],
		"?limit=9&after_id=" + made[1]:  made[2:],
		"?limit=2&before_id=" + made[3]: made[1:3],
		"?after_id=msgbatch_unknown":    nil,
		"?before_id=msgbatch_unknown":   nil,
	} {
		got := gjson.Parse(read(t, call(t, "GET", list+query, "")))
		var ids []string
		for _, id := range got.Get("data.#.id").Array() {
			ids = append(ids, id.Str)
		}
		more := strings.HasPrefix(query, "?limit=2")
		if !slices.Equal(ids, want) || got.Get("has_more").Bool() != more || len(ids) > 0 && got.Get("last_id").Str != ids[len(ids)-1] {
			t.Errorf("%s: %s, want %v", query, got, want)
		}
	}
}

func TestTheOldestEndedBatchesAreForgotten(t *testing.T) {
	s := &batches{}
	for _, b := range []*batch{
		{id: "runs", total: keptItems}, {id: "ended", total: 1, ended: time.Now()}, {id: "new", total: 1, ended: time.Now()},
	} {
		s.add(b)
	}
	if len(s.newest("")) != 1 {
		t.Errorf("%d batches are kept", len(s.newest("")))
	}
	few := &batches{}
	few.add(&batch{id: "old", total: keptItems - 1, ended: time.Now()})
	few.add(&batch{id: "new", total: 1, ended: time.Now()})
	few.add(&batch{id: "newest", total: 1, ended: time.Now()})
	if got := few.newest(""); len(got) != 2 || got[0].id != "newest" || got[1].id != "new" {
		t.Errorf("%d batches are kept", len(got))
	}
}
