package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// Tiers whose models all go to one backend of one dialect.
const (
	toAnthropic = `frontend:tiers.toanthropic={routes: [{match: "*", backend: anthropic}]}`
	toOpenAI    = `frontend:tiers.toopenai={routes: [{match: "*", backend: openai}]}`
)

// crossing is a client of one dialect, with a tier that is served in it and one that is served by translation.
type crossing struct {
	name, path, body string
	delta            string // what a content event has in it
	passed, crossed  string // tiers
}

func crossings() []crossing {
	const anthropic = `{"model":"claude-opus-5-5","max_tokens":1000,"messages":[{"role":"user","content":"Say hello."}],"stream":true}`
	const openai = `{"model":"gpt-x","messages":[{"role":"user","content":"Say hello."}],"stream":true,"stream_options":{"include_usage":true}}`
	return []crossing{
		{"Anthropic client", "/v1/messages", anthropic, `"text_delta"`, "toanthropic", "toopenai"},
		{"OpenAI client", "/v1/chat/completions", openai, `{"content":`, "toopenai", "toanthropic"},
	}
}

// compareTranslation holds what a translated stream costs the gateway against one that passes unchanged, and looks for
// deltas that do not arrive one by one.
func compareTranslation(ctx context.Context, stack *stacktest.Stack, rounds int, v *verdict) error {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	tokens := map[string]string{}
	for _, tier := range []string{"toanthropic", "toopenai"} {
		var err error
		if tokens[tier], err = stack.NewUser(ctx, tier); err != nil {
			return err
		}
	}
	fmt.Printf("\ntranslation: 64-token streams, 8 at once, strict\n  %-22s %16s %16s %9s\n", "", "unchanged, µs", "translated, µs", "ratio")
	for _, c := range crossings() {
		sc := scenario{name: c.name, body: c.body, path: c.path, mock: "tokens=64", concurrency: 8, requests: 600}
		var passed, crossed measured
		for round := range rounds + 1 { // the first warms up
			for tier, into := range map[string]*measured{c.passed: &passed, c.crossed: &crossed} {
				var m measured
				if err := m.run(ctx, client, target{c.name, stack.Gateway, tokens[tier], stack.PIDs["frontend"]}, sc); err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, tier, err)
				}
				if round > 0 {
					into.latencies = append(into.latencies, m.latencies...)
					into.cpu += m.cpu
				}
			}
		}
		ratio := crossed.cpuMicros() / passed.cpuMicros()
		fmt.Printf("  %-22s %16.0f %16.0f %9.2f\n", c.name, passed.cpuMicros(), crossed.cpuMicros(), ratio)
		v.check(c.name+": CPU of a translated stream ÷ unchanged", ratio, 3)
		together, err := c.together(ctx, stack.Gateway, tokens[c.crossed])
		if err != nil {
			return err
		}
		v.check(c.name+": deltas of 20 × 64 merged or delayed", float64(together), 0)
	}
	return nil
}

// together streams with a pause between the backend's events and counts the deltas that are missing, or that arrive in
// one read with another.
func (c crossing) together(ctx context.Context, gateway, token string) (int, error) {
	const tokens, gap = 64, 5 * time.Millisecond
	wrong := 0
	for range 20 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+c.path, strings.NewReader(c.body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("X-Mock", fmt.Sprintf("tokens=%d,gap=%s", tokens, gap))
		res, err := (&http.Client{}).Do(req)
		if err != nil {
			return 0, err
		}
		seen := 0
		buf := make([]byte, 64<<10)
		for err == nil {
			var n int
			n, err = res.Body.Read(buf)
			deltas := bytes.Count(buf[:n], []byte(c.delta)) - bytes.Count(buf[:n], []byte(`{"content":""`))
			seen += deltas
			wrong += max(0, deltas-1)
		}
		_ = res.Body.Close()
		if err != io.EOF { //nolint:errorlint // a reader's end is never wrapped
			return 0, err
		}
		wrong += tokens - seen
	}
	return wrong, nil
}
