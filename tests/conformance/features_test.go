package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"
)

// features are the rules of what not every service has.
func features() []rule {
	ofAnthropic := func(r row) bool { return r.client == anthropic }
	ofClaudesCloud := func(r row) bool { return r.client == anthropic && (r.cloud == "bedrock" || r.cloud == "vertex") }
	ofOpenAI := func(r row) bool { return r.client == openai && r.native(openai) }
	return []rule{
		{"an image", nil, image},
		{"thinking", nil, thinking},
		{"an answer that follows a schema", nil, schema},
		{"the prompt cache's tokens", func(r row) bool { return r.client == anthropic && r.dialect(anthropic) == anthropic }, cached},
		{"tokens are counted", ofAnthropic, counted},
		{"betas and fields of Claude Code", ofAnthropic, claudeCode},
		{"an unknown beta is left out once and for all", ofClaudesCloud, unknownBeta},
		{"the Responses API passes unchanged", ofOpenAI, responses},
		{"embeddings pass unchanged", ofOpenAI, embeddings},
	}
}

// pixel is a PNG.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func image(t *testing.T, r row) {
	x := r.ask(t, question{text: "what is this", image: pixel})
	x.completed(t)
	if !strings.HasSuffix(x.told.text, "You said: what is this") {
		t.Errorf("text %q", x.told.text)
	}
	path, want := `messages.0.content.#(type=="image").source.data`, pixel
	if r.dialect(r.client) == openai {
		path, want = `messages.0.content.#(type=="image_url").image_url.url`, "data:image/png;base64,"+pixel
	}
	if got := x.last(path).Str; got != want {
		t.Errorf("the image arrived as %q in %s", got, x.wire[0].Body)
	}
}

func thinking(t *testing.T, r row) {
	for _, stream := range []bool{false, true} {
		// A service of the OpenAI dialect is made to think, whether or not it can be asked to.
		x := r.ask(t, question{text: "think hard [x-mock: reasoning=1]", think: true, maxTokens: 4000, stream: stream})
		x.completed(t)
		if x.told.thinking != "Let me think about what the user said." || !strings.Contains(x.told.text, "You said: think hard") {
			t.Errorf("thought %q, said %q, to %s", x.told.thinking, x.told.text, x.wire[len(x.wire)-1].Body)
		}
	}
}

// schema asks for JSON of a schema: a client gets that, or is told that it cannot have it, and never prose.
func schema(t *testing.T, r row) {
	for _, stream := range []bool{false, true} {
		x := r.ask(t, question{text: "how many inhabitants", schema: answerSchema, stream: stream})
		if x.told.status == http.StatusBadRequest {
			x.failed(t, http.StatusBadRequest, "invalid_request_error")
			if !strings.Contains(x.told.errorText, "output_config") {
				t.Errorf("told %q", x.told.errorText)
			}
			continue
		}
		x.completed(t)
		if !followsSchema(x.told.text) {
			t.Errorf("text %q, to %s", x.told.text, x.wire[len(x.wire)-1].Body)
		}
	}
}

func cached(t *testing.T, r row) {
	for _, stream := range []bool{false, true} {
		x := r.ask(t, question{system: strings.Repeat("Be terse. ", 50), cached: true, text: "hello", stream: stream})
		x.completed(t)
		if x.told.usage.cacheRead == 0 || x.told.usage.cacheWrite == 0 {
			t.Errorf("usage %+v", x.told.usage)
		}
	}
}

