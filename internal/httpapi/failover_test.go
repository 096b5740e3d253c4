package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// twoBackends routes everything to the backend "first" and then to "second", which is the world's model.
func twoBackends(t *testing.T, first http.HandlerFunc, more ...func(*config.Config)) func(*config.Config, *world) {
	server := httptest.NewServer(first)
	t.Cleanup(server.Close)
	return func(cfg *config.Config, w *world) {
		for name, url := range map[string]string{"first": server.URL, "second": w.upstream.URL} {
			cfg.Backends = append(cfg.Backends, config.Backend{Name: name, Dialects: []string{"anthropic"}, BaseURL: url, Auth: config.Auth{Mode: config.AuthNone}})
		}
		cfg.Tiers["enterprise"] = config.Tier{RequestsPerDay: -1, TokensPerDay: -1, Routes: []config.Route{
			{Match: "*", Targets: []config.Target{{Backend: "first", Model: "model-one"}, {Backend: "second", Model: "model-two"}}},
		}}
		cfg.Upstream.FirstByteTimeout = 100 * time.Millisecond
		cfg.Upstream.RetryWait = time.Second
		for _, change := range more {
			change(cfg)
		}
	}
}

// refusing answers with a status and an error of the Messages API.
func refusing(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"type":"error","error":{"type":"some_error","message":"status %d"}}`, status)
	}
}

func TestTheNextTargetAnswersForOneThatDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		first  http.HandlerFunc
		status int // on record of the first attempt
	}{
		"overloaded":            {refusing(529), 529},
		"over its rate":         {refusing(429), 429},
		"its own error":         {refusing(500), 500},
		"timed out":             {refusing(408), 408},
		"our credential":        {refusing(401), 401},
		"connection closed":     {func(http.ResponseWriter, *http.Request) { abort() }, 0},
		"silent before headers": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, 0},
		"silent behind headers": {streamed("", func() { time.Sleep(time.Second) }), 200},
		"cut behind headers":    {streamed("", abort), 200},
		"empty stream":          {streamed(""), 200},
		"begins with an error":  {streamed("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no\"}}\n\n"), 200},
	} {
		t.Run(name, func(t *testing.T) {
			var sent string
			w := newWorld(t, nil, twoBackends(t, c.first))
			w.model = func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent = string(body)
				streamed(answer)(rw, r)
			}
			res, text := w.post("/v1/messages", ask)
			if res.StatusCode != http.StatusOK || text != answer {
				t.Fatalf("%d %q", res.StatusCode, text)
			}
			if want := strings.Replace(ask, "claude-opus-5-5", "model-two", 1); sent != want {
				t.Errorf("sent %q", sent)
			}
			out := w.outcome()
			if out.Status != gateway.Completed || out.Attempts != 2 || out.Target != (gateway.Target{Backend: "second", Model: "model-two"}) {
				t.Errorf("%+v", out)
			}
			if in := w.intents[0]; in.Target != (gateway.Target{Backend: "first", Model: "model-one"}) || plain(t, in.Body) != ask {
				t.Errorf("%+v", in)
			}
			if len(w.attempts) != 1 || w.attempts[0].N != 2 || w.attempts[0].Target != out.Target || w.attempts[0].Status != c.status || w.attempts[0].Reason == "" {
				t.Errorf("attempts %+v", w.attempts)
			}
			if res.Header.Get("X-Gateway-Model-Routed") != "model-two" || res.Header.Get("X-Gateway-Attempts") != "2" {
				t.Errorf("%v", res.Header)
			}
			if out.Charge.Requests != 1 || w.used.Requests != 1 {
				t.Errorf("charged %+v, %+v used", out.Charge, w.used)
			}
		})
	}
}

func TestWhatAnotherTargetCannotMendIsNotTriedThere(t *testing.T) {
	for _, status := range []int{400, 403, 404, 413, 422} {
		w := newWorld(t, streamed(answer), twoBackends(t, refusing(status)))
		res, text := w.post("/v1/messages", ask)
		if res.StatusCode != status || !strings.Contains(text, fmt.Sprintf(`"message":"status %d"`, status)) {
			t.Errorf("%d %q", res.StatusCode, text)
		}
		if out := w.outcome(); out.Attempts != 1 || out.Charge.Requests != 0 || w.sent() != 0 {
			t.Errorf("%d: %+v", status, out)
		}
	}
}

func TestAfterTheFirstByteThereIsNoOtherTarget(t *testing.T) {
	begun := strings.TrimSuffix(answer, finalEvent)
	w := newWorld(t, streamed(answer), twoBackends(t, streamed(begun, abort)))
	_, text := w.post("/v1/messages", ask)
	if !strings.HasPrefix(text, begun) || !strings.Contains(text[len(begun):], "event: error") {
		t.Errorf("%q", text)
	}
	if out := w.outcome(); out.Status != gateway.Failed || out.Attempts != 1 || w.sent() != 0 {
		t.Errorf("%+v", out)
	}
}

func TestABackendThatBeginsEveryAnswerAndEndsNoneIsLeftAlone(t *testing.T) {
	begun := strings.TrimSuffix(answer, finalEvent)
	w := newWorld(t, streamed(answer), twoBackends(t, streamed(begun, abort)))
	broken := 0
	for range 10 {
		if _, text := w.post("/v1/messages", ask); text != answer {
			broken++
		}
		<-w.ended
	}
	if broken != 5 {
		t.Errorf("%d answers broke off before the backend was left alone, want 5", broken)
	}
}

func TestTheLastTargetsErrorIsTheClients(t *testing.T) {
	w := newWorld(t, refusing(503, "Retry-After", "7"), twoBackends(t, refusing(529)))
	res, text := w.post("/v1/messages", ask)
	if res.StatusCode != 503 || !strings.Contains(text, "status 503") || res.Header.Get("Retry-After") != "7" {
		t.Errorf("%d %q %v", res.StatusCode, text, res.Header)
	}
	out := w.outcome()
	if out.Status != gateway.Failed || out.Attempts != 2 || out.HTTPStatus != 503 || out.Charge.Requests != 0 || out.Target.Backend != "second" {
		t.Errorf("%+v", out)
	}
}

func TestAttemptsGoRoundAndHonourRetryAfter(t *testing.T) {
	calls := 0
	again := func(cfg *config.Config) { cfg.Tiers["enterprise"].Routes[0].Attempts = 4 }
	w := newWorld(t, nil, twoBackends(t, refusing(529), again))
	w.model = func(rw http.ResponseWriter, r *http.Request) {
		if calls++; calls == 1 {
			refusing(429, "Retry-After", "0.2")(rw, r)
			return
		}
		streamed(answer)(rw, r)
	}
	begin := time.Now()
	if res, text := w.post("/v1/messages", ask); res.StatusCode != http.StatusOK || text != answer {
		t.Fatalf("%d %q", res.StatusCode, text)
	}
	if waited := time.Since(begin); waited < 200*time.Millisecond {
		t.Errorf("came back after %s", waited)
	}
	if out := w.outcome(); out.Attempts < 3 || len(w.attempts) != out.Attempts-1 {
		t.Errorf("%+v, attempts %+v", out, w.attempts)
	}
}

func TestAnAttemptThatCannotBePutOnRecordIsNotMade(t *testing.T) {
	w := newWorld(t, streamed(answer), twoBackends(t, refusing(529)))
	w.attemptErr = errors.New("no database")
	if res, text := w.post("/v1/messages", ask); res.StatusCode != 529 || !strings.Contains(text, "status 529") {
		t.Errorf("%d %q", res.StatusCode, text)
	}
	if out := w.outcome(); out.Attempts != 1 || out.Target.Backend != "first" || w.sent() != 0 {
		t.Errorf("%+v", out)
	}
}

func TestABackendThatIsFullIsPassedOver(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	w := newWorld(t, streamed(answer), twoBackends(t, func(rw http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		streamed(answer)(rw, r)
	}, func(cfg *config.Config) {
		for i := range cfg.Backends {
			if cfg.Backends[i].Name == "first" {
				cfg.Backends[i].MaxConcurrent, cfg.Backends[i].QueueWait = 1, 10*time.Millisecond
			}
		}
		cfg.Upstream.FirstByteTimeout = time.Minute
	}))
	done := make(chan string)
	go func() { _, text := w.post("/v1/messages", ask); done <- text }()
	<-entered
	if res, text := w.post("/v1/messages", ask); text != answer || res.Header.Get("X-Gateway-Model-Routed") != "model-two" {
		t.Errorf("%q %v", text, res.Header)
	}
	close(release)
	if text := <-done; text != answer {
		t.Errorf("%q", text)
	}
	<-w.ended
	<-w.ended
}

func TestASessionStaysWithItsTarget(t *testing.T) {
	weighted := func(cfg *config.Config) {
		for i := range cfg.Tiers["enterprise"].Routes[0].Targets {
			cfg.Tiers["enterprise"].Routes[0].Targets[i].Weight = 50
		}
	}
	w := newWorld(t, streamed(answer), twoBackends(t, streamed(answer), weighted))
	places := map[string]bool{}
	for session := range 8 {
		var place string
		for range 3 {
			res, _ := w.post("/v1/messages", ask, "X-Claude-Code-Session-Id", fmt.Sprintf("session-%d", session))
			now := res.Header.Get("X-Gateway-Model-Routed")
			if place != "" && place != now {
				t.Errorf("session %d moved from %s to %s", session, place, now)
			}
			place = now
			<-w.ended
		}
		places[place] = true
	}
	if len(places) != 2 {
		t.Errorf("all sessions went to %v", places)
	}
}

// A backend may answer before it has read the request. What is sent to the next one is then made in memory of its own:
// the race detector sees it if not.
func TestTheNextAttemptDoesNotTouchWhatTheLastIsStillSending(t *testing.T) {
	long := strings.Replace(ask, `"hi"`, `"`+strings.Repeat("words ", 2<<20)+`"`, 1)
	early := func(rw http.ResponseWriter, _ *http.Request) { refusing529(rw) }
	var sent string
	w := newWorld(t, nil, twoBackends(t, early))
	w.model = func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		streamed(answer)(rw, r)
	}
	if res, text := w.post("/v1/messages", long); res.StatusCode != http.StatusOK || text != answer {
		t.Fatalf("%d %q", res.StatusCode, text)
	}
	if sent != strings.Replace(long, "claude-opus-5-5", "model-two", 1) {
		t.Errorf("the second backend was sent %d bytes of something else", len(sent))
	}
}

// refusing529 answers at once, without reading the request.
func refusing529(rw http.ResponseWriter) {
	rw.WriteHeader(529)
	_, _ = io.WriteString(rw, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)
	_ = http.NewResponseController(rw).Flush()
}
