package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// speaking makes the world's model a backend of these dialects for everything.
func speaking(dialects ...string) func(*config.Config, *world) {
	return func(cfg *config.Config, w *world) {
		cfg.Backends = append(cfg.Backends, config.Backend{
			Name: "only", Dialects: dialects, BaseURL: w.upstream.URL, Auth: config.Auth{Mode: config.AuthOperator}, MaxTokens: 512,
		})
		cfg.Tiers["enterprise"] = config.Tier{RequestsPerDay: -1, TokensPerDay: -1, Routes: []config.Route{{Match: "*", Backend: "only"}}}
	}
}

const (
	chatAsk    = `{"model":"gpt-x","messages":[{"role":"user","content":"hi"}],"stream":true}`
	chatAnswer = `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[{"index":0,"delta":{"content":"Hello there"},"finish_reason":null}]}

data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

`
	chatUsage = `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27}}

`
	chatEnd = "data: [DONE]\n\n"
)

// messageAnswer is answer with every event that the Messages API sends.
const messageAnswer = "event: message_start\n" +
	`data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":25,"cache_read_input_tokens":4,"output_tokens":1}}}` + "\n\n" +
	"event: content_block_start\n" +
	`data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
	"event: content_block_delta\n" +
	`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello there"}}` + "\n\n" +
	"event: content_block_stop\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n" +
	"event: message_delta\n" +
	`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}` + "\n\n" +
	finalEvent

func TestAnOpenAIStreamPassesUnchangedButForTheUsageNobodyAskedFor(t *testing.T) {
	for name, c := range map[string]struct{ ask, want string }{
		"not asked for": {chatAsk, chatAnswer + chatEnd},
		"asked for":     {strings.Replace(chatAsk, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1), chatAnswer + chatUsage + chatEnd},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []byte
			var path string
			w := newWorld(t, nil, speaking("openai"))
			w.model = func(rw http.ResponseWriter, r *http.Request) {
				sent, _ = io.ReadAll(r.Body)
				path = r.URL.Path
				streamed(chatAnswer+chatUsage+chatEnd)(rw, r)
			}
			res, text := w.post("/v1/chat/completions", c.ask, "Anthropic-Version", "")
			if res.StatusCode != http.StatusOK || text != c.want {
				t.Errorf("%d %q", res.StatusCode, text)
			}
			if path != "/v1/chat/completions" || !gjson.GetBytes(sent, "stream_options.include_usage").Bool() {
				t.Errorf("%s was sent %s", path, sent)
			}
			out := w.outcome()
			if want := (gateway.Usage{Input: 20, Output: 7}); out.Usage != want || out.Status != gateway.Completed || out.StopReason != "stop" {
				t.Errorf("%+v", out)
			}
			if in := w.intents[0]; plain(t, in.Body) != c.ask || in.Endpoint != gateway.Chat || in.Dialect != gateway.OpenAI {
				t.Errorf("%+v", in)
			}
		})
	}
}

func TestStreamOptionsThatAreNoneAreNotMended(t *testing.T) {
	for _, options := range []string{`"x"`, `[]`, `1`} {
		w := newWorld(t, streamed(chatAnswer+chatUsage+chatEnd), speaking("openai"))
		res, text := w.post("/v1/chat/completions", strings.Replace(chatAsk, `"stream":true`, `"stream":true,"stream_options":`+options, 1), "Anthropic-Version", "")
		if res.StatusCode != 400 || !strings.Contains(gjson.Get(text, "error.message").String(), "stream_options") {
			t.Errorf("%s: %d %s", options, res.StatusCode, text)
		}
		w.nothingHappened()
	}
}

func TestABrokenOpenAIStreamNeverEndsCleanly(t *testing.T) {
	for name, model := range map[string]http.HandlerFunc{
		"cut between events": streamed(chatAnswer, abort),
		"cut in an event":    streamed(chatAnswer[:len(chatAnswer)-20], abort),
		"ends without DONE":  streamed(chatAnswer + chatUsage),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, model, speaking("openai"))
			_, text := w.post("/v1/chat/completions", chatAsk, "Anthropic-Version", "")
			events := strings.Split(strings.TrimSpace(text), "\n\n")
			last := strings.TrimPrefix(events[len(events)-1], "data: ")
			if strings.Contains(text, "[DONE]") || gjson.Get(last, "error.message").String() == "" {
				t.Errorf("%q", text)
			}
			if out := w.outcome(); out.Status != gateway.Failed || out.Charge.Requests != 1 {
				t.Errorf("%+v", out)
			}
		})
	}
}

