package adapter

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	rewrite(t, path, text)
	return path
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadyMeansThatThereIsACredential(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for _, setting := range []string{"ANTHROPIC_OAUTH_TOKEN_FILE", "OPENAI_TOKEN_FILE"} {
		backend := gateway.Anthropic
		if setting == "OPENAI_TOKEN_FILE" {
			backend = gateway.OpenAI
		}
		upstream := newService(t, replay(t, string(backend)+"_text.json"))
		env := environment(backend, upstream.URL)
		env[setting] = path
		base := start(t, env)
		for _, step := range []struct{ text, reason string }{
			{"", "the file of " + setting + " cannot be read"}, {" \n", "the file of " + setting + " is empty"}, {"one\n", ""}, {"two", ""},
		} {
			if _ = os.Remove(path); step.text != "" {
				rewrite(t, path, step.text)
			}
			res, body := get(t, base+"/readyz")
			if (res.StatusCode == http.StatusOK) != (step.reason == "") || gjson.Get(body, "reason").Str != step.reason {
				t.Errorf("%s is %q: %d %s", setting, step.text, res.StatusCode, body)
			}
			res, body = post(t, base+endpoint(backend), prompt(backend, "served", false, false))
			if step.reason != "" {
				if res.StatusCode != http.StatusServiceUnavailable || kind(backend, body) == "" {
					t.Errorf("%s is %q: a request is answered %d %s", setting, step.text, res.StatusCode, body)
				}
				continue
			}
			if got := upstream.last(t).header.Get("Authorization"); res.StatusCode != http.StatusOK || got != "Bearer "+strings.TrimSpace(step.text) {
				t.Errorf("%s is %q: the backend was called with %q", setting, step.text, got)
			}
		}
	}
	res, body := get(t, start(t, map[string]string{})+"/readyz")
	if res.StatusCode != http.StatusServiceUnavailable || body != `{"status":"not ready","reason":"ANTHROPIC_OAUTH_TOKEN is not set"}` {
		t.Errorf("without any token: %d %s", res.StatusCode, body)
	}
	res, body = get(t, start(t, environment(gateway.OpenAI, "http://127.0.0.1:1"))+"/readyz")
	if res.StatusCode != http.StatusOK || body != `{"status":"ready"}` {
		t.Errorf("a backend without a token: %d %s", res.StatusCode, body)
	}
}

func TestAnAPIKeyIsIgnoredWithOneWarning(t *testing.T) {
	upstream := newService(t, replay(t, "anthropic_text.json"))
	env := environment(gateway.Anthropic, upstream.URL)
	env["ANTHROPIC_API_KEY"] = "sk-ant-api-secret"
	a, log := newAdapter(t, env)
	w := newRecorder()
	a.Handler().ServeHTTP(w, newRequest(t, "/v1/messages", prompt(gateway.Anthropic, "served", false, false)))
	if got := log.String(); strings.Count(got, "ANTHROPIC_API_KEY") != 1 || strings.Count(got, "level=WARN") != 1 {
		t.Errorf("the log is %s", got)
	}
	if got := log.String() + w.Body.String() + upstream.last(t).body; strings.Contains(got, "sk-ant-api-secret") {
		t.Errorf("the key is told: %s", got)
	}
	if got := upstream.last(t).header; got.Get("Authorization") != "Bearer "+token || got.Get("X-Api-Key") != "" {
		t.Errorf("the backend was called with %v", got)
	}
	env["ANTHROPIC_API_KEY"] = ""
	if _, log := newAdapter(t, env); strings.Contains(log.String(), "ANTHROPIC_API_KEY") {
		t.Errorf("a warning without a reason: %s", log)
	}
}