func counted(t *testing.T, r row) {
	q := question{text: strings.Repeat("how many words are these ", 20), tools: []string{"Bash"}, count: true}
	x := r.post(t, "/v1/messages/count_tokens", clientOf(r.client).body(r.model, q))
	got := int(gjson.Get(x.told.body, "input_tokens").Int())
	if x.told.status != http.StatusOK || got == 0 {
		t.Fatalf("%d %s", x.told.status, x.told.body)
	}
	if r.countPath() == "" {
		if len(x.wire) != 0 || got < len(x.sent)/4 {
			t.Errorf("%d tokens of %d bytes, sent %d times", got, len(x.sent), len(x.wire))
		}
		return
	}
	if len(x.wire) != 1 || x.wire[0].Path != r.countPath() || got != x.wire[0].Answer.Input {
		t.Fatalf("told %d, of %+v; want %s", got, x.wire, r.countPath())
	}
	x.checkCredential(t, x.wire[0])
	x.checkLedger(t)
	if x.ledger.Status != "completed" {
		t.Errorf("on record as %+v", x.ledger)
	}
}

// claudeCode sends what Claude Code does, which only Anthropic's own service takes as it is.
func claudeCode(t *testing.T, r row) {
	q := question{
		text: "hello", stream: true,
		betas: "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,prompt-caching-scope-2026-01-05," +
			"effort-2025-11-24",
		fields: `,"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"output_config":{"effort":"high"},"metadata":{"user_id":"{}"}`,
	}
	first := r.ask(t, q)
	first.completed(t)
	if second := r.ask(t, q); len(second.wire) != 1 {
		t.Errorf("sent %d times, the second time", len(second.wire))
	}
}

// unknownBeta sends a beta that no one has heard of: the service refuses it once.
func unknownBeta(t *testing.T, r row) {
	q := question{text: "hello", betas: "interleaved-thinking-2025-05-14,conformance-" + uuid.NewString()[:8]}
	first := r.ask(t, q)
	first.completed(t)
	if len(first.wire) != 2 || first.wire[0].Answer.Status != http.StatusBadRequest {
		t.Errorf("sent %d times: %+v", len(first.wire), first.wire)
	}
	second := r.ask(t, q)
	second.completed(t)
	if len(second.wire) != 1 {
		t.Errorf("sent %d times, the second time", len(second.wire))
	}
	kept := second.last("anthropic_beta").Raw + strings.Join(second.wire[0].Headers.Values("Anthropic-Beta"), ",")
	if !strings.Contains(kept, "interleaved-thinking-2025-05-14") || strings.Contains(kept, "conformance-") {
		t.Errorf("betas %s", kept)
	}
}

func responses(t *testing.T, r row) {
	for _, stream := range []bool{false, true} {
		x := r.post(t, "/v1/responses", fmt.Sprintf(`{"model":%q,"input":"hello","stream":%v}`, r.model, stream))
		x.passed(t, "/v1/responses")
		answer := gjson.Parse(x.told.body)
		if stream {
			_, last, _ := strings.Cut(x.told.body, "event: response.completed\ndata: ")
			answer = gjson.Get(last, "response")
		}
		if answer.Get("status").Str != "completed" || answer.Get("usage.output_tokens").Int() != int64(x.ledger.Output) {
			t.Errorf("answered %s, on record as %+v", x.told.body, x.ledger)
		}
	}
}

func embeddings(t *testing.T, r row) {
	x := r.post(t, "/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":["a","b"]}`, r.model))
	x.passed(t, "/v1/embeddings")
	if gjson.Get(x.told.body, "data.#").Int() != 2 || gjson.Get(x.told.body, "usage.prompt_tokens").Int() != int64(x.ledger.Input) {
		t.Errorf("answered %s, on record as %+v", x.told.body, x.ledger)
	}
}

// passed checks an exchange that needs no translation and has none.
func (x *exchange) passed(t *testing.T, path string) {
	t.Helper()
	if x.told.status != http.StatusOK || len(x.wire) != 1 || x.wire[0].Path != path || x.wire[0].Body != x.sent || x.ledger.Status != "completed" {
		t.Fatalf("%d %s\nto %+v\non record as %+v", x.told.status, x.told.body, x.wire, x.ledger)
	}
	x.checkCredential(t, x.wire[0])
	x.checkLedger(t)
}