func TestAnErrorInAnOpenAIStreamIsTheLastThatItsClientReads(t *testing.T) {
	failing := chatAnswer + "data: {\"error\":{\"message\":\"the model fell over\",\"type\":\"server_error\"}}\n\n"
	w := newWorld(t, streamed(failing+chatEnd), speaking("openai"))
	_, text := w.post("/v1/chat/completions", chatAsk, "Anthropic-Version", "")
	if text != failing {
		t.Errorf("%q", text)
	}
	if out := w.outcome(); out.Status != gateway.Failed || !strings.Contains(out.Error, "server_error") {
		t.Errorf("%+v", out)
	}
}

func TestAClientOfEitherDialectReachesABackendOfTheOther(t *testing.T) {
	t.Run("Anthropic client", func(t *testing.T) {
		w := newWorld(t, streamed(chatAnswer+chatUsage+chatEnd), speaking("openai"))
		res, text := w.post("/v1/messages", ask)
		if res.StatusCode != http.StatusOK || !strings.HasSuffix(text, finalEvent) || !strings.Contains(text, `"text":"Hello there"`) || !strings.Contains(text, `"output_tokens":7`) {
			t.Errorf("%d %s", res.StatusCode, text)
		}
		if out := w.outcome(); out.Usage != (gateway.Usage{Input: 20, Output: 7}) || out.StopReason != "stop" || plain(t, out.Body) != chatAnswer+chatUsage+chatEnd {
			t.Errorf("%+v", out)
		}
	})
	t.Run("OpenAI client", func(t *testing.T) {
		w := newWorld(t, streamed(messageAnswer), speaking("anthropic"))
		res, text := w.post("/v1/chat/completions", chatAsk, "Anthropic-Version", "")
		if res.StatusCode != http.StatusOK || !strings.HasSuffix(text, chatEnd) || !strings.Contains(text, "Hello there") {
			t.Errorf("%d %s", res.StatusCode, text)
		}
		if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") {
			t.Errorf("content type %s", ct)
		}
		if out := w.outcome(); out.Usage != (gateway.Usage{Input: 25, Output: 15, CacheRead: 4}) || out.StopReason != "end_turn" {
			t.Errorf("%+v", out)
		}
	})
}

// The outcome is on record before a translated stream is completed, too.
func TestATranslatedEndWaitsForTheOutcome(t *testing.T) {
	w := newWorld(t, streamed(chatAnswer+chatUsage+chatEnd), speaking("openai"))
	release := make(chan struct{})
	w.finish = func(*gateway.Outcome) error { <-release; return nil }
	res := w.do(w.request(http.MethodPost, "/v1/messages", ask))
	got := make(chan string, 100)
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := res.Body.Read(buf)
			got <- string(buf[:n])
			if err != nil {
				close(got)
				return
			}
		}
	}()
	var before strings.Builder
	for deadline := time.After(300 * time.Millisecond); ; {
		select {
		case part := <-got:
			before.WriteString(part)
			continue
		case <-deadline:
		}
		break
	}
	if !strings.Contains(before.String(), "Hello there") || strings.Contains(before.String(), "message_stop") {
		t.Errorf("before the outcome was on record: %s", before.String())
	}
	close(release)
	for part := range got {
		before.WriteString(part)
	}
	if !strings.HasSuffix(before.String(), finalEvent) {
		t.Errorf("%s", before.String())
	}
}

func TestABrokenTranslatedStreamEndsWithAnErrorOfTheClientsDialect(t *testing.T) {
	for name, c := range map[string]struct {
		path, ask, speaks string
		model             http.HandlerFunc
		want, never       string
	}{
		"Anthropic client, cut":         {"/v1/messages", ask, "openai", streamed(chatAnswer, abort), "event: error", "message_stop"},
		"Anthropic client, error":       {"/v1/messages", ask, "openai", streamed(chatAnswer + "data: {\"error\":{\"message\":\"the model fell over\"}}\n\n"), "the model fell over", "message_stop"},
		"Anthropic client, no DONE":     {"/v1/messages", ask, "openai", streamed(chatAnswer + chatUsage), "event: error", "message_stop"},
		"OpenAI client, cut":            {"/v1/chat/completions", chatAsk, "anthropic", streamed(strings.TrimSuffix(messageAnswer, finalEvent), abort), `data: {"error":`, "[DONE]"},
		"OpenAI client, error":          {"/v1/chat/completions", chatAsk, "anthropic", streamed(strings.TrimSuffix(messageAnswer, finalEvent) + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"too much\"}}\n\n"), "too much", "[DONE]"},
		"OpenAI client, garbage":        {"/v1/chat/completions", chatAsk, "anthropic", streamed("event: message_start\ndata: {no json\n\n", abort), `"error"`, "[DONE]"},
		"OpenAI client, no message end": {"/v1/chat/completions", chatAsk, "anthropic", streamed(strings.TrimSuffix(messageAnswer, finalEvent)), `data: {"error":`, "[DONE]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.model, speaking(c.speaks))
			_, text := w.post(c.path, c.ask)
			if !strings.Contains(text, c.want) || strings.Contains(text, c.never) {
				t.Errorf("%s", text)
			}
			if out := w.outcome(); out.Status != gateway.Failed {
				t.Errorf("%+v", out)
			}
		})
	}
}

