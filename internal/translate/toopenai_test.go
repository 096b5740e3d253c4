package translate

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestAMessagesRequestBecomesAChatCompletion(t *testing.T) {
	eachGolden(t, "toopenai", func(t *testing.T, g *golden) {
		opts := Options{Model: "gpt-test", StreamUsage: true}
		if g.has("options.json") {
			if err := json.Unmarshal(g.section("options.json"), &opts); err != nil {
				t.Fatal(err)
			}
		}
		call, err := Request(gateway.Anthropic, g.section("request.json"), opts)
		if err != nil {
			g.check(t, "error", invalid(t, err).Message)
			return
		}
		g.checkJSON(t, "want.json", call.Body)
		g.check(t, "dropped", strings.Join(call.Dropped, "\n"))
		g.check(t, "error", "")
		if g.has("reply.json") {
			reply, err := json.Marshal(call.Reply)
			if err != nil {
				t.Fatal(err)
			}
			g.checkJSON(t, "reply.json", reply)
		}
	})
}

// invalid is the error as a client has to get it: Invalid, and not to be tried again.
func invalid(t testing.TB, err error) *gateway.Error {
	t.Helper()
	var e *gateway.Error
	if !errors.As(err, &e) || e.Code != gateway.Invalid || !e.NoRetry {
		t.Fatalf("%v is no Invalid error against a retry", err)
	}
	return e
}

func TestWhatIsNoMessagesRequestIsRefused(t *testing.T) {
	const user = `{"role":"user","content":"hi"}`
	for _, test := range []struct{ body, want string }{
		{``, "body: "},
		{`[]`, "body: "},
		{`{"messages":[`, "body: "},
		{`{"messages":[{"role":"user","content":"a\qb"}]}`, "body: "},
		{strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat(`}`, 1000), "body: "},
		{`{}`, "messages: "},
		{`{"messages":"hi"}`, "messages: "},
		{`{"messages":[]}`, "messages: "},
		{`{"messages":[` + user + `],"messages":[` + user + `]}`, "messages: is given twice"},
		{`{"messages":["hi"]}`, "messages.0: "},
		{`{"messages":[{"role":"user"}]}`, "messages.0.content: "},
		{`{"messages":[{"role":"user","content":5}]}`, "messages.0.content: "},
		{`{"messages":[{"role":"tool","content":"x"}]}`, "messages.0.role: "},
		{`{"messages":[{"role":"user","content":[5]}]}`, "messages.0.content.0: "},
		{`{"messages":[{"role":"user","content":[{"type":"text"}]}]}`, "messages.0.content.0.text: "},
		{`{"messages":[{"role":"user","content":[{"type":"image"}]}]}`, "messages.0.content.0.source.type: "},
		{`{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":1}}]}]}`, "messages.0.content.0.source: "},
		{`{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url"}}]}]}`, "messages.0.content.0.source.url: "},
		{`{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}]}`, "messages.0.content.0.source.type: "},
		{`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"u"}}]}]}`, "messages.0.content.0.source.type: "},
		{`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text"}}]}]}`, "messages.0.content.0.source.data: "},
		{`{"messages":[{"role":"user","content":[{"type":"tool_result","content":"x"}]}]}`, "messages.0.content.0.tool_use_id: "},
		{`{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":5}]}]}`, "messages.0.content.0.content: "},
		{
			`{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"search_result"}]}]}]}`,
			"messages.0.content.0.content.0: ",
		},
		{`{"messages":[{"role":"assistant","content":[{"type":"tool_use","name":"n","input":{}}]}]}`, "messages.0.content.0.id: "},
		{`{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","input":{}}]}]}`, "messages.0.content.0.name: "},
		{`{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":"{}"}]}]}`, "messages.0.content.0.input: "},
		{`{"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"s"}]}]}`, "messages.0.content.0: "},
		{`{"messages":[{"role":"system","content":[{"type":"image"}]}]}`, "messages.0.content.0: "},
		{`{"system":5,"messages":[` + user + `]}`, "system: "},
		{`{"system":[{"type":"image"}],"messages":[` + user + `]}`, "system.0: "},
		{`{"system":[{"type":"text","text":5}],"messages":[` + user + `]}`, "system.0.text: "},
		{`{"tools":{},"messages":[` + user + `]}`, "tools: "},
		{`{"tools":5,"messages":[` + user + `]}`, "tools: "},
		{`{"tools":[{"input_schema":{}}],"messages":[` + user + `]}`, "tools.0.name: "},
		{`{"tools":[{"name":"n"}],"messages":[` + user + `]}`, "tools.0.input_schema: "},
		{`{"tools":[{"name":"n","input_schema":{}}],"tool_choice":"auto","messages":[` + user + `]}`, "tool_choice: "},
		{`{"tools":[{"name":"n","input_schema":{}}],"tool_choice":{"type":"tool"},"messages":[` + user + `]}`, "tool_choice: "},
		{`{"thinking":{"type":"sometimes"},"messages":[` + user + `]}`, "thinking.type: "},
		{`{"output_config":{"effort":"extreme"},"messages":[` + user + `]}`, "output_config.effort: "},
		{`{"output_config":{"format":{"type":"json_object"}},"messages":[` + user + `]}`, "output_config.format: "},
		{`{"output_format":{"type":"json_schema"},"messages":[` + user + `]}`, "output_format: "},
		{`{"stop_sequences":"x","messages":[` + user + `]}`, "stop_sequences: "},
		{`{"stop_sequences":[1],"messages":[` + user + `]}`, "stop_sequences.0: "},
		{`{"max_tokens":"many","messages":[` + user + `]}`, "max_tokens: "},
		{`{"temperature":[],"messages":[` + user + `]}`, "temperature: "},
		{`{"mcp_servers":[{"url":"u"}],"messages":[` + user + `]}`, "mcp_servers: "},
		{`{"container":"c","messages":[` + user + `]}`, "container: "},
		{`{"inference_geo":"eu","messages":[` + user + `]}`, "inference_geo: "},
		{`{"thread":{"type":"create"},"messages":[` + user + `]}`, "thread: "},
	} {
		_, err := Request(gateway.Anthropic, []byte(test.body), Options{Model: "m"})
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%.200s is refused: %v", test.body, err)
		case test.want != "" && err == nil:
			t.Errorf("%.200s is not refused", test.body)
		case test.want != "" && !strings.HasPrefix(invalid(t, err).Message, test.want):
			t.Errorf("%.200s: %v, want the path %s", test.body, err, test.want)
		}
	}
}

func FuzzToOpenAI(f *testing.F) {
	for _, g := range everyGolden(f, "toopenai") {
		f.Add(g.section("request.json"))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		call, err := Request(gateway.Anthropic, body, Options{Model: "m", StreamUsage: true, Reasoning: true})
		if err != nil {
			_ = invalid(t, err)
			return
		}
		var request struct {
			Model    string
			Messages []struct {
				Role      string
				ToolCalls []json.RawMessage `json:"tool_calls"`
			}
		}
		if err := json.Unmarshal(call.Body, &request); err != nil || request.Model != "m" || len(request.Messages) == 0 {
			t.Fatalf("%v: %s", err, call.Body)
		}
	})
}

func BenchmarkToOpenAI(b *testing.B) {
	body := readGolden(b, "testdata/toopenai/a-turn-of-claude-code.txtar").section("request.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Request(gateway.Anthropic, body, Options{Model: "m"}); err != nil {
			b.Fatal(err)
		}
	}
}
