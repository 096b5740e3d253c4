package model

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// names is the order of events with repeated ones folded.
func names(list []event) string {
	var folded []string
	for _, e := range list {
		if len(folded) == 0 || folded[len(folded)-1] != e.name {
			folded = append(folded, e.name)
		}
	}
	return strings.Join(folded, " ")
}

func TestAnthropicStreamHasTheRealOrderAndFields(t *testing.T) {
	url := serve(t)
	response := call(t, "POST", url+"/v1/messages?beta=true", message("hello there", `,"stream":true`))
	if got := response.Header.Get("content-type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("content-type = %q", got)
	}
	for _, name := range []string{"request-id", "anthropic-ratelimit-requests-limit"} {
		if response.Header.Get(name) == "" {
			t.Errorf("no header %s", name)
		}
	}
	list := events(t, read(t, response))
	const order = "message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop"
	if got := names(list); got != order {
		t.Fatalf("events: %s", got)
	}
	start := gjson.Get(list[0].data, "message")
	for path, want := range map[string]string{
		"model": "claude-sonnet-5-5", "type": "message", "role": "assistant", "content": "[]",
		"usage.output_tokens": "1", "usage.service_tier": "standard", "usage.cache_read_input_tokens": "0",
	} {
		if got := start.Get(path).String(); got != want {
			t.Errorf("message.%s = %q, want %q", path, got, want)
		}
	}
	if reason := start.Get("stop_reason"); reason.Type != gjson.Null || !reason.Exists() {
		t.Errorf("stop_reason = %s", reason.Raw)
	}
	if got := gather(list, "delta.text"); got != "This is claude-sonnet-5-5. You said: hello there" {
		t.Errorf("text = %q", got)
	}
	closing := list[len(list)-2].data
	if gjson.Get(closing, "delta.stop_reason").Str != "end_turn" || gjson.Get(closing, "usage.output_tokens").Int() < 2 {
		t.Errorf("message_delta = %s", closing)
	}
}

func TestStreamAndMessageSayTheSame(t *testing.T) {
	url := serve(t)
	for _, more := range []string{"", `,"thinking":{"type":"enabled","budget_tokens":1024}`, `,"system":[{"cache_control":{}}]`} {
		whole := read(t, call(t, "POST", url+"/v1/messages", message("hé \"quoted\" \n", more)))
		list := events(t, read(t, call(t, "POST", url+"/v1/messages", message("hé \"quoted\" \n", more+`,"stream":true`))))
		text := gjson.Get(whole, `content.#(type=="text").text`).Str
		if got := gather(list, "delta.text"); got != text || text == "" {
			t.Errorf("%q in the stream, %q in the message", got, text)
		}
		thought := gjson.Get(whole, `content.#(type=="thinking").thinking`).Str
		if got := gather(list, "delta.thinking"); got != thought {
			t.Errorf("%q in the stream, %q in the message", got, thought)
		}
		for _, field := range []string{"output_tokens", "cache_read_input_tokens"} {
			closing := list[len(list)-2].data
			if field == "output_tokens" && gjson.Get(whole, "usage."+field).Int() != gjson.Get(closing, "usage."+field).Int() {
				t.Errorf("%s differs: %s, %s", field, whole, closing)
			}
		}
		if cached := strings.Contains(more, "cache_control"); cached != (gjson.Get(whole, "usage.cache_read_input_tokens").Int() > 0) {
			t.Errorf("cached tokens: %s", whole)
		}
	}
}

func TestThinkingBlockIsSigned(t *testing.T) {
	url := serve(t)
	list := events(t, read(t, call(t, "POST", url+"/v1/messages", message("x", `,"stream":true,"thinking":{"type":"adaptive"}`))))
	if got := gather(list, "delta.thinking"); got == "" {
		t.Error("no thinking")
	}
	if got := gather(list, "delta.signature"); len(got) < 200 {
		t.Errorf("signature = %q", got)
	}
	if got := gather(list, "content_block.type"); got != "thinkingtext" {
		t.Errorf("blocks: %s", got)
	}
	if n := strings.Count(names(list), "ping"); n != 1 {
		t.Errorf("%d pings", n)
	}
}

const bash = `,"tools":[{"name":"Bash","input_schema":{"type":"object"}}]`

func TestToolIsCalledAndItsResultQuoted(t *testing.T) {
	url := serve(t)
	prompts := map[string]string{
		`use the Bash tool with {"command":"echo hi"} please`: `{"command":"echo hi"}`,
		`Please use tool Bash.`:                               `{}`,
		"use the Bash tool with {\"command\": {\"a\": [1]}}":  `{"command": {"a": [1]}}`,
	}
	for prompt, want := range prompts {
		list := events(t, read(t, call(t, "POST", url+"/v1/messages", message(prompt, bash+`,"stream":true`))))
		if got := gather(list, "delta.partial_json"); got != want {
			t.Errorf("%s: arguments %s", prompt, got)
		}
		if gather(list, "content_block.name") != "Bash" || gather(list, "delta.stop_reason") != "tool_use" {
			t.Errorf("%s: %v", prompt, list)
		}
		whole := read(t, call(t, "POST", url+"/v1/messages", message(prompt, bash)))
		var input any
		if err := json.Unmarshal([]byte(gjson.Get(whole, "content.0.input").Raw), &input); err != nil {
			t.Errorf("%s: %v in %s", prompt, err, whole)
		}
	}
	result := `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"use tool Bash"},
		{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"Bash","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"hi"}]},
		{"type":"text","text":"<system-reminder>use tool Bash</system-reminder>"}]},
		{"role":"system","content":"a note"}]` + bash + `}`
	if got := read(t, call(t, "POST", url+"/v1/messages", result)); gjson.Get(got, "content.0.text").Str != "The tool answered: hi" {
		t.Errorf("after the result: %s", got)
	}
	if got := read(t, call(t, "POST", url+"/v1/messages", message("use tool Edit", bash))); !strings.Contains(got, "There is no tool Edit") {
		t.Errorf("a tool that is not offered: %s", got)
	}
}

