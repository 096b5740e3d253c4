package model

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

const streaming = `,"stream":true`

func TestDelayAndGapTakeTime(t *testing.T) {
	url := serve(t)
	begin := time.Now()
	response := call(t, "POST", url+"/v1/messages", message("x", streaming), "x-mock", "delay=50ms,gap=10ms,tokens=5")
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("headers after %s", took)
	}
	list := events(t, read(t, response))
	if took, want := time.Since(begin), 50*time.Millisecond+time.Duration(len(list)-1)*10*time.Millisecond; took < want {
		t.Errorf("%d events in %s", len(list), took)
	}
}

func TestTokensAndBodyFixTheSizeOfTheText(t *testing.T) {
	url := serve(t)
	for _, n := range []int{0, 1, 2, 5, 64, 1000} {
		body := strings.Replace(message("hi", streaming), "1000", "100000", 1)
		list := events(t, read(t, call(t, "POST", url+"/v1/messages", body, "x-mock", "tokens="+itoa(n))))
		deltas := 0
		for _, e := range list {
			if e.name == "content_block_delta" {
				deltas++
			}
		}
		if deltas != n {
			t.Errorf("tokens=%d gave %d deltas", n, deltas)
		}
		chunks := events(t, read(t, call(t, "POST", url+"/v1/chat/completions", chat("hi", streaming), "x-mock", "tokens="+itoa(n))))
		if got := len(chunks) - 3; got != n { // role, finish reason, [DONE]
			t.Errorf("tokens=%d gave %d chunks", n, got)
		}
	}
	for _, n := range []int{0, 10, 100, 50_000} {
		list := events(t, read(t, call(t, "POST", url+"/v1/chat/completions", chat("hi", streaming), "x-mock", "tokens=4,body="+itoa(n))))
		if got := len(gather(list, "choices.0.delta.content")); got != n {
			t.Errorf("body=%d gave %d bytes", n, got)
		}
	}
}

func itoa(n int) string { return string(marshal(n)) }

func TestCutBreaksTheConnectionAtTheByte(t *testing.T) {
	url := serve(t)
	plain := read(t, call(t, "POST", url+"/v1/messages", message("x", streaming)))
	for _, n := range []int{0, 1, 100, len(plain) - 1} {
		response := call(t, "POST", url+"/v1/messages", message("x", streaming), "x-mock", "cut="+itoa(n))
		if got, err := readUntilError(response); err == nil || got != plain[:n] {
			t.Errorf("cut=%d: %d bytes, %v", n, len(got), err)
		}
	}
	whole := call(t, "POST", url+"/v1/messages", message("x", ""), "x-mock", "cut=10")
	if got, err := readUntilError(whole); err == nil || len(got) != 10 {
		t.Errorf("cut of a message: %q, %v", got, err)
	}
}

func TestStallKeepsTheConnectionOpenInSilence(t *testing.T) {
	url := serve(t)
	for _, body := range []string{message("x", streaming), message("x", "")} {
		response := call(t, "POST", url+"/v1/messages", body, "x-mock", "stall=2")
		type result struct{ text string }
		done := make(chan result, 1)
		go func() {
			text, _ := readUntilError(response)
			done <- result{text}
		}()
		select {
		case r := <-done:
			t.Errorf("the answer ended: %q", r.text)
		case <-time.After(100 * time.Millisecond):
		}
		response.Body.Close()
		if r := <-done; strings.Count(r.text, "\n\n") > 2 {
			t.Errorf("more than two events: %q", r.text)
		}
	}
}

func TestErrorEventEndsTheStreamInItsDialect(t *testing.T) {
	url := serve(t)
	list := events(t, read(t, call(t, "POST", url+"/v1/messages", message("x", streaming), "x-mock", "error=3")))
	if len(list) != 4 || list[3].name != "error" || gjson.Get(list[3].data, "error.type").Str != "overloaded_error" {
		t.Errorf("anthropic: %v", list)
	}
	chunks := events(t, read(t, call(t, "POST", url+"/v1/chat/completions", chat("x", streaming), "x-mock", "error=0")))
	if len(chunks) != 1 || gjson.Get(chunks[0].data, "error.type").Str != "server_error" {
		t.Errorf("openai: %v", chunks)
	}
	if whole := call(t, "POST", url+"/v1/messages", message("x", ""), "x-mock", "error=3"); whole.StatusCode != 200 {
		t.Errorf("without a stream: %d", whole.StatusCode)
	}
}

func TestGarbageIsFollowedByTheRest(t *testing.T) {
	url := serve(t)
	got := read(t, call(t, "POST", url+"/v1/messages", message("x", streaming), "x-mock", "garbage=2"))
	if before, after, found := strings.Cut(got, garbage); !found || strings.Count(before, "\n\n") != 2 || !strings.Contains(after, "message_stop") {
		t.Errorf("%q", got)
	}
}

