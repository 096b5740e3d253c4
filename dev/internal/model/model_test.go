package model

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

const token = "test-token"

// serve starts a mock and returns its URL.
func serve(t testing.TB) string {
	t.Helper()
	return serveAs(t, Config{Token: token})
}

// serveAs starts a mock of a provider.
func serveAs(t testing.TB, config Config) string {
	t.Helper()
	server := httptest.NewServer(New(config))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

// call sends a request with the token; headers are pairs.
func call(t testing.TB, method, url, body string, headers ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func read(t testing.TB, response *http.Response) string {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// event is one server-sent event.
type event struct{ name, data string }

// events parses a stream strictly: name line (if any), one data line, empty line.
func events(t testing.TB, stream string) []event {
	t.Helper()
	var list []event
	for block := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		var e event
		rest, named := strings.CutPrefix(block, "event: ")
		if named {
			e.name, rest, _ = strings.Cut(rest, "\n")
		}
		data, ok := strings.CutPrefix(rest, "data: ")
		if !ok || strings.Contains(data, "\n") {
			t.Fatalf("not one data line: %q", block)
		}
		if data != "[DONE]" && !gjson.Valid(data) {
			t.Fatalf("not JSON: %q", data)
		}
		if named && gjson.Get(data, "type").Str != e.name {
			t.Fatalf("event %q has the type of %s", e.name, data)
		}
		e.data = data
		list = append(list, e)
	}
	return list
}

// gather joins a field of all events.
func gather(list []event, path string) string {
	var joined strings.Builder
	for _, e := range list {
		joined.WriteString(gjson.Get(e.data, path).String())
	}
	return joined.String()
}

func message(text, more string) string {
	return `{"model":"claude-sonnet-5-5","max_tokens":1000,"messages":[{"role":"user","content":` +
		string(marshal(text)) + `}]` + more + `}`
}

func chat(text, more string) string {
	return `{"model":"gpt-oss-120b","messages":[{"role":"user","content":` + string(marshal(text)) + `}]` + more + `}`
}

func TestSameRequestGetsTheSameBytes(t *testing.T) {
	url := serve(t)
	for path, body := range map[string]string{
		"/v1/messages":         message("hello", `,"stream":true,"thinking":{"type":"adaptive"}`),
		"/v1/chat/completions": chat("hello", `,"stream":true`),
		"/v1/embeddings":       `{"model":"e","input":"hello"}`,
	} {
		first, second := call(t, "POST", url+path, body), call(t, "POST", url+path, body)
		if read(t, first) != read(t, second) {
			t.Errorf("%s: different bytes", path)
		}
		for name := range first.Header {
			if name != "Date" && first.Header.Get(name) != second.Header.Get(name) {
				t.Errorf("%s: different header %s", path, name)
			}
		}
	}
}

func TestAPIWantsTheConfiguredToken(t *testing.T) {
	url := serve(t)
	for path, want := range map[string]string{
		"/v1/messages":              "authentication_error",
		"/v1/messages/count_tokens": "authentication_error",
		"/v1/chat/completions":      "invalid_request_error",
	} {
		response := call(t, "POST", url+path, message("hi", ""), "authorization", "Bearer of-a-user")
		if body := read(t, response); response.StatusCode != 401 || gjson.Get(body, "error.type").Str != want {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
}

func TestUnusableRequestsAreRefusedInTheirDialect(t *testing.T) {
	url := serve(t)
	cases := []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"broken JSON", "/v1/messages", `{"model":`, 400, "not valid JSON"},
		{"no max_tokens", "/v1/messages", `{"model":"m","messages":[]}`, 400, "max_tokens: Field required"},
		{"no messages", "/v1/chat/completions", `{"model":"m"}`, 400, "'messages'"},
		{"unknown path", "/v1/completions", `{}`, 404, "/v1/completions"},
		{"unknown switch", "/v1/messages", message("[x-mock: dealy=1s]", ""), 400, "dealy"},
		{"open directive", "/v1/messages", message("[x-mock: delay=1s", ""), 400, "closing bracket"},
	}
	for _, c := range cases {
		response := call(t, "POST", url+c.path, c.body)
		body := read(t, response)
		anthropicShape := gjson.Get(body, "type").Str == "error"
		if response.StatusCode != c.status || !strings.Contains(gjson.Get(body, "error.message").Str, c.says) ||
			anthropicShape != strings.HasPrefix(c.path, "/v1/messages") {
			t.Errorf("%s: %d %s", c.name, response.StatusCode, body)
		}
	}
}

func TestRecordsSayWhatArrived(t *testing.T) {
	url := serve(t)
	body := message("hello", "")
	read(t, call(t, "POST", url+"/v1/messages?beta=true", body, "x-gateway-request-id", "r-1"))
	read(t, call(t, "GET", url+"/v1/models", ""))

	var records []Record
	if err := json.Unmarshal([]byte(read(t, call(t, "GET", url+"/mock/requests?last=2", ""))), &records); err != nil {
		t.Fatal(err)
	}
	if len(records) != 2 || records[0].Path != "/v1/messages" || records[0].Query != "beta=true" ||
		records[0].Size != len(body) || records[0].GatewayRequestID != "r-1" || records[0].Number != 1 ||
		records[0].Headers.Get("authorization") != "Bearer "+token || len(records[0].SHA256) != 64 || records[0].Body != body {
		t.Errorf("records = %+v", records)
	}
	if got := records[0].Answer; got.Status != 200 || got.Input != len(body)/4 || got.Output == 0 {
		t.Errorf("the answer on record: %+v", got)
	}
	only := read(t, call(t, "GET", url+"/mock/requests?id=r-1", ""))
	if gjson.Get(only, "#").Int() != 1 || gjson.Get(only, "0.gateway_request_id").Str != "r-1" {
		t.Errorf("the records of one request: %s", only)
	}
	read(t, call(t, "DELETE", url+"/mock/stats", ""))
	if got := read(t, call(t, "GET", url+"/mock/requests", "")); strings.TrimSpace(got) != "[]" {
		t.Errorf("after the reset: %s", got)
	}
}

func TestRingKeepsTheNewest(t *testing.T) {
	r := newRecorder(3)
	request := httptest.NewRequest("GET", "/", nil)
	for range 5 {
		r.add(request, item{}, [32]byte{}, nil)
	}
	got := r.last(-1, "")
	if len(got) != 3 || got[0].Number != 3 || got[2].Number != 5 {
		t.Fatalf("records = %+v", got)
	}
	if got := r.last(1, ""); len(got) != 1 || got[0].Number != 5 {
		t.Fatalf("last record = %+v", got)
	}
}

func TestClientThatLeavesIsCounted(t *testing.T) {
	url := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "POST", url+"/v1/messages", strings.NewReader(message("x", `,"stream":true`)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("authorization", "Bearer "+token)
	request.Header.Set("x-mock", "gap=1h")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || line != "event: message_start\n" {
		t.Fatalf("the first line is %q, %v", line, err)
	}
	stats := func() Stats {
		var s Stats
		if err := json.Unmarshal([]byte(read(t, call(t, "GET", url+"/mock/stats", ""))), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := stats(); s.InFlight != 1 || s.Total != 1 {
		t.Fatalf("while streaming: %+v", s)
	}
	cancel()
	for deadline := time.Now().Add(5 * time.Second); stats().InFlight > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the request is still in flight")
		}
	}
	if s := stats(); s.ClientAborted != 1 || s.Completed != 0 || s.Paths["/v1/messages"] != 1 {
		t.Errorf("after the client left: %+v", s)
	}
}

func TestModelsAreListedInTheDialectOfTheCaller(t *testing.T) {
	url := serve(t)
	openaiList := read(t, call(t, "GET", url+"/v1/models", ""))
	if gjson.Get(openaiList, "object").Str != "list" || gjson.Get(openaiList, "data.0.object").Str != "model" {
		t.Errorf("openai: %s", openaiList)
	}
	var ids []string
	for after := ""; ; {
		page := read(t, call(t, "GET", url+"/v1/models?limit=2&after_id="+after, "", "anthropic-version", "2023-06-01"))
		for _, id := range gjson.Get(page, "data.#.id").Array() {
			ids = append(ids, id.Str)
		}
		if after = gjson.Get(page, "last_id").Str; !gjson.Get(page, "has_more").Bool() {
			break
		}
	}
	if len(ids) != len(defaultModels()) {
		t.Errorf("the pages list %v", ids)
	}
	if response := call(t, "GET", url+"/v1/models/no-such", "", "anthropic-version", "2023-06-01"); response.StatusCode != 404 {
		t.Errorf("an unknown model: %d", response.StatusCode)
	}
}

func TestEmbeddingsComeAsNumbersOrBase64(t *testing.T) {
	url := serve(t)
	plain := read(t, call(t, "POST", url+"/v1/embeddings", `{"model":"e","input":["a","b"],"dimensions":8}`))
	if n := len(gjson.Get(plain, "data.1.embedding").Array()); n != 8 {
		t.Errorf("%d numbers: %s", n, plain)
	}
	packed := read(t, call(t, "POST", url+"/v1/embeddings", `{"model":"e","input":"a","dimensions":8,"encoding_format":"base64"}`))
	if got := gjson.Get(packed, "data.0.embedding").Str; len(got) != 44 {
		t.Errorf("base64: %s", packed)
	}
}

func TestOnlyTheNewestRecordsKeepTheirBody(t *testing.T) {
	r := newRecorder(keptBodies + 50)
	request := httptest.NewRequest("GET", "/", nil)
	for range keptBodies + 60 {
		r.add(request, item{}, [32]byte{}, []byte("body"))
	}
	bodies := 0
	for _, record := range r.last(-1, "") {
		bodies += len(record.Body) / len("body")
	}
	r.add(request, item{}, [32]byte{}, make([]byte, keptBody+1))
	if huge := r.last(1, ""); huge[0].Body != "" || huge[0].Size != keptBody+1 {
		t.Errorf("%d bytes of a huge body are kept", len(huge[0].Body))
	}
	r.add(request, item{}, [32]byte{}, []byte("body"))
	if newest := r.last(1, ""); bodies != keptBodies || newest[0].Body != "body" {
		t.Errorf("%d bodies are kept", bodies)
	}
}

// readUntilError reads a body that is expected to break off.
func readUntilError(response *http.Response) (string, error) {
	var content bytes.Buffer
	_, err := io.Copy(&content, response.Body)
	if err == nil {
		return content.String(), errors.New("the body ended cleanly")
	}
	return content.String(), err
}
