package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/cli"
)

// patient is somebody for whom the gateway may not work.
type patient struct {
	url   string
	token string
	env   map[string]string
	skew  time.Duration // of the clock of the machine
	home  string
}

// doctor runs llmgw doctor for the patient, and answers the faults that it names, by their checks, and all it says.
func (p patient) doctor(t *testing.T, args ...string) (faults map[string]string, said string) {
	t.Helper()
	env := map[string]string{"LLMGW_URL": p.url, "LLMGW_TOKEN": p.token}
	maps.Copy(env, p.env)
	if p.home == "" {
		p.home = t.TempDir()
	}
	var out, complaints bytes.Buffer
	code := cli.Run(t.Context(), cli.System{
		In: strings.NewReader(""), Out: &out, Err: &complaints,
		Getenv:    func(name string) string { return env[name] },
		Now:       func() time.Time { return time.Now().Add(p.skew) },
		Sleep:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Columns:   func() int { return 0 },
		ConfigDir: func() (string, error) { return filepath.Join(p.home, ".config"), nil },
		HomeDir:   func() (string, error) { return p.home, nil },
	}, append([]string{"doctor", "--json"}, args...))
	var report struct {
		OK     bool
		Checks []struct{ Check, State, Fault, Found, Advice string }
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), complaints.String())
	}
	faults = map[string]string{}
	for _, c := range report.Checks {
		if c.State == "failed" || c.State == "warning" {
			faults[c.Check] = c.Fault
			if c.Advice == "" || c.Found == "" {
				t.Errorf("%s says %q, and advises %q", c.Check, c.Found, c.Advice)
			}
		}
	}
	failed := strings.Contains(out.String(), `"failed"`)
	if report.OK == failed || (code == 0) == failed || code > 1 {
		t.Errorf("ok is %v, the exit code %d:\n%s", report.OK, code, out.String())
	}
	if strings.Contains(out.String()+complaints.String(), p.token) && p.token != "" {
		t.Error("the doctor shows the token")
	}
	return faults, out.String()
}

// before is something that stands before the gateway.
func before(t *testing.T, w *world, change func(next http.Handler) http.Handler) string {
	t.Helper()
	target, err := url.Parse(w.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(change(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}}))
	t.Cleanup(s.Close)
	return s.URL
}

// buffering holds each answer back until it is whole.
func buffering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		next.ServeHTTP(whole, r)
		maps.Copy(w.Header(), whole.Header())
		w.WriteHeader(whole.Code)
		_, _ = w.Write(whole.Body.Bytes())
	})
}

// cutting ends streams after a part of them.
func cutting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stream") {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: beat\ndata: {}\n\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// page answers calls with a login page, all or only those with a token.
func page(all bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !all && r.Header.Get("Authorization") == "" {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<html><title>Sign in to Contoso</title></html>")
		})
	}
}

func redirecting(to string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler { return http.RedirectHandler(to, http.StatusFound) }
}

func untouched(next http.Handler) http.Handler { return next }

// claims of a token of a new user, with changes.
func (w *world) claims(t *testing.T, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": w.Issuer, "sub": uuid.NewString(), "aud": "llm-gateway", "preferred_username": "doctors", "tier": "pro",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	var made struct {
		Token string `json:"access_token"`
	}
	if err := w.Mint(t.Context(), claims, &made); err != nil {
		t.Fatal(err)
	}
	return made.Token
}

