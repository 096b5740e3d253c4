package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// options are those of a case; without its section, those that most of them have.
func options(t testing.TB, g *golden) Options {
	t.Helper()
	opts := Options{Model: "claude-sonnet-4-5-20250929", MaxTokens: 8000}
	if g.has("options.json") {
		opts = Options{}
		if err := json.Unmarshal(g.section("options.json"), &opts); err != nil {
			t.Fatal(err)
		}
	}
	return opts
}

func TestRequestsOfOpenAIClientsBecomeAnthropics(t *testing.T) {
	eachGolden(t, "toanthropic", func(t *testing.T, g *golden) {
		call, err := toAnthropic(g.section("request.json"), options(t, g))
		if err != nil {
			t.Fatal(err)
		}
		g.checkJSON(t, "want.json", call.Body)
		g.check(t, "dropped", strings.Join(call.Dropped, "\n"))
	})
}

func TestTheAnswerIsToldAsTheRequestAsks(t *testing.T) {
	call, err := toAnthropic([]byte(`{"model":"x","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":true},"messages":[{"role":"user","content":"hi"}]}`), Options{Model: "claude-opus-4-6"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Reply{Stream: true, IncludeUsage: true, Model: "claude-opus-4-6"}); call.Reply != want {
		t.Errorf("%+v, want %+v", call.Reply, want)
	}
	if len(call.Dropped) != 1 || call.Dropped[0] != "stream_options.include_obfuscation" {
		t.Errorf("dropped %q", call.Dropped)
	}
}

func TestWhatCannotBeTranslatedIsRefusedByName(t *testing.T) {
	messages := func(message string) string { return `{"messages":[{"role":"user","content":"hi"},` + message + `]}` }
	with := func(field string) string { return `{"messages":[{"role":"user","content":"hi"}],` + field + `}` }
	for _, c := range []struct{ name, body, message string }{
		{"no JSON", `{"messages":`, "body: "},
		{"a bad escape", `{"messages":[{"role":"user","content":"\x"}]}`, "body: is not well-formed JSON"},
		{"an array", `[]`, "body: "},
		{"no messages", `{}`, "messages: must be an array"},
		{"messages that are an object", `{"messages":{}}`, "messages: must be an array"},
		{"messages without any", `{"messages":[]}`, "messages: must hold at least one user message"},
		{"system messages only", `{"messages":[{"role":"system","content":"be kind"}]}`, "messages: must hold at least one user message"},
		{"a message that is a string", messages(`"hi"`), "messages.1: must be an object"},
		{"an unknown role", messages(`{"role":"robot","content":"hi"}`), `messages.1.role: must be system, developer, user, assistant or tool, not "robot"`},
		{"a function's result", messages(`{"role":"function","name":"f","content":"1"}`), "messages.1.role: functions are given and called as tools"},
		{"content that is a number", messages(`{"role":"user","content":1}`), "messages.1.content: must be a string or an array of parts"},
		{"no content", messages(`{"role":"user"}`), "messages.1.content: must be"},
		{"a part that is a string", messages(`{"role":"user","content":["hi"]}`), "messages.1.content.0.type: must be text, image_url or file"},
		{"text that is a number", messages(`{"role":"user","content":[{"type":"text","text":1}]}`), "messages.1.content.0.text: must be a string"},
		{"sound", messages(`{"role":"user","content":[{"type":"text","text":"listen"},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}`), "messages.1.content.1.type: this model does not listen"},
		{"an image the system shows", `{"messages":[{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://a.b/c"}}]}]}`, "messages.0.content.0.type: must be text here"},
		{"an image without a URL", messages(`{"role":"user","content":[{"type":"image_url","image_url":{}}]}`), "messages.1.content.0.image_url.url: must be a string"},
		{"an image of a kind that no model sees", messages(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/tiff;base64,AAAA"}}]}`), `messages.1.content.0.image_url.url: must be a JPEG, PNG, GIF or WebP image, not "image/tiff"`},
		{"an image by another scheme", messages(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}`), "messages.1.content.0.image_url.url: must be a data URL"},
		{"an image that breaks out of its string", messages(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA\",\"x\":\""}}]}`), "messages.1.content.0.image_url.url: the data is not base64"},
		{"a stored file", messages(`{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}`), "messages.1.content.0.file.file_id: this model cannot see files stored elsewhere"},
		{"a file that is no PDF", messages(`{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/csv;base64,AAAA"}}]}`), `messages.1.content.0.file.file_data: must be a PDF, not "text/csv"`},
		{"a file without data", messages(`{"role":"user","content":[{"type":"file","file":{}}]}`), "messages.1.content.0.file.file_data: must be a data URL"},
		{"an answer spoken before", messages(`{"role":"assistant","audio":{"id":"audio_1"}}`), "messages.1.audio: "},
		{"a function called before", messages(`{"role":"assistant","function_call":{"name":"f","arguments":"{}"}}`), "messages.1.function_call: "},
		{"calls that are an object", messages(`{"role":"assistant","tool_calls":{}}`), "messages.1.tool_calls: must be an array"},
		{"a call of another type", messages(`{"role":"assistant","tool_calls":[{"id":"a","type":"custom","custom":{"name":"f","input":"x"}}]}`), `messages.1.tool_calls.0.type: must be function, not "custom"`},
		{"a call without id", messages(`{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}`), "messages.1.tool_calls.0.id: "},
		{"a call without name", messages(`{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{}}]}`), "messages.1.tool_calls.0.function.name: "},
		{"arguments cut off", messages(`{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]}`), "messages.1.tool_calls.1.function.arguments: must hold a JSON object"},
		{"arguments that are an array", messages(`{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"[]"}}]}`), "messages.1.tool_calls.0.function.arguments: must hold a JSON object"},
		{"arguments outside of a string", messages(`{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":{}}}]}`), "messages.1.tool_calls.0.function.arguments: must be a string"},
		{"a result of no call", messages(`{"role":"tool","content":"1"}`), "messages.1.tool_call_id: "},
		{"several answers", with(`"n":2`), "n: this model gives one answer"},
		{"log probabilities", with(`"logprobs":true`), "logprobs: this model tells no log probabilities"},
		{"top log probabilities", with(`"top_logprobs":5`), "top_logprobs: "},
		{"weighted tokens", with(`"logit_bias":{"50256":-100}`), "logit_bias: "},
		{"a spoken answer", with(`"modalities":["text","audio"]`), "modalities: this model answers in text only"},
		{"functions", with(`"functions":[]`), "functions: functions are given and called as tools"},
		{"a search of the web", with(`"web_search_options":{}`), "web_search_options: "},
		{"moderation", with(`"moderation":{"model":"m"}`), "moderation: "},
		{"a limit of 0", with(`"max_tokens":0`), "max_tokens: must be a whole number above 0"},
		{"half a token", with(`"max_completion_tokens":1.5`), "max_completion_tokens: must be"},
		{"more tokens than numbers have", with(`"max_tokens":1e300`), "max_tokens: must be"},
		{"a temperature above 2", with(`"temperature":2.1`), "temperature: must be a number from 0 to 2"},
		{"a temperature in words", with(`"temperature":"hot"`), "temperature: must be a number"},
		{"a top_p above 1", with(`"top_p":1.1`), "top_p: must be a number from 0 to 1"},
		{"a stop that is a number", with(`"stop":[1]`), "stop: must be a string"},
		{"an unknown effort", with(`"reasoning_effort":"heroic"`), "reasoning_effort: must be one of none, minimal"},
		{"an unknown format", with(`"response_format":{"type":"grammar"}`), `response_format.type: must be text, json_object or json_schema, not "grammar"`},
		{"a format without its schema", with(`"response_format":{"type":"json_schema","json_schema":{"name":"x"}}`), "response_format.json_schema.schema: must be a JSON schema"},
		{"tools that are an object", with(`"tools":{"a":1}`), "tools: must be an array"},
		{"a custom tool", with(`"tools":[{"type":"custom","custom":{"name":"f"}}]`), `tools.0.type: must be function, not "custom"`},
		{"a tool without name", with(`"tools":[{"type":"function","function":{}}]`), "tools.0.function.name: "},
		{"parameters that are no schema", with(`"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`), "tools.0.function.parameters: must be a JSON schema"},
		{"a description that is a number", with(`"tools":[{"type":"function","function":{"name":"f","description":1}}]`), "tools.0.function.description: must be a string"},
		{"a forced choice among no tools", with(`"tool_choice":"required"`), "tool_choice: there are no tools"},
		{"a narrowed choice", with(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}`), "tool_choice: the choice cannot be narrowed down"},
		{"a choice of no function", with(`"tool_choice":{"type":"function","function":{}}`), "tool_choice.function.name: "},
		{"an unknown choice", with(`"tool_choice":"maybe"`), "tool_choice: must be auto, none, required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := toAnthropic([]byte(c.body), Options{Model: "claude-sonnet-4-5"})
			e, ok := errors.AsType[*gateway.Error](err)
			if !ok || e.Code != gateway.Invalid || !e.NoRetry || !strings.HasPrefix(e.Message, c.message) {
				t.Errorf("%v, want %s", err, c.message)
			}
		})
	}
}

func TestTheGenerationOfAModelIsReadFromItsName(t *testing.T) {
	for name, want := range map[string]claude{
		"claude-3-5-sonnet-20241022":                   {version: 305},
		"claude-3-opus-20240229":                       {version: 300},
		"claude-3-7-sonnet-latest":                     {version: 307},
		"claude-sonnet-4-20250514":                     {version: 400},
		"claude-opus-4-1-20250805":                     {version: 401},
		"claude-haiku-4-5@20251001":                    {version: 405},
		"us.anthropic.claude-sonnet-4-5-20250929-v1:0": {version: 405},
		"anthropic.claude-opus-4-6-v1":                 {version: 406},
		"anthropic/claude-opus-4.6":                    {version: 406},
		"claude-opus-4-7":                              {version: 407},
		"claude-haiku-5-5":                             {version: 505},
		"claude-opus-5":                                {version: 500},
		"claude-fable-5-1":                             {version: 501, mustReason: true},
		"claude-mythos-preview":                        {version: newest, mustReason: true},
		"claude":                                       {version: newest},
		"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0": {version: 405},
		"qwen3-coder-30b": {},
		"":                {},
	} {
		if got := parseClaude(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestTheListOfWhatIsDroppedIsBounded(t *testing.T) {
	body := []byte(`{"messages":[{"role":"user","content":"hi"}]`)
	for i := range 1000 {
		body = append(body, `,"x`+strings.Repeat("y", i)+`":1`...)
	}
	call, err := toAnthropic(append(body, '}'), Options{Model: "claude-opus-4-6"})
	if err != nil || len(call.Dropped) != maxDropped {
		t.Errorf("%d entries, error %v", len(call.Dropped), err)
	}
}

func TestDeepNestingIsNoDanger(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 5_000_000)
	arguments, _ := json.Marshal(deep)
	for _, body := range [][]byte{
		[]byte(`{"messages":` + deep),
		append(append([]byte(`{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":`), arguments...), `}}]}]}`...),
	} {
		if _, err := toAnthropic(body, Options{}); err == nil {
			t.Error("it is accepted")
		}
	}
}

func FuzzRequestToAnthropic(f *testing.F) {
	for _, seed := range goldenSections(f, "toanthropic", "request.json") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, model := range []string{"claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-5-5", "qwen"} {
			call, err := toAnthropic(body, Options{Model: model, MaxTokens: 4000})
			if err != nil {
				if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Code != gateway.Invalid {
					t.Fatalf("%v is not Invalid", err)
				}
				continue
			}
			checkMessagesRequest(t, call.Body)
		}
	})
}

// checkMessagesRequest holds a request against what the Messages API wants of every request.
func checkMessagesRequest(t testing.TB, body []byte) {
	t.Helper()
	var request struct {
		Model     string
		MaxTokens int64 `json:"max_tokens"`
		System    []struct{ Type, Text string }
		Messages  []struct {
			Role    string
			Content []struct {
				Type  string
				Text  *string
				Input json.RawMessage
			}
		}
		Thinking struct {
			Budget int64 `json:"budget_tokens"`
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if request.Model == "" || request.MaxTokens < 1 || len(request.Messages) == 0 || request.Thinking.Budget >= request.MaxTokens {
		t.Fatalf("not whole: %s", body)
	}
	last := ""
	for _, message := range request.Messages {
		if message.Role == last || message.Role != "user" && message.Role != "assistant" || len(message.Content) == 0 {
			t.Fatalf("roles have to alternate, with content: %s", body)
		}
		last = message.Role
		for _, block := range message.Content {
			if block.Type == "text" && (block.Text == nil || strings.Trim(*block.Text, " \r\n\t") == "") {
				t.Fatalf("a blank text: %s", body)
			}
			if block.Type == "tool_use" && !bytes.HasPrefix(block.Input, []byte("{")) {
				t.Fatalf("an input that is no object: %s", body)
			}
		}
	}
}

// goldenSections are the sections of one name in all cases of a folder.
func goldenSections(t testing.TB, dir, name string) (sections [][]byte) {
	t.Helper()
	for _, g := range everyGolden(t, dir) {
		if g.has(name) {
			sections = append(sections, g.section(name))
		}
	}
	return sections
}

func BenchmarkRequestToAnthropic(b *testing.B) {
	body := []byte(`{"model":"gpt-4o","messages":[{"role":"system","content":"` + strings.Repeat("Be helpful.\\n", 500) + `"}`)
	for range 50 {
		body = append(body, `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"read","arguments":"{\"path\":\"/tmp/x\"}"}}]}`...)
		body = append(body, `,{"role":"tool","tool_call_id":"call_1","content":"`+strings.Repeat("a line of code;\\n", 100)+`"}`...)
	}
	body = append(body, "]}"...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := toAnthropic(body, Options{Model: "claude-opus-5-5"}); err != nil {
			b.Fatal(err)
		}
	}
}
