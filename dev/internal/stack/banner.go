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
  OIDC issuer      {{.Issuer}}
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

Every request is a workflow in the Web UI.
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
			if err := s.dir.writeSecret(file, claudeEnv(data.Gateway, s.tokens[name])); err != nil {
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

// claudeEnv is a shell file that points Claude Code at the gateway. The base URL
// has no /v1: the client adds it.
func claudeEnv(gateway, token string) string {
	return fmt.Sprintf("export ANTHROPIC_BASE_URL=%s\nexport ANTHROPIC_AUTH_TOKEN=%s\n", gateway, token)
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