func TestStatusComesWithTheEnvelopeOfTheDialect(t *testing.T) {
	url := serve(t)
	cases := []struct{ path, switches, status, kind, message, retryAfter string }{
		{"/v1/messages", "status=529,retry_after=2", "529", "overloaded_error", "Overloaded", "2"},
		{"/v1/messages", "status=400,message=prompt is too long: 9 tokens > 8 maximum", "400", "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", ""},
		{"/v1/messages", "status=500", "500", "api_error", "Internal server error", ""},
		{"/v1/chat/completions", "status=429", "429", "requests", "Number of requests has exceeded your rate limit", ""},
	}
	for _, c := range cases {
		response := call(t, "POST", url+c.path, message("x", streaming), "x-mock", c.switches)
		body := read(t, response)
		if itoa(response.StatusCode) != c.status || gjson.Get(body, "error.type").Str != c.kind ||
			gjson.Get(body, "error.message").Str != c.message || response.Header.Get("retry-after") != c.retryAfter {
			t.Errorf("%s: %d %s", c.switches, response.StatusCode, body)
		}
	}
}

func TestSwitchesComeFromEverywhereAndTheSpecificOneWins(t *testing.T) {
	url := serve(t)
	put := func(faults string) *http.Response { return call(t, "PUT", url+"/mock/faults", faults) }
	status := func(path, text string, headers ...string) int {
		return call(t, "POST", url+path, message(text, ""), headers...).StatusCode
	}
	if response := put(`{"status":529,"delay":"1ms"}`); response.StatusCode != 200 {
		t.Fatalf("PUT: %s", read(t, response))
	}
	if got := read(t, call(t, "GET", url+"/mock/faults", "")); gjson.Get(got, "status").Int() != 529 || gjson.Get(got, "delay").Str != "1ms" {
		t.Errorf("GET: %s", got)
	}
	for want, got := range map[int]int{
		529: status("/v1/messages", "x"),
		501: status("/v1/messages?beta=true&status=501", "x"),
		502: status("/v1/messages?status=501", "x", "x-mock", "status=502"),
		503: status("/v1/messages?status=501", "x [x-mock: status=503] y", "x-mock", "status=502"),
	} {
		if got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	if got := put(`{"no_such":1}`).StatusCode; got != 400 {
		t.Errorf("an unknown switch: %d", got)
	}
	if status("/v1/messages", "x") != 529 {
		t.Error("a refused PUT changed the switches")
	}
	call(t, "DELETE", url+"/mock/faults", "")
	if got := status("/v1/messages", "x"); got != 200 {
		t.Errorf("after DELETE: %d", got)
	}
}

func TestStatusFirstCountsFromWhenTheFaultsWereSet(t *testing.T) {
	url := serve(t)
	for range 2 {
		call(t, "PUT", url+"/mock/faults", `{"status":529,"status_first":2}`)
		var got []int
		for range 4 {
			got = append(got, call(t, "POST", url+"/v1/messages", message("x", "")).StatusCode)
		}
		if got[0] != 529 || got[1] != 529 || got[2] != 200 || got[3] != 200 {
			t.Errorf("statuses %v", got)
		}
	}
}

func TestStatusOfAPartOfTheRequests(t *testing.T) {
	url := serve(t)
	for faults, want := range map[string][]int{
		`{"status":529,"status_share":25}`:                    {200, 200, 200, 529, 200, 200, 200, 529},
		`{"status":429,"status_share":50,"status_first":4}`:   {200, 429, 200, 429, 200, 200, 200, 200},
		`{"status":529,"status_for":"1h","status_share":100}`: {529, 529, 529, 529, 529, 529, 529, 529},
		`{"status":529,"status_for":"1ns"}`:                   {200, 200, 200, 200, 200, 200, 200, 200},
		`{"status":529,"status_over":0}`:                      {529, 529, 529, 529, 529, 529, 529, 529},
		`{"status":529,"status_over":100}`:                    {200, 200, 200, 200, 200, 200, 200, 200},
	} {
		call(t, "PUT", url+"/mock/faults", faults)
		var got []int
		for range want {
			response := call(t, "POST", url+"/v1/messages", message("x", ""))
			read(t, response)
			got = append(got, response.StatusCode)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", faults, got, want)
		}
	}
}

func TestStatusOverCountsTheRequestItself(t *testing.T) {
	m := New(Config{})
	s := noSwitches()
	s.Status, s.StatusOver = 529, 2
	m.recorder.begin("/")
	m.recorder.begin("/")
	if m.refuses(s) {
		t.Error("the second of two is refused")
	}
	if m.recorder.begin("/"); !m.refuses(s) {
		t.Error("the third is not")
	}
}

func TestBatchSwitchesAreShownAndChecked(t *testing.T) {
	url := serve(t)
	const faults = `{"batch_delay":"1m0s","batch_fail":"^a","batch_hold":"b","status_for":"2s"}`
	call(t, "PUT", url+"/mock/faults", faults)
	if got := strings.TrimSpace(read(t, call(t, "GET", url+"/mock/faults", ""))); got != faults {
		t.Errorf("set %s", got)
	}
	if response := call(t, "PUT", url+"/mock/faults", `{"batch_fail":"("}`); response.StatusCode != 400 {
		t.Errorf("a pattern that is none: %d", response.StatusCode)
	}
}

func BenchmarkStream(b *testing.B) {
	url := serve(b)
	body := message(strings.Repeat("word ", 10_000), streaming)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		read(b, call(b, "POST", url+"/v1/messages", body, "x-mock", "tokens=32"))
	}
}
