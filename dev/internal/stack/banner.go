package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// tiers lists the tiers that get a Claude Code configuration.
func tiers() []string { return []string{"free", "pro", "enterprise"} }

// bannerText is what people see once everything runs.
const bannerText = `
Ready after {{.Took}}.
{{if .Gateway}}
  Gateway          {{.Gateway}}{{range .More}}
                   {{.}}{{end}}{{end}}
  Temporal Web UI  {{.TemporalUI}}/namespaces/{{.Namespace}}/workflows
  Temporal         {{.TemporalAddress}}
  Postgres         {{.PostgresURL}}
  Redis            {{.RedisURL}}
  OIDC issuer      {{.Issuer}}{{with .Keycloak}}
  Keycloak         {{.URL}}/admin/   (admin; the password is in stack.json){{end}}
  Mock model       {{.Model}}   (below it /internal /openai /standby /bedrock /vertex)
  Control API      {{.Control}}/processes
  Logs, state      {{.Dir}}/log, {{.Dir}}/stack.json
{{if .Gateway}}
Claude Code, as a user of each tier:
{{range .Tiers}}
  source {{.File}} && claude{{end}}

or, for example for pro:

  export ANTHROPIC_BASE_URL={{.Gateway}}
  export ANTHROPIC_AUTH_TOKEN={{.Token}}
  claude

curl:

  source {{.Env}}
  curl -sN $ANTHROPIC_BASE_URL/v1/messages -H "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" \
    -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
    -d '{"model":"claude-sonnet-5-5","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hello"}]}'

OpenAI clients: these files set OPENAI_BASE_URL and OPENAI_API_KEY as well.

Batches: bin/llmgw batch submit FILE --watch, with one of these files sourced.

Every request, and every batch, is a workflow in the Web UI.
{{end}}
Ctrl-C stops everything.
`

// banner writes the configurations for Claude Code and says where everything is.
func (s *Stack) banner(took time.Duration) {
	type tier struct{ File string }
	data := struct {
		State
		Took       string
		More       []string
		Tiers      []tier
		Token, Env string
	}{State: s.State(), Took: fmt.Sprintf("%.1f s", took.Seconds())}
	if data.Gateway != "" {
		data.More = data.Frontends[1:]
		for _, name := range tiers() {
			file := "claude-" + name + ".env"
			if err := s.dir.writeSecret(file, clientEnv(data.Gateway, s.tokens[name])); err != nil {
				s.console.event("%v", err)
			}
			data.Tiers = append(data.Tiers, tier{File: short(s.dir.file(file))})
		}
		data.Token, data.Env = s.tokens["pro"], short(s.dir.file("claude-pro.env"))
	}
	var text strings.Builder
	if err := template.Must(template.New("banner").Parse(bannerText)).Execute(&text, data); err != nil {
		s.console.event("write the banner: %v", err)
		return
	}
	s.console.Printf("%s", text.String())
}

// clientEnv is a shell file that points clients at the gateway: Claude Code and
// Anthropic's SDKs, which add /v1 to the base URL, and OpenAI's, which do not.
func clientEnv(gateway, token string) string {
	return fmt.Sprintf("export ANTHROPIC_BASE_URL=%[1]s\nexport ANTHROPIC_AUTH_TOKEN=%[2]s\n"+
		"export OPENAI_BASE_URL=%[1]s/v1\nexport OPENAI_API_KEY=%[2]s\n", gateway, token)
}

// short is a path as one would type it here.
func short(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}
