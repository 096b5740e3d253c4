package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// traffic is what all kinds of clients do at once.
type traffic struct {
	stack   *stacktest.Stack
	options options
	several string // token of a user whose requests have several targets
	sent    atomic.Int64

	mu   sync.Mutex
	ends map[string]int
}

// run sends all requests. A client that finds nobody listening waits and tries again: that was no request.
func (t *traffic) run(ctx context.Context) {
	t.ends = map[string]int{}
	transport := &http.Transport{MaxIdleConnsPerHost: t.options.concurrency}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var all sync.WaitGroup
	for range t.options.concurrency {
		all.Go(func() {
			for ctx.Err() == nil && t.sent.Add(1) <= int64(t.options.requests) {
				end := t.one(ctx, client)
				for end == "nobody listens" {
					time.Sleep(20 * time.Millisecond)
					end = t.one(ctx, client)
				}
				t.mu.Lock()
				t.ends[end]++
				t.mu.Unlock()
				time.Sleep(time.Duration(200+rand.IntN(400)) * time.Millisecond) // so that the load outlasts the kills
			}
		})
	}
	all.Wait()
	t.sent.Store(int64(t.options.requests))
}

func (t *traffic) summary() string {
	var parts []string
	for _, end := range slices.Sorted(maps.Keys(t.ends)) {
		parts = append(parts, fmt.Sprintf("%s %d", end, t.ends[end]))
	}
	return strings.Join(parts, ", ")
}

// one sends one request of a random kind and says how it ended for the client.
func (t *traffic) one(ctx context.Context, client *http.Client) string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	path, stream := pick("/v1/messages", "/v1/messages", "/v1/chat/completions"), rand.IntN(100) < 70
	if rand.IntN(100) < 5 {
		path, stream = "/v1/messages/count_tokens", false
	}
	model := pick("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "gpt-4o")
	prompt := strings.Repeat("some words of a prompt, ", 1+rand.IntN(400))
	body := fmt.Sprintf(`{"model":%q,"max_tokens":100,"messages":[{"role":"user","content":%q}],"stream":%v}`, model, prompt, stream)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.stack.Gateway+path, strings.NewReader(body))
	if err != nil {
		return "mistake: " + err.Error()
	}
	tokens := t.stack.Tokens
	req.Header.Set("Authorization", "Bearer "+pick(tokens["pro"], tokens["enterprise"], tokens["auditor"], tokens["free"], t.several, t.several))
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("X-Claude-Code-Session-Id", fmt.Sprintf("session-%d", rand.IntN(50)))
	fault := pick("", "", "", "", "", "", "delay=50ms", "gap=10ms,tokens=30", "gap=5ms,tokens=20", "cut=500,tokens=20", "error=5", "status=529", "status=400")
	if fault != "" {
		req.Header.Set("X-Mock", fault)
	}
	if rand.IntN(100) < 5 { // a client that does not wait for the end
		time.AfterFunc(time.Duration(rand.IntN(100))*time.Millisecond, cancel)
	}
	res, err := client.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens"
	case err != nil:
		return broken(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return broken(err)
	case res.StatusCode != http.StatusOK:
		return fmt.Sprintf("status %d", res.StatusCode)
	case !stream:
		return "answered"
	case strings.Contains(string(text), "event: error"), strings.Contains(string(text), `data: {"error"`):
		return "error event"
	case strings.Contains(string(text), "event: message_stop"), strings.HasSuffix(string(text), "data: [DONE]\n\n"):
		return "streamed"
	}
	return "mistake: a stream ended without an end"
}

func broken(err error) string {
	if errors.Is(err, context.Canceled) {
		return "left"
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "connection lost"
	}
	return "mistake: " + err.Error()
}

func pick(of ...string) string { return of[rand.IntN(len(of))] }