func TestTheDoctorNamesWhatIsWrong(t *testing.T) {
	w := stack(t)
	token := w.claims(t, nil)
	hour := func(n time.Duration) int64 { return time.Now().Add(n * time.Hour).Unix() }
	for name, c := range map[string]struct {
		patient
		faults map[string]string // by their checks
		says   string
	}{
		"nothing":                    {patient: patient{url: w.Gateway, token: token}},
		"nothing, by a good proxy":   {patient: patient{url: before(t, w, untouched), token: token}},
		"nothing, with OpenAI's /v1": {patient: patient{url: w.Gateway + "/v1/", token: token}},

		"a closed port":      {patient{url: "http://127.0.0.1:1", token: token}, map[string]string{"gateway": "wrong_url"}, "nothing listens at 127.0.0.1:1"},
		"an unknown machine": {patient{url: "http://gateway.invalid", token: token}, map[string]string{"gateway": "wrong_url"}, "there is no machine gateway.invalid"},
		"another service":    {patient{url: w.Model, token: token}, map[string]string{"gateway": "wrong_url"}, "is no gateway"},
		"a path too much":    {patient{url: w.Gateway + "/llm", token: token}, map[string]string{"gateway": "wrong_url"}, "Set the address to " + w.Gateway},
		"no scheme":          {patient{url: "127.0.0.1:8000", token: token}, map[string]string{"address": "no_address"}, "is not the address of a gateway"},
		"https for http":     {patient{url: strings.Replace(w.Gateway, "http:", "https:", 1), token: token}, map[string]string{"gateway": "no_tls"}, "does not speak TLS"},
		"/v1 twice":          {patient{url: w.Gateway + "/v1/v1", token: token}, map[string]string{"address": "v1_twice"}, "has /v1 twice"},
		"/v1 for Anthropic's clients": {
			patient{url: w.Gateway, token: token, env: map[string]string{"ANTHROPIC_BASE_URL": w.Gateway + "/v1"}},
			map[string]string{"environment": "v1_twice"},
			"they ask for /v1/v1/messages",
		},
		"no /v1 for OpenAI's clients": {
			patient{url: w.Gateway, token: token, env: map[string]string{"OPENAI_BASE_URL": w.Gateway}},
			map[string]string{"environment": "v1_missing"},
			"Set it to " + w.Gateway + "/v1",
		},
		"two gateways": {
			patient{url: w.Gateway, token: token, env: map[string]string{"ANTHROPIC_BASE_URL": "https://old.example.com"}},
			map[string]string{"environment": "two_gateways"},
			"LLMGW_URL and ANTHROPIC_BASE_URL name two gateways",
		},

		"a login page":                  {patient{url: before(t, w, page(true)), token: token}, map[string]string{"gateway": "login_page"}, "Sign in to Contoso"},
		"a login page for tokens":       {patient{url: before(t, w, page(false)), token: token}, map[string]string{"token": "login_page"}, "Sign in to Contoso"},
		"a redirect to a login page":    {patient{url: before(t, w, redirecting("https://login.example.com/start?state=secret")), token: token}, map[string]string{"gateway": "login_page"}, "it redirects to https://login.example.com/start:"},
		"a proxy that buffers":          {patient{url: before(t, w, buffering), token: token}, map[string]string{"streaming": "buffering"}, "something between here and the gateway buffers answers"},
		"a proxy that cuts streams":     {patient{url: before(t, w, cutting), token: token}, map[string]string{"streaming": "broken_stream"}, "1 of 6 events arrived"},
		"a clock that is ahead":         {patient{url: w.Gateway, token: token, skew: 10 * time.Minute}, map[string]string{"clock": "clock_skew"}, "0 s ahead of the gateway's"},
		"a clock that is behind":        {patient{url: w.Gateway, token: token, skew: -10 * time.Minute}, map[string]string{"clock": "clock_skew"}, "s behind the gateway's"},
		"no token":                      {patient{url: w.Gateway}, map[string]string{"token": "no_token"}, "llmgw login gets a token"},
		"a key of another service":      {patient{url: w.Gateway, token: "sk-ant-123"}, map[string]string{"token": "foreign_key"}, "a key of another service"},
		"Bearer before the token":       {patient{url: w.Gateway, token: "Bearer " + token}, map[string]string{"token": "malformed_token"}, "Give the token alone"},
		"an expired token":              {patient{url: w.Gateway, token: w.claims(t, map[string]any{"exp": hour(-1)})}, map[string]string{"token": "token_expired"}, "the token from LLMGW_TOKEN expired at"},
		"a token of tomorrow":           {patient{url: w.Gateway, token: w.claims(t, map[string]any{"nbf": hour(24), "exp": hour(25)})}, map[string]string{"token": "token_not_yet_valid"}, "is good from"},
		"a token of another audience":   {patient{url: w.Gateway, token: w.claims(t, map[string]any{"aud": []string{"account"}})}, map[string]string{"token": "wrong_audience"}, `is for the audience \"account\"`},
		"a token of another issuer":     {patient{url: w.Gateway, token: w.claims(t, map[string]any{"iss": "https://id.example.com"})}, map[string]string{"token": "wrong_issuer"}, "is of https://id.example.com, and the gateway takes those of " + w.Issuer},
		"an unknown tier":               {patient{url: w.Gateway, token: w.claims(t, map[string]any{"tier": "gold"})}, map[string]string{"token": "unknown_tier"}, "gold"},
		"an expired token, wrong clock": {patient{url: w.Gateway, token: w.claims(t, map[string]any{"exp": hour(-1)}), skew: -2 * time.Hour}, map[string]string{"clock": "clock_skew", "token": "token_expired"}, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults, said := c.doctor(t)
			if !maps.Equal(faults, c.faults) {
				t.Errorf("the faults are %v, want %v:\n%s", faults, c.faults, said)
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, said)
			}
		})
	}
}

func TestTheDoctorTellsThatAQuotaIsSpent(t *testing.T) {
	w := stack(t)
	p := patient{url: w.Gateway, token: w.mint(t, "free")}
	for range 10 {
		if got := w.askAs(t.Context(), p.token, "/v1/messages", message("internal", "hi", false)); got.status != http.StatusOK {
			t.Fatal(got)
		}
	}
	if faults, said := p.doctor(t); !maps.Equal(faults, map[string]string{"quota": "quota_spent"}) {
		t.Errorf("the faults are %v:\n%s", faults, said)
	}
}

func TestTheDoctorReadsClaudeCodesSettings(t *testing.T) {
	w := stack(t)
	token := w.mint(t, "pro")
	for settings, want := range map[string]string{
		`{"env":{"ANTHROPIC_BASE_URL":"` + w.Gateway + `/v1"}}`: "v1_twice",
		`{"apiKeyHelper":"llmgw token"}`:                        "helper_unused",
		`{"env":{"ANTHROPIC_BASE_URL":"https://old.example"}}`:  "two_gateways",
		`{// mine` + "\n}": "settings_broken",
	} {
		p := patient{url: w.Gateway, token: token, home: t.TempDir(), env: map[string]string{"ANTHROPIC_BASE_URL": w.Gateway, "ANTHROPIC_AUTH_TOKEN": token}}
		file := filepath.Join(p.home, ".claude", "settings.json")
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		if faults, said := p.doctor(t, "--without-request"); faults["environment"] != want {
			t.Errorf("%s: the faults are %v, want %s:\n%s", settings, faults, want, said)
		}
	}
}
