package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestAStreamPassesUnchangedAndIsOnRecord(t *testing.T) {
	var got *http.Request
	var gotBody string
	w := newWorld(t, nil)
	w.model = func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, gotBody = r.Clone(context.Background()), string(body)
		streamed(answer)(rw, r)
	}
	odd := `{"model":"claude-opus-5-5", "unknown" : {"x":[1,2.0]},"system":[{"text":"é \u00e9"}],"stream":true}`
	res, text := w.post("/v1/messages?beta=true", odd, "Anthropic-Beta", "a-1,b-2", "X-Claude-Code-Session-Id", "sess-1")
	if res.StatusCode != http.StatusOK || text != answer {
		t.Errorf("%d %q", res.StatusCode, text)
	}
	if gotBody != odd || got.URL.RawQuery != "beta=true" || got.Header.Get("Anthropic-Beta") != "a-1,b-2" || got.Header.Get("Authorization") != "Bearer operator-token" {
		t.Errorf("sent %q %s %v", gotBody, got.URL, got.Header)
	}
	out := w.outcome()
	in := w.intents[0]
	if plain(t, in.Body) != odd || plain(t, out.Body) != answer {
		t.Error("what is on record is not what went over the wire")
	}
	if want := (gateway.Usage{Input: 25, Output: 15, CacheRead: 4}); out.Usage != want || out.Status != gateway.Completed || out.StopReason != "end_turn" || out.UpstreamID != "req_model" {
		t.Errorf("%+v", out)
	}
	if want := (gateway.Charge{Requests: 1, Tokens: 40}); out.Charge != want {
		t.Errorf("charged %+v", out.Charge)
	}
	if in.Session != "sess-1" || in.Principal.User != "u-enterprise" || in.Target.Backend != "anthropic" || !in.Stream || !in.Reserved {
		t.Errorf("%+v", in)
	}
	if res.Header.Get("Request-Id") != in.ID.String() || res.Header.Get("X-Gateway-Upstream-Request-Id") != "req_model" {
		t.Errorf("%v", res.Header)
	}
}

func TestAnAnswerThatIsNotStreamedPassesUnchanged(t *testing.T) {
	body := `{"id":"msg_1", "content":[],"stop_reason":"max_tokens","usage":{"input_tokens":3,"output_tokens":9}}`
	w := newWorld(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, body)
	})
	res, text := w.post("/v1/messages", strings.Replace(ask, "true", "false", 1))
	if text != body || res.ContentLength != int64(len(body)) {
		t.Errorf("%d %q", res.ContentLength, text)
	}
	if out := w.outcome(); out.Status != gateway.Completed || out.Usage.Output != 9 || plain(t, out.Body) != body {
		t.Errorf("%+v", out)
	}
}

func TestTheTierDecidesTheModelAndTheRestOfTheBodyStays(t *testing.T) {
	for tier, c := range map[string]struct{ model, routed string }{
		"free": {"claude-opus-5-5", "internal"}, "pro": {"claude-opus-5-5", "claude-haiku-5-5"}, "enterprise": {"claude-opus-5-5", "claude-opus-5-5"},
	} {
		var gotBody string
		w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			gotBody = string(body)
			streamed(answer)(rw, r)
		})
		res, _ := w.post("/v1/messages", ask, "Authorization", "Bearer tok-"+tier)
		if want := strings.Replace(ask, c.model, c.routed, 1); gotBody != want {
			t.Errorf("%s: sent %q", tier, gotBody)
		}
		if res.Header.Get("X-Gateway-Model-Requested") != c.model || res.Header.Get("X-Gateway-Model-Routed") != c.routed {
			t.Errorf("%s: %v", tier, res.Header)
		}
	}
}

func TestNoByteLeavesBeforeTheIntentIsOnRecord(t *testing.T) {
	w := newWorld(t, streamed(answer))
	committing, release := make(chan struct{}), make(chan struct{})
	w.admit = func(*gateway.Intent) error { close(committing); <-release; return nil }
	done := make(chan string)
	go func() { _, text := w.post("/v1/messages", ask); done <- text }()
	<-committing
	time.Sleep(50 * time.Millisecond)
	if w.sent() != 0 {
		t.Error("the request was sent while its record was not committed")
	}
	close(release)
	if text := <-done; text != answer {
		t.Errorf("%q", text)
	}
}

