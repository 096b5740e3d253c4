package backend

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// passed is what a filter lets through of a call: the betas, and the body.
func passed(t *testing.T, f *filter, c Call) (string, string) {
	t.Helper()
	header := requestHeader(c)
	sent := c.Body.Hold().edit(f.leaveOut(c, header), "")
	defer sent.Release()
	return strings.Join(header["Anthropic-Beta"], "|"), string(sent.Bytes())
}

func call(t *testing.T, id, betas, text string) Call {
	t.Helper()
	var pool Pool
	header := http.Header{}
	if betas != "" {
		header.Set("Anthropic-Beta", betas)
	}
	return Call{ID: id, Endpoint: gateway.Messages, Model: "m", Header: header, Body: body(t, &pool, text)}
}

func TestABetaAndItsFieldsAreDroppedTogether(t *testing.T) {
	const text = `{"model":"m","context_management":{"edits":[]},"output_config":{"effort":"low","format":{}},"tools":[{"name":"t","defer_loading":true,"strict":true}],` +
		`"system":[{"cache_control":{"type":"ephemeral","scope":"global"}}],"mine":1}`
	for name, c := range map[string]struct {
		cfg             config.Betas
		betas           string
		wantBetas, gone string // gone: parts of the text that are missing, separated by "|"
	}{
		"nothing is configured":        {betas: "a,context-management-2025-06-27", wantBetas: "a,context-management-2025-06-27"},
		"one that is not sent":         {cfg: config.Betas{Drop: []string{"effort-2025-11-24"}}, betas: "a", wantBetas: "a"},
		"one without fields":           {cfg: config.Betas{Drop: []string{"interleaved-thinking-2025-05-14"}}, betas: "a, interleaved-thinking-2025-05-14,b", wantBetas: "a,b"},
		"one with a field":             {cfg: config.Betas{Drop: []string{"context-management-2025-06-27"}}, betas: "context-management-2025-06-27", gone: `"context_management":{"edits":[]},`},
		"one with a field further in":  {cfg: config.Betas{Drop: []string{"effort-2025-11-24"}}, betas: "effort-2025-11-24", gone: `"effort":"low",`},
		"one with a scope":             {cfg: config.Betas{Drop: []string{"prompt-caching-scope-2026-01-05"}}, betas: "prompt-caching-scope-2026-01-05", gone: `,"scope":"global"`},
		"a later version of a feature": {cfg: config.Betas{Drop: []string{"effort-2027-01-01"}}, betas: "effort-2027-01-01", gone: `"effort":"low",`},
		"a field that another keeps": {
			cfg:   config.Betas{Drop: []string{"advanced-tool-use-2025-11-20"}},
			betas: "advanced-tool-use-2025-11-20,tool-search-tool-2025-10-19", wantBetas: "tool-search-tool-2025-10-19",
		},
		"all but one": {
			cfg:   config.Betas{Drop: []string{"*"}, Keep: []string{"effort-2025-11-24"}},
			betas: "a,effort-2025-11-24,structured-outputs-2025-11-13", wantBetas: "effort-2025-11-24", gone: `,"strict":true`,
		},
		"a field of the operator's": {
			cfg:   config.Betas{Drop: []string{"mine-2026-01-01"}, Fields: map[string][]string{"mine-2026-01-01": {"mine"}}},
			betas: "mine-2026-01-01", gone: `,"mine":1`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := text
			for part := range strings.SplitSeq(c.gone, "|") {
				want = strings.Replace(want, part, "", 1)
			}
			betas, sent := passed(t, newFilter(c.cfg), call(t, "1", c.betas, text))
			if betas != c.wantBetas || sent != want {
				t.Errorf("betas %q, want %q\nsent %s\nwant %s", betas, c.wantBetas, sent, want)
			}
		})
	}
}

