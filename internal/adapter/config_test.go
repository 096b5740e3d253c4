package adapter

import (
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func newRequest(t *testing.T, path, body string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
}

func TestEveryMistakeOfAConfigurationIsToldAtOnce(t *testing.T) {
	env := map[string]string{
		"BACKEND_TYPE": "bedrock", "MAX_BODY": "many", "DEFAULT_TEMPERATURE": "warm", "LOG_LEVEL": "loud", "PING_INTERVAL": "-1s",
		"DEFAULT_MAX_TOKENS": "-1", "MODEL_MAP_FILE": write(t, "models.yaml", "a*b: c\nd: ''\n"),
	}
	cfg, _, err := Settings(func(name string) string { return env[name] })
	if err == nil {
		t.Fatal("it was read")
	}
	for _, want := range []string{`MAX_BODY is "many"`, `DEFAULT_TEMPERATURE is "warm"`, `LOG_LEVEL is "loud"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	cfg.MaxBody = 0
	err = cfg.Check()
	for _, want := range []string{
		`BACKEND_TYPE is "bedrock"; it must be anthropic or openai`, "PING_INTERVAL is -1s", "DEFAULT_MAX_TOKENS is -1", "MAX_BODY is 0",
		"a*b: a * stands at the end", `d: "" is no model`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestWhatAConfigurationMustHave(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want string // "" if it is fine
	}{
		"nothing at all":                    {nil, ""},
		"an openai backend without address": {map[string]string{"BACKEND_TYPE": "openai"}, "OPENAI_BASE_URL must be"},
		"an openai backend":                 {map[string]string{"BACKEND_TYPE": "openai", "OPENAI_BASE_URL": "http://vllm:8000/v1"}, ""},
		"an address without a scheme":       {map[string]string{"ANTHROPIC_BASE_URL": "api.anthropic.com"}, "ANTHROPIC_BASE_URL must be"},
		"an address with a password":        {map[string]string{"ANTHROPIC_BASE_URL": "https://a:b@api.anthropic.com"}, "without a password"},
		"a missing map":                     {map[string]string{"MODEL_MAP_FILE": "/none"}, "MODEL_MAP_FILE: open /none"},
		"an empty map":                      {map[string]string{"MODEL_MAP_FILE": os.DevNull}, "there is no model in it"},
		"too warm for anthropic":            {map[string]string{"DEFAULT_TEMPERATURE": "1.5"}, "must be from 0 to 1"},
		"warm for openai":                   {map[string]string{"BACKEND_TYPE": "openai", "OPENAI_BASE_URL": "http://x", "DEFAULT_TEMPERATURE": "1.5"}, ""},
		"no number":                         {map[string]string{"DEFAULT_TEMPERATURE": "NaN"}, "must be from 0 to 1"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _, err := Settings(func(name string) string { return c.env[name] })
			if err != nil {
				t.Fatal(err)
			}
			switch err := cfg.Check(); {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestAFlagGoesBeforeTheEnvironmentAndThatBeforeTheDefault(t *testing.T) {
	cfg, flags, err := Settings(func(name string) string {
		return map[string]string{"LISTEN": ":1", "ANTHROPIC_VERSION": "env", "ANTHROPIC_OAUTH_TOKEN": "secret"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := flags.Parse([]string{"-listen", ":2"}); err != nil {
		t.Fatal(err)
	}
	if cfg.Listen != ":2" || cfg.AnthropicVersion != "env" || cfg.Backend != gateway.Anthropic || cfg.baseURL() != "https://api.anthropic.com" {
		t.Errorf("%+v", cfg)
	}
	flags.VisitAll(func(f *flag.Flag) {
		if strings.Contains(f.Value.String()+f.DefValue+f.Usage, "secret") {
			t.Errorf("the flag %s tells the token", f.Name)
		}
	})
}

func TestModelsAreMapped(t *testing.T) {
	for backend, names := range map[gateway.Dialect]map[string]string{
		gateway.Anthropic: {
			"gpt-4": "claude-sonnet-5-5", "gpt-4-turbo": "claude-sonnet-5-5", "gpt-4o": "claude-sonnet-5-5", "gpt-4o-2024-11-20": "claude-sonnet-5-5",
			"gpt-4o-mini": "claude-haiku-5-5", "gpt-4o-mini-2024-07-18": "claude-haiku-5-5", "gpt-3.5-turbo": "claude-haiku-5-5", "gpt-3.5-turbo-0125": "claude-haiku-5-5",
			"claude-opus-5-5": "claude-opus-5-5", "claude-3-5-sonnet-20241022": "claude-3-5-sonnet-20241022", "something": "something", "": "",
		},
		gateway.OpenAI: {"gpt-4": "gpt-4", "claude-opus-5-5": "claude-opus-5-5"},
	} {
		m, err := (&Config{Backend: backend}).models()
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range names {
			if got, _ := m.resolve(name); got != want {
				t.Errorf("%s backend: %q becomes %q, want %q", backend, name, got, want)
			}
		}
	}
	m := models{"*": "rest", "a-*": "a", "a-b-*": "ab", "a-b-c": "abc"}
	for name, want := range map[string]string{"a-b-c": "abc", "a-b-d": "ab", "a-c": "a", "a": "rest"} {
		if got, known := m.resolve(name); got != want || !known {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestTheModelsAreReadAgainWhenTheirFileChanges(t *testing.T) {
	env := environment(gateway.Anthropic, "http://127.0.0.1:1")
	path := write(t, "models.yaml", "m: one")
	env["MODEL_MAP_FILE"] = path
	a, log := newAdapter(t, env)
	for _, step := range []struct {
		text    string
		want    string
		refused string
		errors  int // in the log so far
	}{
		{"m: one", "one", "0", 0},
		{`{"m": "two"}`, "two", "0", 0},
		{"m: [", "two", "1", 1},
		{"m: [", "two", "1", 1},
		{"", "two", "1", 2},
		{"remove", "two", "1", 3},
		{"remove", "two", "1", 3},
		{`m: two`, "two", "0", 3},
		{`m: three`, "three", "0", 3},
	} {
		if rewrite(t, path, step.text); step.text == "remove" {
			_ = os.Remove(path)
		}
		a.modelFile.look()
		if got, _ := a.models().resolve("m"); got != step.want {
			t.Errorf("%q: m is %q, want %q", step.text, got, step.want)
		}
		w := newRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		if !strings.Contains(w.Body.String(), "adapter_model_map_refused "+step.refused+"\n") {
			t.Errorf("%q: the metric is not %s", step.text, step.refused)
		}
		if got := strings.Count(log.String(), "level="+slog.LevelError.String()); got != step.errors {
			t.Errorf("%q: %d errors in the log, want %d:\n%s", step.text, got, step.errors, log)
		}
	}
}

func TestEveryVariableIsInTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/anthropic-adapter.md")
	if err != nil {
		t.Fatal(err)
	}
	_, flags, err := Settings(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	flags.VisitAll(func(f *flag.Flag) {
		if !strings.Contains(string(text), "| `"+variable(f.Name)+"` |") {
			t.Errorf("%s is not in the table", variable(f.Name))
		}
	})
}
