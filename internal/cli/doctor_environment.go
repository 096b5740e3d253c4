package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidwall/gjson"
)

// environment looks for variables and settings of other clients that contradict each other, or their own rules.
func (e *examination) environment() {
	before := len(e.checks)
	note := func(c check) { e.tell("environment", c) }
	if base := e.Getenv("ANTHROPIC_BASE_URL"); endsInV1(base) {
		note(v1AtTheEnd("ANTHROPIC_BASE_URL", base))
	}
	if base := e.Getenv("OPENAI_BASE_URL"); base != "" && !endsInV1(base) {
		note(fault("v1_missing", fmt.Sprintf("OPENAI_BASE_URL is %s, and OpenAI's clients add no /v1", base), "Set it to "+strings.TrimRight(base, "/")+"/v1"))
	}
	bearer, key := e.Getenv("ANTHROPIC_AUTH_TOKEN"), e.Getenv("ANTHROPIC_API_KEY")
	if bearer != "" && key != "" && bearer != key {
		note(warning("two_tokens", "ANTHROPIC_AUTH_TOKEN and ANTHROPIC_API_KEY are both set, to different values", "Unset ANTHROPIC_API_KEY: clients may send either, or both"))
	}
	if e.Getenv("ANTHROPIC_BASE_URL") != "" && strings.HasPrefix(key, "sk-ant-") {
		note(warning("foreign_key", "ANTHROPIC_API_KEY is a key of Anthropic's, and clients send it to ANTHROPIC_BASE_URL", "Unset it: the gateway does not know it"))
	}
	for _, pair := range [][2]string{{"LLMGW_URL", "ANTHROPIC_BASE_URL"}, {"LLMGW_URL", "OPENAI_BASE_URL"}, {"ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"}} {
		one, other := withoutV1(e.Getenv(pair[0])), withoutV1(e.Getenv(pair[1]))
		if one != "" && other != "" && one != other {
			note(warning("two_gateways", fmt.Sprintf("%s and %s name two gateways", pair[0], pair[1]), "Set both to the same, or unset one"))
		}
	}
	for _, file := range e.claudeFiles() {
		e.settings(file, note)
	}
	if len(e.checks) == before {
		note(good("no variables or settings contradict each other"))
	}
}

// claudeFiles are those that Claude Code may take settings from, those of the user first.
func (e *examination) claudeFiles() []string {
	files := []string{filepath.Join(".claude", "settings.json"), filepath.Join(".claude", "settings.local.json")}
	if dir, err := e.claudeDir(); err == nil {
		files = append([]string{filepath.Join(dir, "settings.json")}, files...)
	}
	return files
}

// settings looks into one file of Claude Code's. One that is not there is fine.
func (e *examination) settings(file string, note func(check)) {
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	if !gjson.ValidBytes(text) {
		note(fault("settings_broken", file+" is not JSON, so that Claude Code cannot read it", "Mend it; comments are not allowed"))
		return
	}
	base := gjson.GetBytes(text, "env.ANTHROPIC_BASE_URL").String()
	if endsInV1(base) {
		note(v1AtTheEnd("env.ANTHROPIC_BASE_URL in "+file, base))
	}
	if mine := e.Getenv("ANTHROPIC_BASE_URL"); base != "" && mine != "" && withoutV1(base) != withoutV1(mine) {
		note(warning("two_gateways", fmt.Sprintf("ANTHROPIC_BASE_URL is %s, and %s in %s", mine, base, file), "Unset the variable, or run llmgw configure claude"))
	}
	if !gjson.GetBytes(text, "apiKeyHelper").Exists() {
		return
	}
	for _, name := range []string{"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"} {
		if e.Getenv(name) != "" || gjson.GetBytes(text, "env."+name).String() != "" {
			note(warning("helper_unused", fmt.Sprintf("%s has an apiKeyHelper, and %s is set, which Claude Code takes in its place", file, name), "Unset "+name))
		}
	}
}

func endsInV1(address string) bool { return strings.HasSuffix(strings.TrimRight(address, "/"), "/v1") }

func v1AtTheEnd(name, address string) check {
	return fault("v1_twice", fmt.Sprintf("%s ends in /v1, and Anthropic's clients add /v1 themselves: they ask for /v1/v1/messages", name), "Set it to "+withoutV1(address))
}
