package adapter

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// endpoint is where the clients of a dialect send their prompts.
func endpoint(d gateway.Dialect) string {
	if d == gateway.Anthropic {
		return "/v1/messages"
	}
	return "/v1/chat/completions"
}

// prompt is a request as the clients of a dialect send it.
func prompt(d gateway.Dialect, model string, streamed, tool bool) string {
	fields := fmt.Sprintf(`"model":%q,"max_tokens":64,"messages":[{"role":"user","content":"Hi"}],"stream":%v`, model, streamed)
	switch {
	case tool && d == gateway.Anthropic:
		fields += `,"tools":[{"name":"weather","description":"d","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]`
	case tool:
		fields += `,"tools":[{"type":"function","function":{"name":"weather","description":"d","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`
	}
	return "{" + fields + "}"
}

func dialects() []gateway.Dialect { return []gateway.Dialect{gateway.Anthropic, gateway.OpenAI} }

func TestEitherBackendServesTheClientsOfBothDialects(t *testing.T) {
	stops := map[gateway.Dialect][2]string{gateway.Anthropic: {"end_turn", "tool_use"}, gateway.OpenAI: {"stop", "tool_calls"}}
	for _, backend := range dialects() {
		for _, client := range dialects() {
			for _, streamed := range []bool{false, true} {
				for _, tool := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s backend, %s client, stream %v, tool %v", backend, client, streamed, tool), func(t *testing.T) {
						name, want := "_text", said{text: "Hello there.", stop: stops[client][0], complete: true}
						if tool {
							name, want = "_tool", said{tool: "weather", arguments: `{"city":"Bergen"}`, stop: stops[client][1], complete: true}
						}
						kind := ".json"
						if streamed {
							kind = ".sse"
						}
						upstream := newService(t, replay(t, string(backend)+name+kind))
						base := start(t, environment(backend, upstream.URL))

						res, body := post(t, base+endpoint(client), prompt(client, "served", streamed, tool))
						if got := understand(t, client, streamed, body); res.StatusCode != http.StatusOK || got != want {
							t.Errorf("the client has %d %+v, want %+v, of\n%s", res.StatusCode, got, want, body)
						}
						sent := upstream.last(t)
						if sent.path != endpoint(backend) || gjson.Get(sent.body, "model").Str != "served" || gjson.Get(sent.body, "stream").Bool() != streamed {
							t.Errorf("the backend was sent %s %s", sent.path, sent.body)
						}
						if gjson.Get(sent.body, "tools").Exists() != tool {
							t.Errorf("tools: the backend was sent %s", sent.body)
						}
						checkHeader(t, backend, sent.header, res.Header)
					})
				}
			}
		}
	}
}

func checkHeader(t *testing.T, backend gateway.Dialect, sent, answered http.Header) {
	t.Helper()
	bearer, version := "Bearer "+token, "2023-06-01"
	if backend == gateway.OpenAI {
		bearer, version = "", ""
	}
	if got := sent.Get("Authorization"); got != bearer {
		t.Errorf("the backend was called with %q, want %q", got, bearer)
	}
	if got := sent.Get("Anthropic-Version"); got != version {
		t.Errorf("the backend was sent anthropic-version %q, want %q", got, version)
	}
	if answered.Get("Request-Id") == "" || answered.Get("Request-Id") != answered.Get("X-Request-Id") {
		t.Errorf("the answer has the ids %q and %q", answered.Get("Request-Id"), answered.Get("X-Request-Id"))
	}
}

func TestTheBackendsOwnDialectPassesByteForByte(t *testing.T) {
	for _, d := range dialects() {
		for _, kind := range []string{"_tool.sse", "_text.json"} {
			upstream := newService(t, func(w http.ResponseWriter, r *http.Request) {
				for _, name := range []string{"X-Unknown", "Set-Cookie", "Anthropic-Ratelimit-Requests-Remaining", "X-Ratelimit-Remaining-Tokens"} {
					w.Header().Set(name, "operator")
				}
				replay(t, string(d)+kind)(w, r)
			})
			env := environment(d, upstream.URL)
			env["OPENAI_TOKEN_FILE"] = write(t, "token", "t")
			env["MODEL_MAP_FILE"] = write(t, "models.json", `{"asked": "served"}`)
			base := start(t, env)
			const before, after = ` { "unknown" : [1, 2.0,	{"deep":null}], "model"` + "\n" + `: `, `,"max_tokens":1, "messages":[] , "stream":  true, "zzz":"\u00e4" } `

			res, body := post(t, base+endpoint(d)+"?beta=true", before+`"asked"`+after,
				"Anthropic-Beta", "a,b", "Anthropic-Version", "2026-10-21", "X-Unknown", "kept", "Authorization", "Bearer caller", "X-Api-Key", "caller")
			if want := string(file(t, string(d)+kind)); body != want {
				t.Errorf("%s%s: the client was sent\n%q, the backend had said\n%q", d, kind, body, want)
			}
			sent := upstream.last(t)
			if want := before + `"served"` + after; sent.body != want || sent.query != "beta=true" {
				t.Errorf("%s: the backend was sent ?%s\n%q, want\n%q", d, sent.query, sent.body, want)
			}
			want := map[string]string{"Anthropic-Beta": "a,b", "Anthropic-Version": "2026-10-21", "X-Unknown": "kept", "X-Api-Key": ""}
			if d == gateway.OpenAI {
				want["Anthropic-Beta"], want["Anthropic-Version"] = "", ""
			}
			for name, want := range want {
				if got := sent.header.Get(name); got != want {
					t.Errorf("%s: the backend was sent %s %q, want %q", d, name, got, want)
				}
			}
			for name, want := range map[string]string{"X-Unknown": "operator", "Set-Cookie": "", "Anthropic-Ratelimit-Requests-Remaining": "", "X-Ratelimit-Remaining-Tokens": ""} {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s: the client was sent %s %q, want %q", d, name, got, want)
				}
			}
			if strings.Contains(sent.header.Get("Authorization"), "caller") {
				t.Errorf("%s: the backend was called with the caller's own credential", d)
			}
		}
	}
}

