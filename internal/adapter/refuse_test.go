package adapter

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// kind is the type of an error in a dialect's envelope; "" if the body is not that envelope.
func kind(d gateway.Dialect, body string) string {
	outer := gjson.Get(body, "type").Str
	if outer == "error" != (d == gateway.Anthropic) {
		return ""
	}
	return gjson.Get(body, "error.type").Str
}

func TestTheBackendsErrorsReachTheClientInItsDialect(t *testing.T) {
	bodies := map[gateway.Dialect]string{
		gateway.Anthropic: `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"},"request_id":"req_1"}`,
		gateway.OpenAI:    `{"error": {"message":"prompt is too long: 9 tokens > 8 maximum","type":"invalid_request_error","param":null,"code":null}}`,
	}
	for _, backend := range dialects() {
		for _, status := range []int{400, 429, 500, 529} {
			upstream := newService(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(bodies[backend]))
			})
			base := start(t, environment(backend, upstream.URL))
			for _, client := range dialects() {
				for _, streamed := range []bool{false, true} {
					res, body := post(t, base+endpoint(client), prompt(client, "served", streamed, false))
					if res.StatusCode != status || res.Header.Get("Retry-After") != "3" || res.Header.Get("Content-Type") != "application/json" {
						t.Errorf("%s backend, %s client: %d, header %v", backend, client, res.StatusCode, res.Header)
					}
					if kind(client, body) == "" || gjson.Get(body, "error.message").Str != "prompt is too long: 9 tokens > 8 maximum" {
						t.Errorf("%s backend, %s client, %d: %s", backend, client, status, body)
					}
					if backend == client && body != bodies[backend] {
						t.Errorf("%s: the backend's words were changed to %s", client, body)
					}
				}
			}
		}
	}
}

func TestABetaThatTheBackendRefusesIsLeftOut(t *testing.T) {
	asked := 0
	upstream := newService(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if strings.Contains(r.Header.Get("Anthropic-Beta"), "new-2026-01-01") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte("{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Unexpected value(s) `new-2026-01-01` for the `anthropic-beta` header.\"}}"))
			return
		}
		_, _ = w.Write([]byte(`{"type":"message","content":[]}`))
	})
	base := start(t, environment(gateway.Anthropic, upstream.URL))
	for range 2 {
		res, body := post(t, base+"/v1/messages", prompt(gateway.Anthropic, "served", false, false), "Anthropic-Beta", "old-2025-01-01,new-2026-01-01")
		if res.StatusCode != http.StatusOK {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	}
	if asked != 3 {
		t.Errorf("the backend was asked %d times for two requests, want once more for the first", asked)
	}
}