func TestSchemaGetsMatchingJSON(t *testing.T) {
	url := serve(t)
	schema := `{"type":"object","properties":{"title":{"type":"string"},"n":{"type":"integer"},
		"kind":{"enum":["a","b"]},"list":{"type":"array","items":{"type":"boolean"}},"maybe":{"type":["string","null"]}}}`
	check := func(text string) {
		t.Helper()
		var got struct {
			Title, Maybe string
			N            int
			Kind         string
			List         []bool
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Title == "" || got.Kind != "a" || len(got.List) != 1 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	list := events(t, read(t, call(t, "POST", url+"/v1/messages",
		message("fix the bug", `,"stream":true,"output_config":{"format":{"type":"json_schema","schema":`+schema+`}}`))))
	check(gather(list, "delta.text"))
	whole := read(t, call(t, "POST", url+"/v1/chat/completions",
		chat("x", `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":`+schema+`}}`)))
	check(gjson.Get(whole, "choices.0.message.content").Str)
}

func TestMaxTokensTruncates(t *testing.T) {
	url := serve(t)
	body := `{"model":"m","max_tokens":2,"messages":[{"role":"user","content":"a b c d e f g h i j"}]}`
	got := read(t, call(t, "POST", url+"/v1/messages", body))
	if gjson.Get(got, "stop_reason").Str != "max_tokens" || gjson.Get(got, "usage.output_tokens").Int() != 2 {
		t.Errorf("%s", got)
	}
	got = read(t, call(t, "POST", url+"/v1/chat/completions", body))
	if gjson.Get(got, "choices.0.finish_reason").Str != "length" {
		t.Errorf("%s", got)
	}
}

func TestCountTokens(t *testing.T) {
	url := serve(t)
	if got := read(t, call(t, "POST", url+"/v1/messages/count_tokens", message("x", ""))); gjson.Get(got, "input_tokens").Int() < 1 {
		t.Errorf("%s", got)
	}
}

func TestOpenAIStreamHasTheRealOrderAndFields(t *testing.T) {
	url := serve(t)
	for _, withUsage := range []bool{false, true} {
		more := `,"stream":true`
		if withUsage {
			more += `,"stream_options":{"include_usage":true}`
		}
		list := events(t, read(t, call(t, "POST", url+"/v1/chat/completions", chat("hello there", more))))
		if got := gather(list, "choices.0.delta.content"); got != "This is gpt-oss-120b. You said: hello there" {
			t.Errorf("content = %q", got)
		}
		if gjson.Get(list[0].data, "choices.0.delta.role").Str != "assistant" {
			t.Errorf("the first chunk: %s", list[0].data)
		}
		if list[len(list)-1].data != "[DONE]" || gather(list, "choices.0.finish_reason") != "stop" {
			t.Errorf("the end: %v", list[len(list)-3:])
		}
		usage := list[len(list)-2].data
		if got := gjson.Get(usage, "usage.total_tokens").Int() > 0 && gjson.Get(usage, "choices.#").Int() == 0; got != withUsage {
			t.Errorf("the chunk before [DONE]: %s", usage)
		}
		if got := gjson.Get(list[1].data, "usage"); got.Exists() != withUsage {
			t.Errorf("a chunk: %s", list[1].data)
		}
	}
}

func TestOpenAIToolCall(t *testing.T) {
	url := serve(t)
	const tools = `,"tools":[{"type":"function","function":{"name":"lookup"}}]`
	prompt := `use the lookup tool with {"q":"go"}`
	list := events(t, read(t, call(t, "POST", url+"/v1/chat/completions", chat(prompt, tools+`,"stream":true`))))
	if got := gather(list, "choices.0.delta.tool_calls.0.function.arguments"); got != `{"q":"go"}` {
		t.Errorf("arguments = %s", got)
	}
	if gather(list, "choices.0.finish_reason") != "tool_calls" || gather(list, "choices.0.delta.tool_calls.0.function.name") != "lookup" {
		t.Errorf("%v", list)
	}
	whole := read(t, call(t, "POST", url+"/v1/chat/completions", chat(prompt, tools)))
	if gjson.Get(whole, "choices.0.message.tool_calls.0.function.arguments").Str != `{"q":"go"}` {
		t.Errorf("%s", whole)
	}
	result := `{"model":"m","messages":[{"role":"user","content":"use tool lookup"},
		{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"lookup","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"c","content":"found"}]` + tools + `}`
	if got := read(t, call(t, "POST", url+"/v1/chat/completions", result)); !strings.Contains(got, "The tool answered: found") {
		t.Errorf("after the result: %s", got)
	}
}