func TestCountingTokensIsForAnthropicBackends(t *testing.T) {
	upstream := newService(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"input_tokens":7}`)) })
	for _, d := range dialects() {
		res, body := post(t, start(t, environment(d, upstream.URL))+"/v1/messages/count_tokens", `{"model":"claude-x","messages":[]}`)
		want, kind := http.StatusOK, ""
		if d == gateway.OpenAI {
			want, kind = http.StatusNotFound, "not_found_error"
		}
		if res.StatusCode != want || gjson.Get(body, "error.type").Str != kind {
			t.Errorf("%s: %d %s", d, res.StatusCode, body)
		}
	}
	if sent := upstream.last(t); sent.path != "/v1/messages/count_tokens" || sent.body != `{"model":"claude-x","messages":[]}` {
		t.Errorf("the backend was sent %s %s", sent.path, sent.body)
	}
}

func TestWhatARequestLeavesOpenTheOperatorDecides(t *testing.T) {
	for name, c := range map[string]struct {
		backend, client gateway.Dialect
		env             string // NAME=value, …
		body            string
		want            map[string]string // raw, at the backend
	}{
		"a model":                                  {gateway.Anthropic, gateway.Anthropic, "DEFAULT_MODEL=gpt-4o-mini", `{"max_tokens":1,"messages":[{"role":"user","content":"a"}]}`, map[string]string{"model": `"claude-haiku-5-5"`}},
		"an empty model":                           {gateway.Anthropic, gateway.Anthropic, "DEFAULT_MODEL=m", `{"model":"","max_tokens":1}`, map[string]string{"model": `"m"`}},
		"a model, of another dialect":              {gateway.Anthropic, gateway.OpenAI, "DEFAULT_MODEL=m", `{"messages":[{"role":"user","content":"a"}]}`, map[string]string{"model": `"m"`}},
		"an empty object":                          {gateway.OpenAI, gateway.OpenAI, "DEFAULT_MODEL=m", `{ }`, map[string]string{"model": `"m"`}},
		"a limit, which the backend needs":         {gateway.Anthropic, gateway.OpenAI, "", `{"model":"m","messages":[{"role":"user","content":"a"}]}`, map[string]string{"max_tokens": `8192`}},
		"a limit, chosen":                          {gateway.Anthropic, gateway.Anthropic, "DEFAULT_MAX_TOKENS=77", `{"model":"m","messages":[]}`, map[string]string{"max_tokens": `77`}},
		"a limit, named":                           {gateway.Anthropic, gateway.Anthropic, "DEFAULT_MAX_TOKENS=77", `{"model":"m","max_tokens":5}`, map[string]string{"max_tokens": `5`}},
		"a limit, which the backend can miss":      {gateway.OpenAI, gateway.OpenAI, "", `{"model":"m","messages":[]}`, map[string]string{"max_tokens": ``}},
		"a limit under its other name":             {gateway.OpenAI, gateway.OpenAI, "DEFAULT_MAX_TOKENS=77", `{"model":"m","max_completion_tokens":5}`, map[string]string{"max_tokens": ``}},
		"a limit that the backend calls otherwise": {gateway.OpenAI, gateway.Anthropic, "OPENAI_MAX_TOKENS_FIELD=max_completion_tokens", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"}]}`, map[string]string{"max_completion_tokens": `5`}},
		"a temperature":                            {gateway.Anthropic, gateway.OpenAI, "DEFAULT_TEMPERATURE=.25", `{"model":"m","messages":[{"role":"user","content":"a"}]}`, map[string]string{"temperature": `0.25`}},
		"a temperature, named":                     {gateway.OpenAI, gateway.OpenAI, "DEFAULT_TEMPERATURE=0", `{"model":"m","temperature":1}`, map[string]string{"temperature": `1`}},
		"a temperature of zero":                    {gateway.OpenAI, gateway.OpenAI, "DEFAULT_TEMPERATURE=0", `{"model":"m"}`, map[string]string{"temperature": `0`}},
		"a temperature that thinking forbids":      {gateway.Anthropic, gateway.Anthropic, "DEFAULT_TEMPERATURE=0", `{"model":"m","max_tokens":9,"thinking":{"type":"enabled"}}`, map[string]string{"temperature": ``}},
		"nothing that is not chosen":               {gateway.Anthropic, gateway.Anthropic, "", `{"model":"m","max_tokens":9}`, map[string]string{"temperature": ``}},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := newService(t, replay(t, string(c.backend)+"_text.json"))
			env := environment(c.backend, upstream.URL)
			if key, value, found := strings.Cut(c.env, "="); found {
				env[key] = value
			}
			if res, body := post(t, start(t, env)+endpoint(c.client), c.body); res.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
			sent := upstream.last(t).body
			if !gjson.Valid(sent) || strings.Count(sent, `"model"`) != 1 {
				t.Fatalf("the backend was sent %s", sent)
			}
			for field, want := range c.want {
				if got := gjson.Get(sent, field).Raw; got != want {
					t.Errorf("%s: %q, want %q, in %s", field, got, want, sent)
				}
			}
		})
	}
}