func TestWhatABackendRefusesByNameIsLeftOutFromThenOn(t *testing.T) {
	const text = `{"model":"m","messages":[{"content":[{"text":"t","cache_control":{"type":"ephemeral","scope":"x"}}]}],"context_management":{},"output_config":{"effort":"low"},` +
		`"tools":[{"name":"a"},{"name":"t","defer_loading":true}],"thinking":{"type":"adaptive","block_binding":{}}}`
	const all = "a-2025-01-01,context-management-2025-06-27,effort-2025-11-24"
	for name, c := range map[string]struct {
		message   string
		keep      []string
		learns    bool
		wantBetas string
		gone      string
	}{
		"a beta":                 {message: "Unexpected value(s) `a-2025-01-01` for the `anthropic-beta` header. Please consult our documentation.", learns: true, wantBetas: "context-management-2025-06-27,effort-2025-11-24"},
		"two, with their fields": {message: "Unexpected value(s) `a-2025-01-01`, `context-management-2025-06-27` for the `anthropic-beta` header", learns: true, wantBetas: "effort-2025-11-24", gone: `"context_management":{},`},
		"a beta not sent":        {message: "Unexpected value(s) `b` for the `anthropic-beta` header", wantBetas: all},
		"no name":                {message: "invalid beta flag", learns: true, gone: `"context_management":{},|"output_config":{"effort":"low"},`},
		"no name, one kept":      {message: "The model returned the following errors: invalid beta flag", keep: []string{"effort-2025-11-24"}, learns: true, wantBetas: "effort-2025-11-24", gone: `"context_management":{},`},
		"Bedrock with a name":    {message: "invalid beta flag: a-2025-01-01", learns: true, wantBetas: "context-management-2025-06-27,effort-2025-11-24"},
		"a field":                {message: "context_management: Extra inputs are not permitted", learns: true, wantBetas: "a-2025-01-01,effort-2025-11-24", gone: `"context_management":{},`},
		"a field of a tool":      {message: "tools.1.custom.defer_loading: Extra inputs are not permitted", learns: true, wantBetas: all, gone: `,"defer_loading":true`},
		"a field of a block":     {message: "messages.0.content.0.text.cache_control.ephemeral.scope: Extra inputs are not permitted", learns: true, wantBetas: all, gone: `,"scope":"x"`},
		"one inside thinking":    {message: "thinking.adaptive.block_binding: Extra inputs are not permitted", learns: true, wantBetas: all, gone: `,"block_binding":{}`},
		"an object of fields":    {message: "output_config: Extra inputs are not permitted", learns: true, wantBetas: "a-2025-01-01,context-management-2025-06-27", gone: `"output_config":{"effort":"low"},`},
		"two fields":             {message: "context_management: Extra inputs are not permitted\noutput_config.effort: Extra inputs are not permitted", learns: true, wantBetas: "a-2025-01-01", gone: `"context_management":{},|"output_config":{"effort":"low"},`},
		"Bedrock's own schema":   {message: "Malformed input request: #: extraneous key [context_management] is not permitted, please reformat your input and try again.", learns: true, wantBetas: "a-2025-01-01,effort-2025-11-24", gone: `"context_management":{},`},
		"the same, further in":   {message: "Malformed input request: #/tools/1: extraneous key [defer_loading] is not permitted, please reformat your input and try again.", learns: true, wantBetas: all, gone: `,"defer_loading":true`},
		"a field not sent":       {message: "output_format: Extra inputs are not permitted", wantBetas: all},
		"a field of no beta":     {message: "messages.0.content.0.text: Extra inputs are not permitted", wantBetas: all},
		"the prompt itself":      {message: "messages: Extra inputs are not permitted", wantBetas: all},
		"what a user wrote":      {message: "tools.0: Input tag 'context_management: Extra inputs are not permitted' found", wantBetas: all},
		"also what a user wrote": {message: "a b\ncontext_management: Extra inputs are not permitted", wantBetas: all},
		"something else":         {message: "prompt is too long: 2 tokens > 1 maximum", wantBetas: all},
		"nothing":                {wantBetas: all},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFilter(config.Betas{Keep: c.keep})
			first := call(t, "1", all, text)
			answer := fmt.Appendf(nil, `{"type":"error","error":{"type":"invalid_request_error","message":%s}}`, quote(c.message))
			if got := f.Learn(first, answer); got != c.learns {
				t.Errorf("learns %v, want %v", got, c.learns)
			}
			if f.Learn(first, answer) {
				t.Error("the same call is told to try again twice")
			}
			if also := call(t, "2", all, text); f.Learn(also, answer) != c.learns {
				t.Error("a call that was under way beside it is not told the same")
			}
			want := text
			for part := range strings.SplitSeq(c.gone, "|") {
				want = strings.Replace(want, part, "", 1)
			}
			if betas, sent := passed(t, f, call(t, "3", all, text)); betas != c.wantBetas || sent != want {
				t.Errorf("betas %q, want %q\nsent %s\nwant %s", betas, c.wantBetas, sent, want)
			}
			other := call(t, "4", all, text)
			if other.Model = "another"; true {
				if betas, sent := passed(t, f, other); betas != all || sent != text {
					t.Errorf("another model is sent %q %s", betas, sent)
				}
			}
		})
	}
}

