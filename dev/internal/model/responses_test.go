package model

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func response(input, more string) string {
	return `{"model":"gpt-oss-120b","input":` + input + more + `}`
}

func TestResponseStreamHasTheRealOrder(t *testing.T) {
	url := serve(t)
	const (
		begin = "response.created response.in_progress "
		text  = "response.output_item.added response.content_part.added response.output_text.delta response.output_text.done " +
			"response.content_part.done response.output_item.done "
		thought = "response.output_item.added response.reasoning_summary_part.added response.reasoning_summary_text.delta " +
			"response.reasoning_summary_text.done response.reasoning_summary_part.done response.output_item.done "
		tool = "response.output_item.added response.function_call_arguments.delta response.function_call_arguments.done response.output_item.done "
	)
	tools := `,"tools":[{"type":"function","name":"Bash"},{"type":"function","name":"Read"}]`
	for _, c := range []struct{ name, body, order, text string }{
		{"text", response(`"hello"`, streaming), begin + text + "response.completed", "This is gpt-oss-120b. You said: hello"},
		{"items", response(`[{"role":"user","content":[{"type":"input_text","text":"hello"}]}]`, streaming), begin + text + "response.completed", "This is gpt-oss-120b. You said: hello"},
		{"reasoning", response(`"hello"`, streaming+`,"reasoning":{"effort":"low"}`), begin + thought + text + "response.completed", ""},
		{"a limit", response(`"a b c d e f g h i"`, streaming+`,"max_output_tokens":1`), begin + text + "response.incomplete", "This is gpt-oss-120b."},
		{"tools", response(string(marshal(both)), streaming+tools), begin + tool + tool + "response.completed", ""},
	} {
		list := events(t, read(t, call(t, "POST", url+"/v1/responses", c.body)))
		if got := names(list); got != c.order {
			t.Errorf("%s: %s", c.name, got)
		}
		for i, e := range list {
			if int(gjson.Get(e.data, "sequence_number").Int()) != i {
				t.Errorf("%s: event %d is %s", c.name, i, e.data)
			}
		}
		last := list[len(list)-1].data
		if whole := gjson.Get(last, `response.output.#(type=="message").content.0.text`).Str; c.text != "" && whole != c.text {
			t.Errorf("%s: %s", c.name, last)
		}
		if gjson.Get(last, "response.usage.total_tokens").Int() == 0 {
			t.Errorf("%s: no usage in %s", c.name, last)
		}
		plain := read(t, call(t, "POST", url+"/v1/responses", strings.Replace(c.body, streaming, "", 1)))
		if gjson.Get(plain, "output.#.type").Raw != gjson.Get(last, "response.output.#.type").Raw {
			t.Errorf("%s: whole %s", c.name, plain)
		}
	}
}

func TestResponseQuotesTheOutputOfItsCalls(t *testing.T) {
	url := serve(t)
	input := `[{"role":"user","content":"use tool Bash"},{"type":"function_call","call_id":"c","name":"Bash","arguments":"{}"},
		{"type":"function_call_output","call_id":"c","output":"found"}]`
	if got := read(t, call(t, "POST", url+"/v1/responses", response(input, `,"tools":[{"type":"function","name":"Bash"}]`))); !strings.Contains(got, "The tool answered: found") {
		t.Errorf("%s", got)
	}
}

func TestBrokenResponseStreamEndsWithAnErrorEvent(t *testing.T) {
	url := serve(t)
	list := events(t, read(t, call(t, "POST", url+"/v1/responses", response(`"hello"`, streaming), "x-mock", "error=3")))
	if len(list) != 4 || list[3].name != "error" {
		t.Errorf("%v", list)
	}
}