func TestTheListOfModelsIsThatOfTheMap(t *testing.T) {
	env := environment(gateway.OpenAI, "http://127.0.0.1:1")
	env["MODEL_MAP_FILE"] = write(t, "models.yaml", "claude-*: org/llama\ngpt-4o: org/llama\nsmall: tiny\n")
	base := start(t, env)
	want := []string{"gpt-4o", "org/llama", "small", "tiny"}
	for _, d := range dialects() {
		version := ""
		if d == gateway.Anthropic {
			version = "2023-06-01"
		}
		res, body := get(t, base+"/v1/models?limit=1", "Anthropic-Version", version)
		var got []string
		for _, id := range gjson.Get(body, "data.#.id").Array() {
			got = append(got, id.Str)
		}
		if res.StatusCode != http.StatusOK || !slices.Equal(got, want) {
			t.Errorf("%s: %d %s", d, res.StatusCode, body)
		}
		shape := gjson.GetMany(body, "object", "has_more", "first_id", "last_id", "data.0.type", "data.0.object")
		if d == gateway.OpenAI && (shape[0].Str != "list" || shape[5].Str != "model") ||
			d == gateway.Anthropic && (shape[1].Raw != "false" || shape[2].Str != "gpt-4o" || shape[3].Str != "tiny" || shape[4].Str != "model") {
			t.Errorf("%s: %s", d, body)
		}
		for _, id := range []string{"small", "org/llama", "claude-any"} {
			res, body := get(t, base+"/v1/models/"+id, "Anthropic-Version", version)
			if res.StatusCode != http.StatusOK || gjson.Get(body, "id").Str != id || gjson.Get(body, "display_name").Exists() != (d == gateway.Anthropic) {
				t.Errorf("%s: %s: %d %s", d, id, res.StatusCode, body)
			}
		}
	}
}

func TestTheMetricsHaveTheirNamesAndFewLabels(t *testing.T) {
	upstream := newService(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") == "odd" {
			w.WriteHeader(599)
			return
		}
		replay(t, "anthropic_text.sse")(w, r)
	})
	base := start(t, environment(gateway.Anthropic, upstream.URL))
	post(t, base+"/v1/chat/completions", prompt(gateway.OpenAI, "gpt-4", true, false))
	post(t, base+"/v1/v1/messages?beta=true", prompt(gateway.Anthropic, "claude-x", true, false))
	post(t, base+"/v1/messages", prompt(gateway.Anthropic, "claude-x", true, false), "User-Agent", "odd")
	get(t, base+"/v1/models/gpt-4")
	get(t, base+"/a/path/of/somebody")
	for _, path := range []string{"/", "/api/hello"} {
		if res, _ := do(t, http.MethodHead, base+path, ""); res.StatusCode != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, res.StatusCode)
		}
	}
	_, body := get(t, base+"/metrics")
	for _, want := range []string{
		`adapter_requests_total{path="/v1/chat/completions",status="200"} 1`,
		`adapter_requests_total{path="/v1/messages",status="200"} 1`,
		`adapter_requests_total{path="/v1/messages",status="other"} 1`,
		`adapter_requests_total{path="/v1/models/{id...}",status="200"} 1`,
		`adapter_requests_total{path="other",status="404"} 1`,
		`adapter_request_duration_seconds_count{path="/v1/chat/completions"} 1`,
		`adapter_stream_duration_seconds_count{end="complete",path="/v1/chat/completions"} 1`,
		`adapter_stream_duration_seconds_count{end="complete",path="/v1/messages"} 1`,
		`adapter_backend_errors_total{reason="server_error"} 1`,
		`adapter_model_map_refused 0`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	if strings.Contains(body, "somebody") {
		t.Error("a path that a caller made up is a label")
	}
}

func TestADrainLetsRunningStreamsEnd(t *testing.T) {
	for _, client := range dialects() {
		goOn := make(chan struct{})
		upstream := newService(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			first, rest, _ := strings.Cut(string(file(t, "anthropic_text.sse")), "\n\n")
			_, _ = io.WriteString(w, first+"\n\n")
			_ = http.NewResponseController(w).Flush()
			<-goOn
			_, _ = io.WriteString(w, rest)
		})
		env := environment(gateway.Anthropic, upstream.URL)
		env["DRAIN_DELAY"] = "300ms"
		a, _ := newAdapter(t, env)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		base := "http://" + listener.Addr().String()
		ctx, terminate := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.serve(ctx, listener) }()

		res := open(t.Context(), t, base, client)
		terminate()
		eventually(t, func() error {
			if res, body := get(t, base+"/readyz"); res.StatusCode != http.StatusServiceUnavailable || gjson.Get(body, "reason").Str != "draining" {
				return errors.New("ready while it drains")
			}
			return nil
		})
		eventually(t, func() error {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
			if err != nil {
				return nil
			}
			return errors.Join(errors.New("new connections are taken still"), conn.Close())
		})
		select {
		case err := <-ended:
			t.Fatalf("the adapter did not wait: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		close(goOn)
		body, err := io.ReadAll(res.Body)
		if got := understand(t, client, true, string(body)); err != nil || !got.complete || got.failure != "" {
			t.Errorf("%s client: %+v, %v", client, got, err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
