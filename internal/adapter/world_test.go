package adapter

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/sse"
)

// service is a backend under the test's control. It notes what it was sent.
type service struct {
	*httptest.Server

	mu   sync.Mutex
	seen []request
}

type request struct {
	path, query string
	header      http.Header
	body        string
}

func newService(t *testing.T, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the backend could not read the request: %v", err)
		}
		s.mu.Lock()
		s.seen = append(s.seen, request{r.URL.Path, r.URL.RawQuery, r.Header.Clone(), string(body)})
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// last is the request that came last.
func (s *service) last(t *testing.T) request {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		t.Fatal("the backend was sent nothing")
	}
	return s.seen[len(s.seen)-1]
}

// replay answers with a file of testdata: a .sse event by event, a .json as a whole.
func replay(t *testing.T, name string) http.HandlerFunc {
	t.Helper()
	text := file(t, name)
	return func(w http.ResponseWriter, _ *http.Request) {
		if strings.HasSuffix(name, ".json") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(text)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for event := range bytes.SplitAfterSeq(text, []byte("\n\n")) {
			_, _ = w.Write(event)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const token = "sk-ant-oat-operator"

// environment is that of an adapter in front of a backend.
func environment(backend gateway.Dialect, url string) map[string]string {
	return map[string]string{
		"BACKEND_TYPE": string(backend), "ANTHROPIC_BASE_URL": url, "OPENAI_BASE_URL": url + "/v1", "ANTHROPIC_OAUTH_TOKEN": token,
		"DRAIN_DELAY": "1ms",
	}
}

// newAdapter makes an adapter of an environment, and the log it writes.
func newAdapter(t *testing.T, env map[string]string) (*Adapter, *lines) {
	t.Helper()
	cfg, _, err := Settings(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	a, err := New(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return a, log
}

// start serves an adapter and returns its address.
func start(t *testing.T, env map[string]string) string {
	t.Helper()
	a, _ := newAdapter(t, env)
	server := httptest.NewServer(a.Handler())
	t.Cleanup(server.Close)
	return server.URL
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// post sends a body and reads the whole answer.
func post(t *testing.T, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	return do(t, http.MethodPost, url, body, header...)
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	return do(t, http.MethodGet, url, "", header...)
}

func do(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("the answer broke off after %q: %v", text, err)
	}
	return res, string(text)
}

// said is what a client makes of an answer.
type said struct {
	text, tool, arguments, stop string
	complete                    bool
	failure                     string // the message of an error
}

// understand reads an answer as a client of the dialect does.
func understand(t *testing.T, d gateway.Dialect, streamed bool, body string) said {
	t.Helper()
	if !streamed {
		return understandWhole(d, body)
	}
	var got said
	var events sse.Decoder
	for event, err := range events.Feed([]byte(body)) {
		if err != nil {
			t.Fatal(err)
		}
		if d == gateway.Anthropic {
			got.anthropicEvent(event)
		} else {
			got.openAIChunk(event)
		}
	}
	if events.Pending() && got.failure == "" {
		got.failure = "the stream ends in the midst of an event"
	}
	return got
}

func understandWhole(d gateway.Dialect, body string) said {
	answer := gjson.Parse(body)
	got := said{complete: gjson.Valid(body), failure: answer.Get("error.message").String()}
	if d == gateway.OpenAI {
		choice := answer.Get("choices.0")
		got.text, got.stop = choice.Get("message.content").String(), choice.Get("finish_reason").String()
		got.tool, got.arguments = choice.Get("message.tool_calls.0.function.name").String(), choice.Get("message.tool_calls.0.function.arguments").String()
		return got
	}
	block := answer.Get("content.0")
	got.text, got.stop = block.Get("text").String(), answer.Get("stop_reason").String()
	got.tool, got.arguments = block.Get("name").String(), block.Get("input").Raw
	return got
}

func (s *said) anthropicEvent(event sse.Event) {
	if event.Name == "error" || !gjson.ValidBytes(event.Data) {
		s.failure = "error: " + gjson.GetBytes(event.Data, "error.message").String()
		return
	}
	data := gjson.ParseBytes(event.Data)
	s.text += data.Get("delta.text").String()
	s.arguments += data.Get("delta.partial_json").String()
	s.tool += data.Get("content_block.name").String()
	s.stop += data.Get("delta.stop_reason").String()
	s.complete = s.complete || event.Name == "message_stop"
}

func (s *said) openAIChunk(event sse.Event) {
	if strings.HasPrefix(string(event.Data), "[DONE]") {
		s.complete = true
		return
	}
	data := gjson.ParseBytes(event.Data)
	if data.Get("error").Exists() || !gjson.ValidBytes(event.Data) {
		s.failure = "error: " + data.Get("error.message").String()
		return
	}
	delta := data.Get("choices.0.delta")
	s.text += delta.Get("content").String()
	s.tool += delta.Get("tool_calls.0.function.name").String()
	s.arguments += delta.Get("tool_calls.0.function.arguments").String()
	s.stop += data.Get("choices.0.finish_reason").String()
}