func TestABackendsErrorIsToldInTheClientsDialect(t *testing.T) {
	w := newWorld(t, refusing(400), speaking("anthropic"))
	res, text := w.post("/v1/chat/completions", chatAsk, "Anthropic-Version", "")
	if res.StatusCode != 400 || gjson.Get(text, "error.message").String() != "status 400" || gjson.Get(text, "type").Exists() {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	w = newWorld(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(400)
		_, _ = io.WriteString(rw, `{"error":{"message":"no such thing","type":"invalid_request_error","param":null,"code":null}}`)
	}, speaking("openai"))
	res, text = w.post("/v1/messages", ask)
	if res.StatusCode != 400 || gjson.Get(text, "type").String() != "error" || gjson.Get(text, "error.message").String() != "no such thing" {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

func TestWhatCannotBeTranslatedIsRefusedBeforeItIsOnRecord(t *testing.T) {
	w := newWorld(t, streamed(answer), speaking("anthropic"))
	res, text := w.post("/v1/chat/completions", `{"model":"m","n":3,"messages":[{"role":"user","content":"hi"}]}`, "Anthropic-Version", "")
	if res.StatusCode != 400 || !strings.Contains(gjson.Get(text, "error.message").String(), "n") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	w.nothingHappened()
}

// A target that speaks the client's dialect takes what the one before it cannot.
func TestATargetThatCannotTakeTheRequestIsPassedOver(t *testing.T) {
	w := newWorld(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	}, func(cfg *config.Config, w *world) {
		speaking("openai")(cfg, w)
		cfg.Tiers["enterprise"].Routes[0] = config.Route{Match: "*", Targets: []config.Target{{Backend: "anthropic"}, {Backend: "only"}}}
	})
	res, text := w.post("/v1/chat/completions", `{"model":"m","n":3,"messages":[{"role":"user","content":"hi"}]}`, "Anthropic-Version", "")
	if res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if out := w.outcome(); out.Target.Backend != "only" || out.Attempts != 1 || len(w.attempts) != 0 {
		t.Errorf("%+v", out)
	}
}

func TestTokensAreCountedHereWhereNoBackendDoes(t *testing.T) {
	w := newWorld(t, streamed(answer), speaking("openai"))
	res, text := w.post("/v1/messages/count_tokens", `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	if res.StatusCode != 200 || gjson.Get(text, "input_tokens").Int() < 1 {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	w.nothingHappened()
}

func TestResponsesAndEmbeddingsPassThrough(t *testing.T) {
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, `{"path":"`+r.URL.Path+`","usage":{"prompt_tokens":8,"total_tokens":8}}`)
	}, speaking("openai"))
	for _, path := range []string{"/v1/embeddings", "/v1/responses"} {
		res, text := w.post(path, `{"model":"m","input":"hi"}`, "Anthropic-Version", "")
		if res.StatusCode != 200 || gjson.Get(text, "path").String() != path {
			t.Errorf("%d %s", res.StatusCode, text)
		}
		<-w.ended
	}
	w = newWorld(t, streamed(answer), speaking("anthropic"))
	res, text := w.post("/v1/responses", `{"model":"m","input":"hi"}`, "Anthropic-Version", "")
	if res.StatusCode != 404 || !strings.Contains(gjson.Get(text, "error.message").String(), "/v1/chat/completions") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	w.nothingHappened()
}

func TestAModelIsFoundByItsNameAndItsAlias(t *testing.T) {
	w := newWorld(t, streamed(answer))
	for _, id := range []string{"internal", "claude--internal"} {
		var m map[string]any
		if status := w.get("/v1/models/"+id, &m); status != 200 || m["id"] != "claude--internal" || m["type"] != "model" {
			t.Errorf("%s: %d %v", id, status, m)
		}
		m = nil
		if status := w.get("/v1/models/"+id, &m, "Anthropic-Version", ""); status != 200 || m["id"] != "internal" || m["object"] != "model" {
			t.Errorf("%s: %d %v", id, status, m)
		}
	}
	var refusal json.RawMessage
	if status := w.get("/v1/models/nobody", &refusal); status != 404 || gjson.GetBytes(refusal, "error.type").String() != "not_found_error" {
		t.Errorf("%d %s", status, refusal)
	}
	res, _ := w.post("/v1/messages", strings.Replace(ask, "claude-opus-5-5", "claude--internal", 1))
	if out := w.outcome(); res.Header.Get("X-Gateway-Model-Routed") != "internal" || out.Target.Backend != "internal" || w.intents[0].ModelRequested != "claude--internal" {
		t.Errorf("%v %+v", res.Header, out)
	}
}

func TestACallersOwnLoginGoesToTheBackendThatWantsIt(t *testing.T) {
	var got http.Header
	w := newWorld(t, nil, func(cfg *config.Config, w *world) {
		speaking("anthropic")(cfg, w)
		cfg.Backends[len(cfg.Backends)-1].Auth.Mode = config.AuthCaller
	})
	w.model = func(rw http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		streamed(answer)(rw, r)
	}
	res, _ := w.post("/v1/messages", ask, "X-Gateway-Token", "tok-enterprise", "Authorization", "Bearer claude-login")
	if res.StatusCode != 200 || got.Get("Authorization") != "Bearer claude-login" || got.Get("X-Gateway-Token") != "" {
		t.Errorf("%d %v", res.StatusCode, got)
	}
	<-w.ended
	res, text := w.post("/v1/messages", ask)
	if res.StatusCode != 401 || !strings.Contains(text, "X-Gateway-Token") || strings.Contains(text, "x-api-key") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	<-w.ended
	if out := w.outcomes[1]; out.Status != gateway.Failed || out.Charge.Requests != 0 {
		t.Errorf("%+v", out)
	}
}

// An SDK that is told so sends the whole conversation instead.
func TestAThreadIsRefusedWhereNobodyKeepsIt(t *testing.T) {
	threaded := `{"model":"m","max_tokens":9,"thread":{"type":"continue","previous_message_id":"msg_1"},"messages":[{"role":"user","content":"and?"}]}`
	keepsNone := false
	for name, change := range map[string]func(*config.Config, *world){
		"other dialect": speaking("openai"),
		"same dialect": func(cfg *config.Config, w *world) {
			speaking("anthropic")(cfg, w)
			cfg.Backends[len(cfg.Backends)-1].Threads = &keepsNone
		},
	} {
		w := newWorld(t, streamed(answer), change)
		res, text := w.post("/v1/messages", threaded)
		if res.StatusCode != 400 || gjson.Get(text, "error.details.error_code").String() != "thread_unsupported_request" || gjson.Get(text, "error.details.unsupported.0").String() != "thread" {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
		}
		w.nothingHappened()
	}
	w := newWorld(t, streamed(answer), speaking("anthropic"))
	if res, text := w.post("/v1/messages", threaded); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

// Arguments that the client's own limit cut are no fault of the backend: no other would do better, and none is blamed.
func TestAnAnswerThatTheClientsLimitMadeUselessSaysSo(t *testing.T) {
	const cut = `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":9}}`
	w := newWorld(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, cut) }, func(cfg *config.Config, w *world) {
		speaking("openai")(cfg, w)
		cfg.Tiers["enterprise"].Routes[0] = config.Route{Match: "*", Targets: []config.Target{{Backend: "only"}, {Backend: "internal"}}}
	})
	for range 8 { // more than the failures after which a backend is left alone
		res, text := w.post("/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`)
		if res.StatusCode != http.StatusBadGateway || !strings.Contains(text, "max_tokens") || res.Header.Get("X-Should-Retry") != "false" {
			t.Fatalf("%d %v %s", res.StatusCode, res.Header, text)
		}
		<-w.ended
	}
	if w.sent() != 8 || w.service.Health.Ejected("only") {
		t.Errorf("sent %d times, left alone: %v", w.sent(), w.service.Health.Ejected("only"))
	}
}

func TestAnErrorInPlaceOfAWholeAnswerIsTold(t *testing.T) {
	w := newWorld(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, `{"error":{"message":"the model fell over","type":"server_error"}}`)
	}, speaking("openai"))
	res, text := w.post("/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`)
	if res.StatusCode != http.StatusBadGateway || gjson.Get(text, "error.message").String() != "the model fell over" {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if out := w.outcome(); out.Status != gateway.Failed || strings.Contains(out.Error, "fell over") {
		t.Errorf("%+v", out)
	}
}
