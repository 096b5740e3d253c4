package conformance

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// completed checks an exchange that went well: what was sent, what came back, what is on record.
func (x *exchange) completed(t *testing.T) {
	t.Helper()
	if x.told.status != http.StatusOK || !x.told.whole || x.told.errorKind != "" || x.told.torn {
		t.Fatalf("no complete answer: %d\n%s\nto\n%s", x.told.status, x.told.body, x.sent)
	}
	if len(x.wire) == 0 {
		t.Fatal("nothing reached the backend")
	}
	x.checkWire(t)
	said := x.wire[len(x.wire)-1].Answer
	want := tokens{said.Input, said.CacheRead, said.CacheWrite, said.Output}
	if l := x.ledger; l.Status != "completed" || l.Estimated || (tokens{l.Input, l.CacheRead, l.CacheWrite, l.Output}) != want {
		t.Errorf("the ledger has %+v, the backend said %+v", l, said)
	}
	if x.client == openai { // which has no word for what is written to a cache
		want.input, want.cacheWrite = want.input+want.cacheWrite, 0
	}
	if x.told.usage != want {
		t.Errorf("the client was told a usage of %+v, the backend said %+v", x.told.usage, said)
	}
	x.checkLedger(t)
}

// failed checks an exchange that ended badly: the client must not take its answer as complete.
func (x *exchange) failed(t *testing.T, status int, kinds ...string) {
	t.Helper()
	if x.told.status != status || x.told.whole || x.told.errorKind == "" || x.told.errorText == "" {
		t.Fatalf("answered %d, want an error and %d:\n%s", x.told.status, status, x.told.body)
	}
	matches := false
	for _, kind := range kinds {
		matches = matches || x.told.errorKind == kind
	}
	if x.client == anthropic && !matches {
		t.Errorf("the error is a %s, want one of %q", x.told.errorKind, kinds)
	}
	if x.told.torn && (x.dialect(x.client) != x.client || x.cloud == "bedrock") {
		t.Errorf("an event is cut off: %s", x.told.body)
	}
	if x.ledger.Status != "failed" {
		t.Errorf("on record as %q", x.ledger.Status)
	}
	x.checkWire(t)
	x.checkLedger(t)
}

func (x *exchange) checkLedger(t *testing.T) {
	t.Helper()
	if l := x.ledger; l.Backend != x.route || l.ModelRouted != x.routed || l.Attempts != len(x.wire) {
		t.Errorf("the ledger names %s, %s, %d attempts; it was sent to %s for %s, %d times", l.Backend, l.ModelRouted, l.Attempts, x.route, x.routed, len(x.wire))
	}
}

// checkWire checks every sending of a request: where it went, as whom, and what was in it.
func (x *exchange) checkWire(t *testing.T) {
	t.Helper()
	for _, sent := range x.wire {
		if want := x.path(x.client, x.stream); sent.Method != http.MethodPost || sent.Path != want {
			t.Errorf("sent %s %s, want POST %s", sent.Method, sent.Path, want)
		}
		x.checkCredential(t, sent)
		x.checkBody(t, sent.Body)
	}
}

func (x *exchange) checkCredential(t *testing.T, sent stacktest.ModelRequest) {
	t.Helper()
	if got := sent.Headers.Get("Authorization"); !strings.HasPrefix(got, x.credential) {
		t.Errorf("the credential is %q, want %s…", got, x.credential)
	}
	if sent.GatewayRequestID != x.told.id || x.told.id == "" {
		t.Errorf("X-Gateway-Request-Id is %q, the client was told %q", sent.GatewayRequestID, x.told.id)
	}
	everything, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(everything), x.token) || sent.Headers.Get("X-Api-Key") != "" {
		t.Error("the user's token went to the backend")
	}
}

// checkBody checks the fields that a service insists on.
func (x *exchange) checkBody(t *testing.T, body string) {
	t.Helper()
	if x.native(x.client) && body != x.sent {
		t.Errorf("the body did not pass unchanged: sent\n%s\nof\n%s", body, x.sent)
	}
	want := map[string]string{"model": `"` + x.routed + `"`, "anthropic_version": ""}
	switch x.cloud {
	case "bedrock":
		want = map[string]string{"anthropic_version": `"bedrock-2023-05-31"`, "model": "", "stream": ""}
	case "vertex":
		want = map[string]string{"anthropic_version": `"vertex-2023-10-16"`, "model": ""}
	}
	if x.cloud != "bedrock" && x.stream {
		want["stream"] = "true"
	}
	if x.dialect(x.client) == openai && x.stream {
		want["stream_options.include_usage"] = "true"
	}
	for field, value := range want {
		if got := gjson.Get(body, field).Raw; got != value {
			t.Errorf("%s is %s, want %s, in %s", field, got, value, body)
		}
	}
}

// stopped checks the reason to stop, which each dialect has its own word for.
func (x *exchange) stopped(t *testing.T, inAnthropic, inOpenAI string) {
	t.Helper()
	want := inAnthropic
	if x.client == openai {
		want = inOpenAI
	}
	if x.told.stop != want {
		t.Errorf("stopped for %q, want %q", x.told.stop, want)
	}
}

// last is the body as the backend finally took it.
func (x *exchange) last(path string) gjson.Result {
	return gjson.Get(x.wire[len(x.wire)-1].Body, path)
}

func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Errorf("no JSON: %q", got)
		return false
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(a, b)
}
