package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// messagesClient is a client of the Messages API.
type messagesClient struct{}

func (messagesClient) path() string { return "/v1/messages" }

func (messagesClient) body(model string, q question) string {
	var b body
	b.add("model", model)
	if !q.count {
		b.add("max_tokens", q.limit())
	}
	if q.system != "" {
		block := map[string]any{"type": "text", "text": q.system}
		if q.cached {
			block["cache_control"] = map[string]string{"type": "ephemeral"}
		}
		b.add("system", []any{block})
	}
	var messages []any
	for i, text := range q.before {
		messages = append(messages, message([]string{"user", "assistant"}[i%2], text))
	}
	content := []any{map[string]any{"type": "text", "text": q.text}}
	if q.image != "" {
		content = append([]any{map[string]any{"type": "image", "source": map[string]string{"type": "base64", "media_type": "image/png", "data": q.image}}}, content...)
	}
	messages = append(messages, message("user", content))
	if len(q.calls) > 0 {
		var uses, results []any
		for i, call := range q.calls {
			uses = append(uses, map[string]any{"type": "tool_use", "id": call.id, "name": call.name, "input": json.RawMessage(call.arguments)})
			results = append(results, map[string]any{"type": "tool_result", "tool_use_id": call.id, "content": q.results[i]})
		}
		messages = append(messages, message("assistant", uses), message("user", results))
	}
	b.add("messages", messages)
	var tools []any
	for _, name := range q.tools {
		tools = append(tools, map[string]any{"name": name, "description": "does it", "input_schema": map[string]any{"type": "object"}})
	}
	b.addList("tools", tools)
	if q.stop != "" {
		b.add("stop_sequences", []string{q.stop})
	}
	if q.think {
		b.add("thinking", map[string]any{"type": "enabled", "budget_tokens": 1024})
	}
	if q.schema != "" {
		b.add("output_config", map[string]any{"format": map[string]any{"type": "json_schema", "schema": json.RawMessage(q.schema)}})
	}
	if q.stream {
		b.add("stream", true)
	}
	return b.close(q.fields)
}

func (messagesClient) read(text string, a *told) {
	root := gjson.Parse(text)
	if a.errorKind, a.errorText = root.Get("error.type").Str, root.Get("error.message").Str; root.Get("type").Str == "error" {
		return
	}
	if root.Get("type").Str != "message" || root.Get("role").Str != "assistant" {
		a.broken = fmt.Errorf("no message: %s", text)
		return
	}
	for _, block := range root.Get("content").Array() {
		switch block.Get("type").Str {
		case "text":
			a.text += block.Get("text").Str
		case "thinking":
			a.thinking += block.Get("thinking").Str
		case "tool_use":
			a.calls = append(a.calls, toolCall{block.Get("id").Str, block.Get("name").Str, block.Get("input").Raw})
		}
	}
	a.stop, a.whole = root.Get("stop_reason").Str, true
	a.usage = anthropicUsage(root.Get("usage"))
}

// readStream reads a stream as strictly as the published order of events allows.
func (messagesClient) readStream(text string, a *told) {
	open, next, closing := -1, 0, false // the open block, the index of the next, message_delta has come
	for name, data := range events(text, a) {
		root := gjson.Parse(data)
		index := int(root.Get("index").Int())
		if kind := root.Get("type").Str; kind != name {
			a.breaks("event %s has the type %s", name, kind)
		}
		if a.whole || a.errorKind != "" {
			a.breaks("%s comes after the end", name)
		}
		switch name {
		case "message_start":
			a.usage = anthropicUsage(root.Get("message.usage"))
			if next > 0 || closing || root.Get("message.id").Str == "" || root.Get("message.model").Str == "" {
				a.breaks("message_start: %s", data)
			}
		case "content_block_start":
			if open >= 0 || index != next {
				a.breaks("block %d starts while %d is open and %d is next", index, open, next)
			}
			open, next = index, next+1
			if block := root.Get("content_block"); block.Get("type").Str == "tool_use" {
				a.calls = append(a.calls, toolCall{id: block.Get("id").Str, name: block.Get("name").Str})
			}
		case "content_block_delta":
			if index != open {
				a.breaks("a delta of block %d while %d is open", index, open)
			}
			a.messageDelta(root.Get("delta"))
		case "content_block_stop":
			if index != open {
				a.breaks("block %d stops while %d is open", index, open)
			}
			open = -1
		case "message_delta":
			if open >= 0 || closing {
				a.breaks("message_delta while block %d is open, or twice", open)
			}
			closing = true
			a.stop = root.Get("delta.stop_reason").Str
			a.usage.merge(root.Get("usage"))
		case "message_stop":
			if a.whole = closing; !closing {
				a.breaks("message_stop without message_delta")
			}
		case "error":
			a.errorKind, a.errorText = root.Get("error.type").Str, root.Get("error.message").Str
		case "ping", "vertex_event":
		default:
			a.breaks("unknown event %s", name)
		}
	}
	for i := range a.calls {
		if a.calls[i].arguments == "" {
			a.calls[i].arguments = "{}"
		}
	}
}

func (a *told) messageDelta(delta gjson.Result) {
	switch kind := delta.Get("type").Str; kind {
	case "text_delta":
		a.text += delta.Get("text").Str
		a.deltas++
	case "thinking_delta":
		a.thinking += delta.Get("thinking").Str
	case "signature_delta":
	case "input_json_delta":
		if len(a.calls) == 0 {
			a.breaks("arguments of no call")
			return
		}
		a.calls[len(a.calls)-1].arguments += delta.Get("partial_json").Str
	default:
		a.breaks("unknown delta %s", kind)
	}
}

func anthropicUsage(u gjson.Result) tokens {
	var t tokens
	t.merge(u)
	return t
}

// merge takes the figures of a later usage; message_delta repeats what has changed.
func (t *tokens) merge(u gjson.Result) {
	for field, target := range map[string]*int{
		"input_tokens": &t.input, "cache_read_input_tokens": &t.cacheRead, "cache_creation_input_tokens": &t.cacheWrite, "output_tokens": &t.output,
	} {
		if value := u.Get(field); value.Exists() {
			*target = int(value.Int())
		}
	}
}

func message(role string, content any) map[string]any {
	return map[string]any{"role": role, "content": content}
}

func (q question) limit() int {
	if q.maxTokens == 0 {
		return 1000
	}
	return q.maxTokens
}

// body is a JSON object whose members stay in the order in which they are added, as clients write them.
type body struct{ text strings.Builder }

func (b *body) add(name string, value any) {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err) // a mistake in a row
	}
	separator := ","
	if b.text.Len() == 0 {
		separator = "{"
	}
	fmt.Fprintf(&b.text, "%s%q:%s", separator, name, encoded)
}

func (b *body) addList(name string, list []any) {
	if len(list) > 0 {
		b.add(name, list)
	}
}

func (b *body) close(more string) string { return b.text.String() + more + "}" }

// breaks notes the first thing that is wrong with the form of an answer.
func (a *told) breaks(format string, args ...any) {
	if a.broken == nil {
		a.broken = errors.New("event " + fmt.Sprint(a.events) + ": " + fmt.Sprintf(format, args...))
	}
}
