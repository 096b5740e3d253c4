package httpapi

import (
	"bufio"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/config"
)

func TestAnybodyMayAskWhoGivesTokens(t *testing.T) {
	w := newWorld(t, nil)
	w.api.OIDC = config.OIDC{
		Provider:   config.Provider{Issuer: "https://id.example.com/realms/people"},
		Additional: []config.Provider{{Issuer: "https://id.example.com/realms/partners", SubjectPrefix: "partners:"}},
		CLIClient:  "llmgw", CLIScopes: []string{"openid"},
	}
	var r api.ProtectedResource
	const path = "/.well-known/oauth-protected-resource"
	if status := w.get(path, &r, "Authorization", ""); status != http.StatusOK || r.Resource != w.URL || r.Client != "llmgw" {
		t.Errorf("%d %+v", status, r)
	}
	if want := []string{"https://id.example.com/realms/people", "https://id.example.com/realms/partners"}; !slices.Equal(r.AuthorizationServers, want) {
		t.Errorf("the issuers are %v", r.AuthorizationServers)
	}
	w.get(path, &r, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "llm.example.com")
	if r.Resource != "https://llm.example.com" {
		t.Errorf("behind a proxy the gateway takes itself for %s", r.Resource)
	}
	w.api.OIDC = config.OIDC{}
	var none map[string]any
	if w.get(path, &none); none["authorization_servers"] == nil || none["scopes_supported"] == nil {
		t.Errorf("what there is none of is an empty list, not null: %v", none)
	}
}

func TestTheDoctorIsToldWhoCallsAndWhereModelsGo(t *testing.T) {
	w := newWorld(t, nil)
	var d api.Doctor
	if status := w.get("/api/doctor", &d, "Authorization", "Bearer tok-pro"); status != http.StatusOK || d.User != "u-pro" || d.Tier != "pro" || time.Since(d.Time).Abs() > time.Minute {
		t.Errorf("%d %+v", status, d)
	}
	routed := map[string]api.Target{}
	for _, m := range d.Models {
		routed[m.ID] = m.Targets[0]
	}
	for model, want := range map[string]api.Target{
		"claude-opus-5-5":  {Backend: "anthropic", Model: "claude-haiku-5-5"},
		"claude-haiku-5-5": {Backend: "anthropic", Model: "claude-haiku-5-5"},
		"internal":         {Backend: "internal", Model: "internal"},
	} {
		if routed[model] != want {
			t.Errorf("%s goes to %+v, want %+v", model, routed[model], want)
		}
	}
	for _, path := range []string{"/api/doctor", "/api/doctor/stream"} {
		if status := w.get(path, nil, "Authorization", ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, status)
		}
	}
}

func TestTheDoctorsStreamComesEventByEvent(t *testing.T) {
	w := newWorld(t, nil)
	res := w.do(w.request(http.MethodGet, "/api/doctor/stream", ""))
	defer res.Body.Close()
	if res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("header %v", res.Header)
	}
	var sent []time.Time
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var b api.Beat
		if err := json.Unmarshal([]byte(data), &b); err != nil || b.N != len(sent)+1 {
			t.Errorf("%q: %v", data, err)
		}
		sent = append(sent, b.At)
	}
	if len(sent) != api.Beats || sent[len(sent)-1].Sub(sent[0]) < (api.Beats-2)*api.BeatInterval {
		t.Errorf("%d events, sent at %v", len(sent), sent)
	}
}