func TestARefusedCredentialIsNotTakenForTheClients(t *testing.T) {
	upstream := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`))
	})
	base := start(t, environment(gateway.Anthropic, upstream.URL))
	for _, client := range dialects() {
		res, body := post(t, base+endpoint(client), prompt(client, "served", true, false))
		if res.StatusCode != http.StatusBadGateway || res.Header.Get("X-Should-Retry") != "false" || kind(client, body) == "" || strings.Contains(body, "x-api-key") {
			t.Errorf("%s client: %d %v %s", client, res.StatusCode, res.Header, body)
		}
	}
}

func TestTheAdaptersOwnErrorsAreInTheDialectOfTheEndpoint(t *testing.T) {
	upstream := newService(t, func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") })
	env := environment(gateway.Anthropic, upstream.URL)
	env["MAX_BODY"] = "2000"
	base := start(t, env)
	for _, c := range []struct {
		name, method, path, body string
		header                   string // of anthropic-version
		status                   int
		client                   gateway.Dialect
		kind                     string
	}{
		{"broken JSON", "POST", "/v1/messages", `{"model":`, "", 400, gateway.Anthropic, "invalid_request_error"},
		{"broken JSON", "POST", "/v1/chat/completions", `{"model":`, "", 400, gateway.OpenAI, "invalid_request_error"},
		{"no model", "POST", "/v1/messages", `{}`, "", 400, gateway.Anthropic, "invalid_request_error"},
		{"no model", "POST", "/v1/chat/completions", `{"model":""}`, "", 400, gateway.OpenAI, "invalid_request_error"},
		{"more than one answer", "POST", "/v1/chat/completions", `{"model":"m","n":2,"messages":[{"role":"user","content":"a"}]}`, "", 400, gateway.OpenAI, "invalid_request_error"},
		{"a large body", "POST", "/v1/messages", strings.Repeat(" ", 2001), "", 413, gateway.Anthropic, "request_too_large"},
		{"a large body", "POST", "/v1/chat/completions", strings.Repeat(" ", 2001), "", 413, gateway.OpenAI, "invalid_request_error"},
		{"another path", "GET", "/v1/other", ``, "", 404, gateway.OpenAI, "invalid_request_error"},
		{"another path", "GET", "/v1/other", ``, "2023-06-01", 404, gateway.Anthropic, "not_found_error"},
		{"another method", "GET", "/v1/messages", ``, "", 404, gateway.Anthropic, "not_found_error"},
		{"an unknown model", "GET", "/v1/models/none", ``, "", 404, gateway.OpenAI, "invalid_request_error"},
		{"an unknown model", "GET", "/v1/models/none", ``, "2023-06-01", 404, gateway.Anthropic, "not_found_error"},
	} {
		t.Run(fmt.Sprint(c.name, c.client), func(t *testing.T) {
			res, body := do(t, c.method, base+c.path, c.body, "Anthropic-Version", c.header)
			if res.StatusCode != c.status || kind(c.client, body) != c.kind {
				t.Errorf("%d %s", res.StatusCode, body)
			}
			if res.Header.Get("X-Should-Retry") != "false" || res.Header.Get("Request-Id") == "" {
				t.Errorf("the header is %v", res.Header)
			}
		})
	}
}

func TestABackendThatDoesNotAnswer(t *testing.T) {
	gone := newService(t, func(http.ResponseWriter, *http.Request) {})
	gone.Close()
	slow := newService(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cut := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"id":`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	stalled := newService(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"id":`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	garbage := newService(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	for _, c := range []struct {
		name    string
		backend *service
		status  int
		reason  string
	}{
		{"cannot be reached", gone, 502, "unreachable"},
		{"is silent", slow, 504, "timeout"},
		{"breaks off", cut, 502, "cut"},
		{"stalls", stalled, 504, "idle"},
		{"answers another thing", garbage, 502, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := environment(gateway.Anthropic, c.backend.URL)
			env["HEADER_TIMEOUT"], env["IDLE_TIMEOUT"] = "100ms", "100ms"
			base := start(t, env)
			res, body := post(t, base+"/v1/chat/completions", prompt(gateway.OpenAI, "served", false, false))
			if res.StatusCode != c.status || kind(gateway.OpenAI, body) != "server_error" {
				t.Errorf("%d %s", res.StatusCode, body)
			}
			_, metrics := get(t, base+"/metrics")
			for _, want := range []string{
				fmt.Sprintf("adapter_backend_errors_total{reason=%q} 1\n", c.reason),
				fmt.Sprintf("adapter_requests_total{path=\"/v1/chat/completions\",status=\"%d\"} 1\n", c.status),
			} {
				if !strings.Contains(metrics, want) {
					t.Errorf("the metrics do not have %s", want)
				}
			}
		})
	}
}

func TestAStreamWhereNoneWasWantedIsNoAnswer(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		name := "anthropic_text.sse"
		if streamed {
			name = "anthropic_text.json"
		}
		upstream := newService(t, replay(t, name))
		res, body := post(t, start(t, environment(gateway.Anthropic, upstream.URL))+"/v1/chat/completions", prompt(gateway.OpenAI, "served", streamed, false))
		if res.StatusCode != http.StatusBadGateway || kind(gateway.OpenAI, body) != "server_error" {
			t.Errorf("stream %v, answered with %s: %d %s", streamed, name, res.StatusCode, body)
		}
	}
}

func TestCallersBringATokenWhereOneIsAskedFor(t *testing.T) {
	upstream := newService(t, replay(t, "anthropic_text.json"))
	env := environment(gateway.Anthropic, upstream.URL)
	env["ADAPTER_TOKEN_FILE"] = write(t, "token", "letmein\n")
	base := start(t, env)
	for _, c := range []struct {
		header, value string
		status        int
	}{
		{"Authorization", "Bearer letmein", 200},
		{"Authorization", "bearer  letmein", 200},
		{"X-Api-Key", "letmein", 200},
		{"Authorization", "letmein", 401},
		{"Authorization", "Bearer other", 401},
		{"Authorization", "Bearer ", 401},
		{"X-Api-Key", "", 401},
		{"X-Other", "letmein", 401},
	} {
		for _, client := range dialects() {
			res, body := post(t, base+endpoint(client), prompt(client, "served", false, false), c.header, c.value)
			if res.StatusCode != c.status || c.status == 401 && (kind(client, body) == "" || res.Header.Get("X-Should-Retry") != "false" || strings.Contains(body, "x-api-key")) {
				t.Errorf("%s: %s, %s client: %d %s", c.header, c.value, client, res.StatusCode, body)
			}
		}
	}
	if res, _ := get(t, base+"/v1/models"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the list of models: %d", res.StatusCode)
	}
	if res, _ := get(t, base+"/healthz"); res.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d", res.StatusCode)
	}
}