func TestTheFinalEventWaitsForTheOutcomeAndTheRestDoesNot(t *testing.T) {
	w := newWorld(t, streamed(answer))
	release := make(chan struct{})
	w.finish = func(*gateway.Outcome) error { <-release; return nil }
	res := w.do(w.request(http.MethodPost, "/v1/messages", ask))
	before := strings.TrimSuffix(answer, finalEvent)
	got := make([]byte, len(before))
	if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != before {
		t.Fatalf("%q %v", got, err)
	}
	rest := make(chan string)
	go func() { text, _ := io.ReadAll(res.Body); rest <- string(text) }()
	select {
	case text := <-rest:
		t.Fatalf("%q came before the outcome was on record", text)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if text := <-rest; text != finalEvent {
		t.Errorf("%q", text)
	}
}

func TestAnAnswerThatIsOnRecordNowhereIsNotCompleted(t *testing.T) {
	w := newWorld(t, streamed(answer))
	w.finish = func(*gateway.Outcome) error { return errors.New("database and disk are gone") }
	_, text := w.post("/v1/messages", ask)
	if strings.Contains(text, "message_stop") || !strings.Contains(text, "event: error") {
		t.Errorf("%q", text)
	}
}

func TestAStreamCutAtAnyByteEndsInAnError(t *testing.T) {
	for at := range len(answer) {
		w := newWorld(t, streamed(answer[:at], abort))
		res, text := w.post("/v1/messages", ask)
		if res.StatusCode == http.StatusOK {
			_, last, found := strings.Cut(text, "event: error\ndata: ")
			if !found || !strings.HasSuffix(last, "\n\n") || !strings.Contains(last, "not the whole answer") {
				t.Fatalf("cut at %d: the client was given %q", at, text)
			}
			if strings.Contains(text, "event: message_stop") {
				t.Fatalf("cut at %d: the final event went out", at)
			}
			lastEvent := text[strings.LastIndex(strings.TrimSuffix(text, "\n\n"), "\n\n")+1:]
			if strings.Count(lastEvent, "event: error") != 1 {
				t.Fatalf("cut at %d: the last event is %q", at, lastEvent)
			}
		} else if !strings.Contains(text, `"type":"error"`) {
			t.Fatalf("cut at %d: %d %q", at, res.StatusCode, text)
		}
		if out := w.outcome(); out.Status != gateway.Failed {
			t.Fatalf("cut at %d: on record as %s", at, out.Status)
		}
	}
}

func TestAnErrorEventOfTheBackendPassesAndIsTheLast(t *testing.T) {
	text := answer[:strings.Index(answer, "event: message_delta")] + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
	w := newWorld(t, streamed(text))
	if _, got := w.post("/v1/messages", ask); got != text {
		t.Errorf("%q", got)
	}
	if out := w.outcome(); out.Status != gateway.Failed || out.Usage.Input != 25 || !out.Usage.Estimated || out.Charge.Requests != 1 {
		t.Errorf("%+v", out)
	}
}

func TestAClientThatLeavesCancelsTheBackend(t *testing.T) {
	gone := make(chan struct{})
	w := newWorld(t, nil)
	w.model = func(rw http.ResponseWriter, r *http.Request) {
		streamed(answer[:300], func() { <-r.Context().Done(); close(gone) })(rw, r)
	}
	ctx, leave := context.WithCancel(context.Background())
	res := w.do(w.request(http.MethodPost, "/v1/messages", ask).WithContext(ctx))
	if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	leave()
	select {
	case <-gone:
	case <-time.After(time.Second):
		t.Fatal("the backend goes on after a second")
	}
	if out := w.outcome(); out.Status != gateway.Cancelled || out.Usage.Input != 25 || out.Usage.Output == 0 || !out.Usage.Estimated || out.Charge.Requests != 1 {
		t.Errorf("%+v", out)
	}
}

func TestAClientThatLeavesBeforeTheAnswerIsCharged(t *testing.T) {
	w := newWorld(t, nil)
	arrived := make(chan struct{})
	w.model = func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}
	ctx, leave := context.WithCancel(context.Background())
	go func() { <-arrived; leave() }()
	if _, err := w.Client().Do(w.request(http.MethodPost, "/v1/messages", ask).WithContext(ctx)); err == nil {
		t.Fatal("an answer came")
	}
	if out := w.outcome(); out.Status != gateway.Cancelled || out.Charge.Requests != 1 || out.Charge.Tokens == 0 {
		t.Errorf("%+v", out)
	}
}

func TestABackendThatFallsSilentIsGivenUp(t *testing.T) {
	w := newWorld(t, nil)
	w.service.IdleTimeout = 100 * time.Millisecond
	w.model = func(rw http.ResponseWriter, r *http.Request) {
		streamed(answer[:200], func() { <-r.Context().Done() })(rw, r)
	}
	_, text := w.post("/v1/messages", ask)
	if !strings.Contains(text, "timeout_error") || !strings.Contains(text, "sent nothing for") {
		t.Errorf("%q", text)
	}
	if out := w.outcome(); out.Status != gateway.Failed {
		t.Errorf("%+v", out)
	}
}

