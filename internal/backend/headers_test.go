package backend

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestWhichOfAClientsHeadersGoToABackend(t *testing.T) {
	for name, to := range map[string]struct{ anthropic, openai bool }{
		"User-Agent": {true, true}, "X-Stainless-Lang": {true, true}, "X-Unknown": {true, true}, "Traceparent": {true, true},
		"Anthropic-Beta": {true, false}, "Anthropic-Version": {true, false}, "Anthropic-Anything": {true, false},
		"X-App": {true, false}, "X-Claude-Code-Session-Id": {true, false}, "X-Claude-Code-Agent-Id": {true, false},
		"Openai-Organization": {false, true}, "Openai-Project": {false, true},
		"X-Gateway-Token": {}, "X-Gateway-Request-Id": {}, "X-Gateway-Anything": {},
		"Authorization": {}, "X-Api-Key": {}, "Cookie": {}, "X-Forwarded-For": {}, "X-Real-Ip": {}, "Connection": {}, "Transfer-Encoding": {},
	} {
		client := http.Header{name: {"the client's"}}
		for endpoint, want := range map[gateway.Endpoint]bool{gateway.Messages: to.anthropic, gateway.CountTokens: to.anthropic, gateway.Chat: to.openai, gateway.Embeddings: to.openai} {
			got := requestHeader(Call{ID: "id-1", Endpoint: endpoint, Header: client})
			if have := got.Get(name) == "the client's"; have != want {
				t.Errorf("%s on %s: goes %v, want %v", name, endpoint, have, want)
			}
			if got.Get("X-Gateway-Request-Id") != "id-1" || got.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %v", endpoint, got)
			}
		}
	}
}

func TestAnAnthropicCallAlwaysNamesAVersion(t *testing.T) {
	for client, want := range map[string]string{"": "2023-06-01", "2026-10-21": "2026-10-21"} {
		header := http.Header{}
		if client != "" {
			header.Set("Anthropic-Version", client)
		}
		if got := requestHeader(Call{Endpoint: gateway.Messages, Header: header}).Get("Anthropic-Version"); got != want {
			t.Errorf("a client of version %q: %q", client, got)
		}
		if got := requestHeader(Call{Endpoint: gateway.Chat, Header: header}).Get("Anthropic-Version"); got != "" {
			t.Errorf("an OpenAI call of version %q", got)
		}
	}
}

func TestTheCallersOwnLoginGoesToABackendOfModeCaller(t *testing.T) {
	var got http.Header
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("Anthropic-Ratelimit-Requests-Remaining", "7")
	}))
	defer upstream.Close()
	transport := NewTransport(config.Default().Upstream)
	defer transport.CloseIdleConnections()
	be, err := New(config.Backend{Name: "own", BaseURL: upstream.URL, Auth: config.Auth{Mode: config.AuthCaller}},
		Environment{OperatorToken: "operator", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	var pool Pool
	call := Call{ID: "id", Endpoint: gateway.Messages, Header: http.Header{"Authorization": {"Bearer ours"}, "X-Gateway-Token": {"ours"}}}
	for _, own := range []http.Header{{"Authorization": {"Bearer mine"}}, {"X-Api-Key": {"mine"}}} {
		call.Body, call.Caller = body(t, &pool, `{}`), own
		res, err := be.Send(context.Background(), call)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		for _, name := range []string{"Authorization", "X-Api-Key", "X-Gateway-Token"} {
			if got.Get(name) != own.Get(name) {
				t.Errorf("%s: %q, want %q", name, got.Get(name), own.Get(name))
			}
		}
		if res.Header.Get("Anthropic-Ratelimit-Requests-Remaining") != "7" {
			t.Error("the caller is not told the limits of their own account")
		}
	}

	call.Body, call.Caller = body(t, &pool, `{}`), nil
	_, err = be.Send(context.Background(), call)
	var e *gateway.Error
	if !errors.As(err, &e) || e.Code != gateway.Unauthenticated || !e.NoRetry {
		t.Fatalf("without a login: %v", err)
	}
	if !strings.Contains(e.Message, "X-Gateway-Token") || strings.Contains(strings.ToLower(e.Message), "x-api-key") {
		t.Errorf("the caller is told %q", e.Message)
	}
	if held := call.Body.held.Load(); held != 0 {
		t.Errorf("%d holders of the body", held)
	}
}