func TestNothingIsLearntOfTheOtherDialect(t *testing.T) {
	f := newFilter(config.Betas{Drop: []string{"*"}})
	c := call(t, "1", "a", `{"context_management":{}}`)
	c.Endpoint = gateway.Chat
	if f.Learn(c, []byte(`{"error":{"message":"context_management: Extra inputs are not permitted"}}`)) {
		t.Error("it was")
	}
	if _, sent := passed(t, f, c); sent != `{"context_management":{}}` {
		t.Errorf("sent %s", sent)
	}
}

func TestAFilterWithNothingToDropCostsNothing(t *testing.T) {
	f := newFilter(config.Betas{})
	c := call(t, "1", "a,b", `{"model":"m"}`)
	header := requestHeader(c)
	if n := testing.AllocsPerRun(100, func() {
		if c.Body.edit(f.leaveOut(c, header), "") != c.Body {
			t.Error("the body was replaced")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAFilterIsSharedByManyAndItsMemoryIsBounded(t *testing.T) {
	f := newFilter(config.Betas{})
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 400 {
				c := call(t, fmt.Sprint(worker, i), fmt.Sprintf("x-%d", i), `{}`)
				c.Model = fmt.Sprint("m", i%(maxModels+50))
				if !f.Learn(c, []byte(`{"error":{"message":"invalid beta flag"}}`)) {
					t.Error("not learnt")
				}
				passed(t, f, c)
			}
		})
	}
	all.Wait()
	for i := range 2 * maxRefused {
		f.Learn(call(t, fmt.Sprint(i), fmt.Sprintf("y-%d", i), `{}`), []byte(`{"error":{"message":"invalid beta flag"}}`))
	}
	if learnt := *f.learnt.Load(); len(learnt) > maxModels || len(f.of("m").betas) > maxRefused {
		t.Errorf("%d models, %d betas of one", len(learnt), len(f.of("m").betas))
	}
	if last := call(t, "z", fmt.Sprintf("y-%d", 2*maxRefused-1), `{}`); true {
		if betas, _ := passed(t, f, last); betas != "" {
			t.Errorf("the last is forgotten: %q", betas)
		}
	}
}

func TestTheSchemaOfAnAnswerIsNeverLeftOut(t *testing.T) {
	for _, message := range []string{"output_config.format: Extra inputs are not permitted", "output_config: Extra inputs are not permitted", "output_format: Extra inputs are not permitted"} {
		f := newFilter(config.Betas{})
		c := Call{
			ID: "1", Endpoint: gateway.Messages, Model: "m", Header: http.Header{"Anthropic-Beta": {"structured-outputs-2025-11-13"}},
			Body: NewBody([]byte(`{"model":"m","output_config":{"effort":"low","format":{"type":"json_schema"}},"output_format":{}}`)),
		}
		if f.Learn(c, []byte(`{"error":{"message":"`+message+`"}}`)) {
			t.Errorf("%q was learnt: the answer would not follow the schema, and nobody would know", message)
		}
	}
}

// What was learnt from a request without a schema does not take the schema from another.
func TestWhatIsLearntElsewhereDoesNotTakeTheSchema(t *testing.T) {
	f := newFilter(config.Betas{})
	call := func(body string) Call {
		return Call{ID: "1", Endpoint: gateway.Messages, Model: "m", Header: http.Header{}, Body: NewBody([]byte(body))}
	}
	if !f.Learn(call(`{"output_config":{"effort":"low"}}`), []byte(`{"error":{"message":"output_config: Extra inputs are not permitted"}}`)) {
		t.Fatal("nothing was learnt")
	}
	if got := f.leaveOut(call(`{"output_config":{"effort":"low"}}`), http.Header{}); !slices.Equal(got, []string{"output_config"}) {
		t.Errorf("without a schema: leaves out %v", got)
	}
	if got := f.leaveOut(call(`{"output_config":{"effort":"low","format":{}}}`), http.Header{}); len(got) > 0 {
		t.Errorf("with a schema: leaves out %v", got)
	}
}

func TestBetasThatACredentialWantsAreAdded(t *testing.T) {
	f := newFilter(config.Betas{Add: []string{"oauth-1", "a"}})
	for sent, want := range map[string]string{"": "oauth-1,a", "a, b": "a,b,oauth-1"} {
		header := http.Header{}
		if sent != "" {
			header.Set("Anthropic-Beta", sent)
		}
		f.putIn(Call{Endpoint: gateway.Messages}, header)
		if got := header.Get("Anthropic-Beta"); got != want {
			t.Errorf("%q becomes %q, want %q", sent, got, want)
		}
	}
	header := http.Header{}
	if f.putIn(Call{Endpoint: gateway.Chat}, header); len(header) > 0 {
		t.Errorf("in the other dialect: %v", header)
	}
}