func TestABackendThatKeepsAFinishedStreamOpenDelaysTheEndByASecondAtMost(t *testing.T) {
	w := newWorld(t, nil)
	w.model = func(rw http.ResponseWriter, r *http.Request) {
		streamed(answer, func() { <-r.Context().Done() })(rw, r)
	}
	start := time.Now()
	_, text := w.post("/v1/messages", ask)
	if text != answer || time.Since(start) > 5*time.Second {
		t.Errorf("%q after %s", text, time.Since(start))
	}
	if out := w.outcome(); out.Status != gateway.Completed {
		t.Errorf("%+v", out)
	}
}

func TestASilentStreamIsSentPingsBetweenEventsOnly(t *testing.T) {
	half := strings.Index(answer, "Hello")
	first := strings.Index(answer, "event: content_block_delta")
	w := newWorld(t, nil)
	w.service.PingInterval = 40 * time.Millisecond
	w.model = func(rw http.ResponseWriter, r *http.Request) {
		pause := func() { time.Sleep(130 * time.Millisecond) }
		more := func(text string) func() {
			return func() { _, _ = io.WriteString(rw, text); _ = http.NewResponseController(rw).Flush() }
		}
		streamed(answer[:first], pause, more(answer[first:half]), pause, more(answer[half:]))(rw, r)
	}
	_, text := w.post("/v1/messages", ask)
	const ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n"
	if n := strings.Count(text, ping); n < 2 || n > 4 {
		t.Errorf("%d pings", n)
	}
	if strings.ReplaceAll(text, ping, "") != answer {
		t.Errorf("a ping broke an event: %q", text)
	}
	if out := w.outcome(); plain(t, out.Body) != answer {
		t.Error("our pings are on record as the backend's")
	}
}

func TestTheBackendsErrorsPassUnmodifiedAndCostNothing(t *testing.T) {
	body := `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`
	for _, status := range []int{400, 403, 404, 413, 429, 500, 529} {
		w := newWorld(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "2")
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
		})
		res, text := w.post("/v1/messages", ask)
		if res.StatusCode != status || text != body || res.Header.Get("Retry-After") != "2" {
			t.Errorf("%d: got %d %q", status, res.StatusCode, text)
		}
		if out := w.outcome(); out.Status != gateway.Failed || out.Charge != (gateway.Charge{}) || out.HTTPStatus != status {
			t.Errorf("%d: %+v", status, out)
		}
	}
}

func TestARefusedOperatorTokenIsNotTheUsersFault(t *testing.T) {
	w := newWorld(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnauthorized) })
	res, text := w.post("/v1/messages", ask)
	if res.StatusCode != http.StatusBadGateway || res.Header.Get("X-Should-Retry") != "false" || !strings.Contains(text, "yours is fine") {
		t.Errorf("%d %q", res.StatusCode, text)
	}
	if out := w.outcome(); out.HTTPStatus != http.StatusUnauthorized || out.Charge != (gateway.Charge{}) {
		t.Errorf("%+v", out)
	}
}

func TestABackendThatIsAway(t *testing.T) {
	w := newWorld(t, nil)
	w.upstream.Close()
	res, text := w.post("/v1/messages", ask)
	if res.StatusCode != http.StatusBadGateway || !strings.Contains(text, "cannot be reached") {
		t.Errorf("%d %q", res.StatusCode, text)
	}
	if out := w.outcome(); out.Status != gateway.Failed || out.Charge != (gateway.Charge{}) {
		t.Errorf("%+v", out)
	}
}

func TestCountingTokensIsOnRecordAndFree(t *testing.T) {
	w := newWorld(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, `{"input_tokens":7}`) })
	if _, text := w.post("/v1/messages/count_tokens?beta=true", ask); text != `{"input_tokens":7}` {
		t.Errorf("%q", text)
	}
	if out := w.outcome(); out.Charge != (gateway.Charge{}) || w.used != (gateway.Used{}) || w.intents[0].Endpoint != gateway.CountTokens {
		t.Errorf("%+v", out)
	}
}

func TestABackendThatCannotCountIsEstimatedFor(t *testing.T) {
	w := newWorld(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotFound) })
	res, text := w.post("/v1/messages/count_tokens", ask)
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(text, `{"input_tokens":`) {
		t.Errorf("%d %q", res.StatusCode, text)
	}
}
