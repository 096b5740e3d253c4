package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/tidwall/gjson"
)

// chatClient is a client of the Chat Completions API.
type chatClient struct{}

func (chatClient) path() string { return "/v1/chat/completions" }

func (chatClient) body(model string, q question) string {
	var b body
	b.add("model", model)
	var messages []any
	if q.system != "" {
		messages = append(messages, message("system", q.system))
	}
	for i, text := range q.before {
		messages = append(messages, message([]string{"user", "assistant"}[i%2], text))
	}
	if q.image == "" {
		messages = append(messages, message("user", q.text))
	} else {
		messages = append(messages, message("user", []any{
			map[string]any{"type": "image_url", "image_url": map[string]string{"url": "data:image/png;base64," + q.image}},
			map[string]any{"type": "text", "text": q.text},
		}))
	}
	if len(q.calls) > 0 {
		var calls []any
		for _, call := range q.calls {
			calls = append(calls, map[string]any{"id": call.id, "type": "function", "function": map[string]string{"name": call.name, "arguments": call.arguments}})
		}
		messages = append(messages, map[string]any{"role": "assistant", "content": nil, "tool_calls": calls})
		for i, call := range q.calls {
			messages = append(messages, map[string]any{"role": "tool", "tool_call_id": call.id, "content": q.results[i]})
		}
	}
	b.add("messages", messages)
	b.add("max_completion_tokens", q.limit())
	var tools []any
	for _, name := range q.tools {
		function := map[string]any{"name": name, "description": "does it", "parameters": map[string]any{"type": "object"}}
		tools = append(tools, map[string]any{"type": "function", "function": function})
	}
	b.addList("tools", tools)
	if q.stop != "" {
		b.add("stop", []string{q.stop})
	}
	if q.think {
		b.add("reasoning_effort", "high")
	}
	if q.schema != "" {
		schema := map[string]any{"name": "answer", "strict": true, "schema": json.RawMessage(q.schema)}
		b.add("response_format", map[string]any{"type": "json_schema", "json_schema": schema})
	}
	if q.stream {
		b.add("stream", true)
		b.add("stream_options", map[string]bool{"include_usage": true})
	}
	return b.close(q.fields)
}

func (chatClient) read(text string, a *told) {
	root := gjson.Parse(text)
	if root.Get("error").Exists() {
		a.errorKind, a.errorText = root.Get("error.type").Str, root.Get("error.message").Str
		return
	}
	message := root.Get("choices.0.message")
	if root.Get("object").Str != "chat.completion" || message.Get("role").Str != "assistant" {
		a.broken = fmt.Errorf("no completion: %s", text)
		return
	}
	a.text, a.thinking = message.Get("content").Str+message.Get("refusal").Str, message.Get("reasoning_content").Str
	for _, call := range message.Get("tool_calls").Array() {
		a.calls = append(a.calls, toolCall{call.Get("id").Str, call.Get("function.name").Str, call.Get("function.arguments").Str})
	}
	a.stop, a.whole = root.Get("choices.0.finish_reason").Str, true
	a.usage = openaiUsage(root.Get("usage"))
}

// readStream reads a stream as the official clients do, which take a clean end for a success.
func (chatClient) readStream(text string, a *told) {
	usage := false
	for name, data := range events(text, a) {
		root := gjson.Parse(data)
		switch {
		case a.whole || a.errorKind != "":
			a.breaks("%s comes after the end", data)
			continue
		case name != "":
			a.breaks("an event with a name: %s", name)
		case data == "[DONE]":
			if a.whole = usage && a.stop != ""; !a.whole {
				a.breaks("[DONE] without a finish reason or the usage")
			}
			continue
		case root.Get("error").Exists():
			// Google's own error has a status in place of a type; clients throw at it all the same.
			a.errorKind, a.errorText = cmp.Or(root.Get("error.type").Str, root.Get("error.status").Str), root.Get("error.message").Str
			continue
		case root.Get("object").Str != "chat.completion.chunk" || root.Get("id").Str == "":
			a.breaks("no chunk: %s", data)
		}
		if found := root.Get("usage"); found.IsObject() {
			usage, a.usage = true, openaiUsage(found)
		}
		a.chunk(root.Get("choices.0"))
	}
}

func (a *told) chunk(choice gjson.Result) {
	delta := choice.Get("delta")
	if text := delta.Get("content").Str; text != "" {
		a.text += text
		a.deltas++
	}
	a.text += delta.Get("refusal").Str
	a.thinking += delta.Get("reasoning_content").Str
	for _, part := range delta.Get("tool_calls").Array() {
		index := int(part.Get("index").Int())
		if id := part.Get("id").Str; id != "" {
			if index != len(a.calls) {
				a.breaks("call %d begins after %d calls", index, len(a.calls))
			}
			a.calls = append(a.calls, toolCall{id: id, name: part.Get("function.name").Str})
		}
		if index >= len(a.calls) {
			a.breaks("arguments of no call")
			continue
		}
		a.calls[index].arguments += part.Get("function.arguments").Str
	}
	if reason := choice.Get("finish_reason").Str; reason != "" {
		if a.stop != "" {
			a.breaks("a second finish reason")
		}
		a.stop = reason
	}
}

func openaiUsage(u gjson.Result) tokens {
	cached := int(u.Get("prompt_tokens_details.cached_tokens").Int())
	return tokens{input: int(u.Get("prompt_tokens").Int()) - cached, cacheRead: cached, output: int(u.Get("completion_tokens").Int())}
}

// events yields the events of a stream, each with its name and its data, and counts them. Comments are passed over.
func events(text string, a *told) iter.Seq2[string, string] {
	return func(yield func(name, data string) bool) {
		for block := range strings.SplitSeq(text, "\n\n") {
			var name string
			var data []string
			for line := range strings.SplitSeq(block, "\n") {
				if value, ok := strings.CutPrefix(line, "event: "); ok {
					name = value
				}
				if value, ok := strings.CutPrefix(line, "data: "); ok {
					data = append(data, value)
				}
			}
			if len(data) == 0 {
				continue
			}
			a.events++
			last := data[len(data)-1]
			valid := last == "[DONE]" || gjson.Valid(last)
			a.torn = a.torn || len(data) > 1 || !valid
			if valid && !yield(name, last) {
				return
			}
		}
	}
}
