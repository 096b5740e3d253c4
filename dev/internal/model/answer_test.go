package model

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

const (
	twoTools     = `,"tools":[{"name":"Bash","input_schema":{"type":"object"}},{"name":"Read","input_schema":{"type":"object","properties":{"path":{"type":"string"}}}}]`
	twoFunctions = `,"tools":[{"type":"function","function":{"name":"Bash"}},{"type":"function","function":{"name":"Read","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}]`
	both         = `use the Bash tool with {"command":"ls"} and the Read tool with {"path":"a b c d e"}`
)

func TestTwoToolsAreCalledInOneAnswer(t *testing.T) {
	url := serve(t)
	list := events(t, read(t, call(t, "POST", url+"/v1/messages", message(both, twoTools+streaming))))
	if got := gather(list, "content_block.name"); got != "BashRead" {
		t.Errorf("tools: %s", got)
	}
	var inputs [2]string
	ids := map[string]bool{}
	for _, e := range list {
		if e.name == "content_block_delta" {
			inputs[gjson.Get(e.data, "index").Int()] += gjson.Get(e.data, "delta.partial_json").Str
		}
		if id := gjson.Get(e.data, "content_block.id").Str; id != "" {
			ids[id] = true
		}
	}
	if inputs != [2]string{`{"command":"ls"}`, `{"path":"a b c d e"}`} || len(ids) != 2 {
		t.Errorf("arguments %q of %v", inputs, ids)
	}

	chunks := events(t, read(t, call(t, "POST", url+"/v1/chat/completions", chat(both, twoFunctions+streaming))))
	inputs = [2]string{}
	for _, e := range chunks {
		for _, one := range gjson.Get(e.data, "choices.0.delta.tool_calls").Array() {
			inputs[one.Get("index").Int()] += one.Get("function.arguments").Str
		}
	}
	if inputs != [2]string{`{"command":"ls"}`, `{"path":"a b c d e"}`} {
		t.Errorf("openai: %q", inputs)
	}
	whole := read(t, call(t, "POST", url+"/v1/chat/completions", chat(strings.Replace(both, "and the", "and use the", 1), twoFunctions)))
	if gjson.Get(whole, "choices.0.message.tool_calls.1.function.name").Str != "Read" {
		t.Errorf("openai: %s", whole)
	}
}

func TestForcedToolIsCalledWithArgumentsOfItsSchema(t *testing.T) {
	url := serve(t)
	whole := read(t, call(t, "POST", url+"/v1/messages", message("hi", twoTools+`,"tool_choice":{"type":"tool","name":"Read"}`)))
	if gjson.Get(whole, "content.0.name").Str != "Read" || gjson.Get(whole, "content.0.input.path").Str == "" {
		t.Errorf("anthropic: %s", whole)
	}
	whole = read(t, call(t, "POST", url+"/v1/chat/completions",
		chat("hi", twoFunctions+`,"tool_choice":{"type":"function","function":{"name":"Read"}}`)))
	if !strings.Contains(gjson.Get(whole, "choices.0.message.tool_calls.0.function.arguments").Str, "path") {
		t.Errorf("openai: %s", whole)
	}
	whole = read(t, call(t, "POST", url+"/v1/chat/completions", chat("hi", twoFunctions+`,"tool_choice":"auto"`)))
	if gjson.Get(whole, "choices.0.finish_reason").Str != "stop" {
		t.Errorf("a free choice: %s", whole)
	}
}

func TestCallsAndResultsMustPairUp(t *testing.T) {
	url := serve(t)
	cases := []struct{ name, path, messages, says string }{
		{"a call without its result", "/v1/messages", `{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"n","input":{}}]},{"role":"user","content":"y"}`, "without `tool_result` blocks immediately after: a"},
		{"a result without its call", "/v1/messages", `{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}`, "unexpected `tool_use_id`"},
		{"a call without its result", "/v1/chat/completions", `{"role":"assistant","tool_calls":[{"id":"a"},{"id":"b"}]},{"role":"tool","tool_call_id":"a"},{"role":"user","content":"x"}`, "response messages: b"},
		{"a result without its call", "/v1/chat/completions", `{"role":"tool","tool_call_id":"a"}`, "must be a response"},
	}
	for _, c := range cases {
		response := call(t, "POST", url+c.path, `{"model":"m","max_tokens":9,"messages":[`+c.messages+`]}`)
		if body := read(t, response); response.StatusCode != 400 || !strings.Contains(gjson.Get(body, "error.message").Str, c.says) {
			t.Errorf("%s: %d %s", c.name, response.StatusCode, body)
		}
	}
}

