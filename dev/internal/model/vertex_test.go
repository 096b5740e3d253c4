package model

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/tidwall/gjson"
)

const (
	claudeOnVertex = "/v1/projects/p/locations/l/publishers/anthropic/models/"
	geminiOnVertex = "/v1/projects/p/locations/l/endpoints/openapi/chat/completions"
)

// google is a mock of Vertex AI and the key of its service account.
type google struct {
	url   string
	key   *rsa.PrivateKey
	token string
}

func serveVertex(t *testing.T) google {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := google{key: key}
	g.url = serveAs(t, Config{Provider: Vertex, Google: &GoogleAccount{Email: "a@b", Key: &key.PublicKey, TokenURI: "https://token"}})
	g.token = gjson.Get(read(t, g.assert(t, nil)), "access_token").Str
	return g
}

// assert exchanges an assertion for a token.
func (g google) assert(t *testing.T, change func(claims map[string]any)) *http.Response {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: g.key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{
		"iss": "a@b", "aud": "https://token", "scope": cloudScope,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if change != nil {
		change(claims)
	}
	assertion, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {assertionGrant}, "assertion": {assertion}}
	return call(t, "POST", g.url+tokenPath, form.Encode(), "content-type", "application/x-www-form-urlencoded")
}

func (g google) call(t *testing.T, path, body string, headers ...string) *http.Response {
	t.Helper()
	return call(t, "POST", g.url+path, body, append(headers, "authorization", "Bearer "+g.token)...)
}

func prediction(text, more string) string {
	return strings.Replace(invocation(text, more), bedrockVersion, vertexVersion, 1)
}

func TestTokenIsGivenForAGoodAssertionOnly(t *testing.T) {
	g := serveVertex(t)
	if !strings.HasPrefix(g.token, "ya29.") {
		t.Fatalf("token %q", g.token)
	}
	for name, change := range map[string]func(map[string]any){
		"of another account":        func(c map[string]any) { c["iss"] = "other" },
		"for another audience":      func(c map[string]any) { c["aud"] = "https://elsewhere" },
		"that has expired":          func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
		"without the cloud's scope": func(c map[string]any) { c["scope"] = "email" },
	} {
		if response := g.assert(t, change); response.StatusCode != 400 || gjson.Get(read(t, response), "error").Str != "invalid_grant" {
			t.Errorf("an assertion %s: %d", name, response.StatusCode)
		}
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g.key = other
	if response := g.assert(t, nil); response.StatusCode != 400 {
		t.Errorf("signed with another key: %d", response.StatusCode)
	}
	g.token = "ya29.made-up"
	if response := g.call(t, claudeOnVertex+"m:rawPredict", prediction("x", "")); response.StatusCode != 401 || gjson.Get(read(t, response), "error.status").Str != "UNAUTHENTICATED" {
		t.Errorf("a made-up token: %d", response.StatusCode)
	}
}

func TestVertexSpeaksTheDialectOfEachModel(t *testing.T) {
	g := serveVertex(t)
	list := events(t, read(t, g.call(t, claudeOnVertex+"claude-sonnet-5-5@20250929:streamRawPredict", prediction("hello", streaming))))
	if got := names(list); !strings.HasPrefix(got, "vertex_event message_start ") || !strings.HasSuffix(got, " message_stop") {
		t.Errorf("events: %s", got)
	}
	if got := gather(list, "delta.text"); got != "This is claude-sonnet-5-5-20250929. You said: hello" {
		t.Errorf("text %q", got)
	}
	whole := read(t, g.call(t, claudeOnVertex+"claude-sonnet-5-5@20250929:rawPredict", prediction("hello", "")))
	if gjson.Get(whole, "content.0.text").Str != gather(list, "delta.text") {
		t.Errorf("whole: %s", whole)
	}
	count := read(t, g.call(t, claudeOnVertex+"count-tokens:rawPredict", prediction("hello", `,"model":"claude-sonnet-5-5"`)))
	if gjson.Get(count, "input_tokens").Int() < 1 {
		t.Errorf("count: %s", count)
	}
	chunks := events(t, read(t, g.call(t, geminiOnVertex, chat("hello", streaming))))
	if got := gather(chunks, "choices.0.delta.content"); got != "This is gpt-oss-120b. You said: hello" || chunks[len(chunks)-1].data != "[DONE]" {
		t.Errorf("gemini: %v", chunks)
	}
}

func TestVertexRefusesInTheWordsOfWhoeverRefuses(t *testing.T) {
	g := serveVertex(t)
	raw, stream := claudeOnVertex+"m:rawPredict", claudeOnVertex+"m:streamRawPredict"
	for _, c := range []struct {
		name, path, body string
		status           int
		field, says      string
	}{
		{"the model in the body", raw, prediction("x", `,"model":"m"`), 400, "error.message", "model: Extra inputs are not permitted"},
		{"a beta's field", raw, prediction("x", `,"output_config":{}`), 400, "error.message", "output_config: Extra inputs are not permitted"},
		{"the version", raw, invocation("x", ""), 400, "error.message", "anthropic_version: Field required, and it must be vertex-2023-10-16"},
		{"too much", raw, prediction("[x-mock: status=429]", ""), 429, "error.status", "RESOURCE_EXHAUSTED"},
		{"too much, of a stream", stream, prediction("[x-mock: status=429]", streaming), 429, "0.error.status", "RESOURCE_EXHAUSTED"},
		{"overloaded", stream, prediction("[x-mock: status=529]", streaming), 529, "error.type", "overloaded_error"},
		{"gemini", geminiOnVertex, chat("[x-mock: status=503]", ""), 503, "0.error.status", "UNAVAILABLE"},
		{"an unknown verb", claudeOnVertex + "m:predict", prediction("x", ""), 404, "error.status", "NOT_FOUND"},
	} {
		response := g.call(t, c.path, c.body)
		if body := read(t, response); response.StatusCode != c.status || gjson.Get(body, c.field).Str != c.says {
			t.Errorf("%s: %d %s", c.name, response.StatusCode, body)
		}
	}
	response := g.call(t, raw, prediction("x", ""), "anthropic-beta", "context-1m-2025-08-07, new-2027-01-01")
	if body := read(t, response); response.StatusCode != 400 || !strings.Contains(body, "Unexpected value(s) `new-2027-01-01` for the `anthropic-beta` header") {
		t.Errorf("an unknown beta: %d %s", response.StatusCode, body)
	}
}

func TestProvidersServeTheirDialectOnly(t *testing.T) {
	for provider, foreign := range map[Provider]string{OpenAI: "/v1/messages", Anthropic: "/v1/chat/completions"} {
		base := serveAs(t, Config{Provider: provider, Token: token})
		own := "/v1/chat/completions"
		if foreign == own {
			own = "/v1/messages"
		}
		if got := call(t, "POST", base+foreign, message("x", "")).StatusCode; got != 404 {
			t.Errorf("%s answers %s with %d", provider, foreign, got)
		}
		if got := call(t, "POST", base+own, message("x", "")).StatusCode; got != 200 {
			t.Errorf("%s answers %s with %d", provider, own, got)
		}
	}
}
