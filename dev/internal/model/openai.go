package model

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

// created is the time stamp of everything: answers do not depend on the clock.
const created = 1_700_000_000

// chatCompletions answers POST /v1/chat/completions.
func (m *Model) chatCompletions(x *exchange) error {
	for _, field := range []string{"model", "messages"} {
		if !x.fields[field].Exists() {
			return x.refuse(http.StatusBadRequest, "Missing required parameter: '"+field+"'.")
		}
	}
	if message := checkChat(x.fields["messages"]); message != "" {
		return x.refuse(http.StatusBadRequest, message)
	}
	limit := x.fields["max_completion_tokens"]
	if !limit.Exists() {
		limit = x.fields["max_tokens"]
	}
	var schema gjson.Result
	switch x.fields["response_format"].Get("type").Str {
	case "json_schema":
		schema = x.fields["response_format"].Get("json_schema.schema")
	case "json_object":
		schema = gjson.Parse(`{"type":"object","properties":{"answer":{"type":"string"}}}`)
	}
	a := m.compose(x, ask{
		model:     x.fields["model"].Str,
		tools:     x.fields["tools"],
		choice:    x.fields["tool_choice"],
		schema:    schema,
		stops:     x.fields["stop"],
		thinking:  x.reasons(x.fields["reasoning_effort"]),
		maxTokens: int(limit.Int()),
	})
	if x.fields["stream"].Bool() {
		return x.streamCompletion(a, x.fields["stream_options"].Get("include_usage").Bool())
	}
	return x.writeJSON(marshal(x.completion(a)))
}

// reasons reports whether the answer has its reasoning in it: an effort was
// named, or the switch is on.
func (x *exchange) reasons(effort gjson.Result) bool {
	return x.switches.Reasoning == 1 || effort.Str != "" && effort.Str != "none"
}

// completion is the complete answer.
func (x *exchange) completion(a answer) map[string]any {
	message := map[string]any{"role": "assistant", "content": join(a.text), "refusal": nil, "annotations": []any{}}
	if len(a.thinking) > 0 {
		message["reasoning_content"] = join(a.thinking)
	}
	if a.end == refused {
		message["content"], message["refusal"] = nil, join(a.text)
	}
	if len(a.tools) > 0 {
		calls := []any{}
		for i, call := range a.tools {
			calls = append(calls, map[string]any{
				"id": x.toolCallID(i), "type": "function",
				"function": map[string]any{"name": call.name, "arguments": call.arguments},
			})
		}
		message["content"], message["tool_calls"] = nil, calls
	}
	return map[string]any{
		"id": x.completionID(), "object": "chat.completion", "created": created, "model": a.model,
		"choices":            []any{map[string]any{"index": 0, "message": message, "logprobs": nil, "finish_reason": a.finishReason()}},
		"usage":              a.openaiUsage(),
		"service_tier":       "default",
		"system_fingerprint": "fp_mock",
	}
}

// finishReason says why the answer ends, in OpenAI's words, which do not tell a
// stop sequence or a refusal from the natural end.
func (a answer) finishReason() string {
	switch a.end {
	case toolUse:
		return "tool_calls"
	case truncated:
		return "length"
	}
	return "stop"
}

// openaiUsage counts cached tokens as part of the prompt, as OpenAI does.
func (a answer) openaiUsage() map[string]any {
	prompt := a.usage.input + a.usage.cacheCreation + a.usage.cacheRead
	return map[string]any{
		"prompt_tokens": prompt, "completion_tokens": a.usage.output, "total_tokens": prompt + a.usage.output,
		"prompt_tokens_details":     map[string]int{"cached_tokens": a.usage.cacheRead, "audio_tokens": 0},
		"completion_tokens_details": map[string]int{"reasoning_tokens": len(a.thinking), "audio_tokens": 0},
	}
}

func (x *exchange) completionID() string { return "chatcmpl-" + x.seed() }

func (x *exchange) toolCallID(i int) string { return fmt.Sprintf("call_%d%s", i+1, x.seed()) }

func join(pieces []string) string { return strings.Join(pieces, "") }