func TestAllResultsOfTheLastTurnAreQuoted(t *testing.T) {
	url := serve(t)
	body := `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"x"},
		{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"n","input":{}},{"type":"tool_use","id":"b","name":"n","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"one"},{"type":"tool_result","tool_use_id":"b","content":"two"}]}]}`
	if got := read(t, call(t, "POST", url+"/v1/messages", body)); gjson.Get(got, "content.0.text").Str != "The tool answered: one, two" {
		t.Errorf("%s", got)
	}
}

func TestStopSequenceEndsTheTextBeforeIt(t *testing.T) {
	url := serve(t)
	whole := read(t, call(t, "POST", url+"/v1/messages", message("one two STOP three", `,"stop_sequences":["nothing","STOP"]`)))
	if gjson.Get(whole, "stop_reason").Str != "stop_sequence" || gjson.Get(whole, "stop_sequence").Str != "STOP" ||
		!strings.HasSuffix(gjson.Get(whole, "content.0.text").Str, "one two ") {
		t.Errorf("anthropic: %s", whole)
	}
	list := events(t, read(t, call(t, "POST", url+"/v1/messages", message("one two STOP three", streaming+`,"stop_sequences":["STOP"]`))))
	if gather(list, "delta.stop_reason") != "stop_sequence" || gather(list, "delta.stop_sequence") != "STOP" {
		t.Errorf("anthropic: %v", list[len(list)-2])
	}
	for _, stop := range []string{`"STOP"`, `["STOP","x"]`} {
		whole = read(t, call(t, "POST", url+"/v1/chat/completions", chat("one two STOP three", `,"stop":`+stop)))
		if gjson.Get(whole, "choices.0.finish_reason").Str != "stop" || strings.Contains(whole, "three") {
			t.Errorf("openai: %s", whole)
		}
	}
}

func TestRefusalIsToldInEachDialect(t *testing.T) {
	url := serve(t)
	whole := read(t, call(t, "POST", url+"/v1/messages", message("please refuse to answer", "")))
	if gjson.Get(whole, "stop_reason").Str != "refusal" {
		t.Errorf("anthropic: %s", whole)
	}
	whole = read(t, call(t, "POST", url+"/v1/chat/completions", chat("please refuse to answer", "")))
	if gjson.Get(whole, "choices.0.message.refusal").Str != refusal || gjson.Get(whole, "choices.0.message.content").Type != gjson.Null {
		t.Errorf("openai: %s", whole)
	}
	list := events(t, read(t, call(t, "POST", url+"/v1/chat/completions", chat("please refuse to answer", streaming))))
	if gather(list, "choices.0.delta.refusal") != refusal || gather(list, "choices.0.delta.content") != "" {
		t.Errorf("openai: %v", list)
	}
}

func TestReasoningIsToldWhenAskedFor(t *testing.T) {
	url := serve(t)
	for _, more := range []string{`,"reasoning_effort":"high"`, ""} {
		header := []string{"x-mock", "reasoning=1"}
		if more != "" {
			header = nil
		}
		whole := read(t, call(t, "POST", url+"/v1/chat/completions", chat("x", more), header...))
		list := events(t, read(t, call(t, "POST", url+"/v1/chat/completions", chat("x", more+streaming), header...)))
		got := gather(list, "choices.0.delta.reasoning_content")
		if got == "" || got != gjson.Get(whole, "choices.0.message.reasoning_content").Str ||
			gjson.Get(whole, "usage.completion_tokens_details.reasoning_tokens").Int() != 3 {
			t.Errorf("%q: %q in the stream, %s", more, got, whole)
		}
	}
	if got := read(t, call(t, "POST", url+"/v1/chat/completions", chat("x", `,"reasoning_effort":"none"`))); strings.Contains(got, "reasoning_content") {
		t.Errorf("not asked for: %s", got)
	}
}
