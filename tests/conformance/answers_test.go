package conformance

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// answers are the rules of conversations.
func answers() []rule {
	return []rule{
		{"a plain answer", nil, plainAnswer},
		{"a streamed answer, delta by delta", nil, streamedAnswer},
		{"system text and earlier turns", nil, conversation},
		{"a tool call and its result", nil, toolCalled},
		{"parallel tool calls, streamed, and their results", nil, toolsCalled},
		{"max_tokens ends the answer", nil, limited},
		{"a stop sequence ends the answer", nil, stopSequence},
		{"a refusal", nil, refused},
	}
}

func plainAnswer(t *testing.T, r row) {
	x := r.ask(t, question{text: "hello there"})
	x.completed(t)
	x.stopped(t, "end_turn", "stop")
	if !strings.HasSuffix(x.told.text, "You said: hello there") {
		t.Errorf("text %q", x.told.text)
	}
}

func streamedAnswer(t *testing.T, r row) {
	x := r.ask(t, question{text: "hello there [x-mock: tokens=40]", stream: true})
	x.completed(t)
	x.stopped(t, "end_turn", "stop")
	if !strings.Contains(x.told.text, "You said: hello there") || x.told.deltas != 40 {
		t.Errorf("%d deltas of 40: %q", x.told.deltas, x.told.text)
	}
}

func conversation(t *testing.T, r row) {
	x := r.ask(t, question{system: "You are terse.", before: []string{"one", "1"}, text: "two", stream: true})
	x.completed(t)
	if r.dialect(r.client) == anthropic {
		if system := x.last("system"); !strings.Contains(system.Raw, "You are terse.") {
			t.Errorf("system is %s", system.Raw)
		}
		if roles := x.last("messages.#.role").Raw; roles != `["user","assistant","user"]` {
			t.Errorf("roles %s", roles)
		}
		return
	}
	if roles := x.last("messages.#.role").Raw; roles != `["system","user","assistant","user"]` {
		t.Errorf("roles %s", roles)
	}
	if system := x.last("messages.0.content"); !strings.Contains(system.Raw, "You are terse.") {
		t.Errorf("system is %s", system.Raw)
	}
}

func toolCalled(t *testing.T, r row) {
	q := question{text: `use the Bash tool with {"command":"ls -l a b c d e f"}`, tools: []string{"Bash"}}
	x := r.ask(t, q)
	x.completed(t)
	x.stopped(t, "tool_use", "tool_calls")
	if len(x.told.calls) != 1 || x.told.calls[0].name != "Bash" || !sameJSON(t, x.told.calls[0].arguments, `{"command":"ls -l a b c d e f"}`) {
		t.Fatalf("calls %+v", x.told.calls)
	}
	q.calls, q.results = x.told.calls, []string{"file.txt"}
	x = r.ask(t, q)
	x.completed(t)
	x.stopped(t, "end_turn", "stop")
	if x.told.text != "The tool answered: file.txt" {
		t.Errorf("text %q", x.told.text)
	}
}

func toolsCalled(t *testing.T, r row) {
	q := question{
		text:  `use the Bash tool with {"command":"ls -l a b c d e f"} and the Read tool with {"path":"x y z u v w"}`,
		tools: []string{"Read", "Bash"}, stream: true,
	}
	x := r.ask(t, q)
	x.completed(t)
	x.stopped(t, "tool_use", "tool_calls")
	calls := x.told.calls
	if len(calls) != 2 || calls[0].name != "Bash" || calls[1].name != "Read" || calls[0].id == calls[1].id ||
		!sameJSON(t, calls[0].arguments, `{"command":"ls -l a b c d e f"}`) || !sameJSON(t, calls[1].arguments, `{"path":"x y z u v w"}`) {
		t.Fatalf("calls %+v", calls)
	}
	q.calls, q.results = calls, []string{"one", "two"}
	x = r.ask(t, q)
	x.completed(t)
	if x.told.text != "The tool answered: one, two" {
		t.Errorf("text %q", x.told.text)
	}
}

func limited(t *testing.T, r row) {
	for _, stream := range []bool{false, true} {
		x := r.ask(t, question{text: "one two three four five six seven eight nine ten", maxTokens: 2, stream: stream})
		x.completed(t)
		x.stopped(t, "max_tokens", "length")
		if x.told.usage.output != 2 {
			t.Errorf("%d tokens", x.told.usage.output)
		}
	}
}

func stopSequence(t *testing.T, r row) {
	x := r.ask(t, question{text: "one STOP two", stop: "STOP", stream: true})
	x.completed(t)
	word := "stop_sequence"
	if r.dialect(r.client) == openai {
		word = "end_turn" // OpenAI's services do not tell
	}
	x.stopped(t, word, "stop")
	if strings.Contains(x.told.text, "STOP") || !strings.HasSuffix(x.told.text, "one ") {
		t.Errorf("text %q", x.told.text)
	}
}

func refused(t *testing.T, r row) {
	for _, stream := range []bool{false, true} {
		x := r.ask(t, question{text: "please refuse to answer", stream: stream})
		x.completed(t)
		word := "content_filter"
		if r.dialect(r.client) == openai {
			word = "stop" // with the text in a field of its own
		}
		x.stopped(t, "refusal", word)
		if !strings.HasPrefix(x.told.text, "I am sorry, I cannot help with that.") { // the translation adds a refusal to the text
			t.Errorf("text %q", x.told.text)
		}
	}
}

// schemaOf is a schema, and what an answer has to have to follow it.
const answerSchema = `{"type":"object","properties":{"city":{"type":"string"},"count":{"type":"integer"}},"required":["city","count"],"additionalProperties":false}`

func followsSchema(text string) bool {
	root := gjson.Parse(text)
	return gjson.Valid(text) && root.Get("city").Type == gjson.String && root.Get("count").Type == gjson.Number
}
