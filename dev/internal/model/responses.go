package model

import (
	"fmt"
	"net/http"
)

// responses answers POST /v1/responses.
func (m *Model) responses(x *exchange) error {
	for _, field := range []string{"model", "input"} {
		if !x.fields[field].Exists() {
			return x.refuse(http.StatusBadRequest, "Missing required parameter: '"+field+"'.")
		}
	}
	a := m.compose(x, ask{
		model:     x.fields["model"].Str,
		tools:     x.fields["tools"],
		choice:    x.fields["tool_choice"],
		schema:    x.fields["text"].Get("format.schema"),
		thinking:  x.reasons(x.fields["reasoning"].Get("effort")),
		maxTokens: int(x.fields["max_output_tokens"].Int()),
	})
	if x.fields["stream"].Bool() {
		return x.streamResponse(a)
	}
	return x.writeJSON(marshal(x.response(a, a.responseStatus(), x.outputs(a))))
}

// responseStatus says whether the response is whole, which is also the name of
// the event that ends its stream.
func (a answer) responseStatus() string {
	if a.end == truncated {
		return "incomplete"
	}
	return "completed"
}

// response is the response object. One that goes on has neither output nor usage.
func (x *exchange) response(a answer, status string, output []map[string]any) map[string]any {
	object := map[string]any{
		"id": "resp_" + x.seed(), "object": "response", "created_at": created, "status": status,
		"error": nil, "incomplete_details": nil, "instructions": nil, "model": a.model, "output": output,
		"parallel_tool_calls": true, "usage": nil, "metadata": map[string]any{},
	}
	if status == "in_progress" {
		return object
	}
	if status == "incomplete" {
		object["incomplete_details"] = map[string]any{"reason": "max_output_tokens"}
	}
	input := a.usage.input + a.usage.cacheCreation + a.usage.cacheRead
	object["usage"] = map[string]any{
		"input_tokens": input, "input_tokens_details": map[string]int{"cached_tokens": a.usage.cacheRead},
		"output_tokens": a.usage.output, "output_tokens_details": map[string]int{"reasoning_tokens": len(a.thinking)},
		"total_tokens": input + a.usage.output,
	}
	return object
}

// outputs lists the complete items of the output.
func (x *exchange) outputs(a answer) []map[string]any {
	items := []map[string]any{}
	if len(a.thinking) > 0 {
		items = append(items, x.reasoningItem([]any{map[string]any{"type": "summary_text", "text": join(a.thinking)}}))
	}
	for i, call := range a.tools {
		items = append(items, x.callItem(i, call, "completed"))
	}
	if len(a.tools) == 0 {
		items = append(items, x.messageItem([]any{a.textPart(join(a.text))}, "completed"))
	}
	return items
}

func (x *exchange) reasoningItem(summary []any) map[string]any {
	return map[string]any{"id": "rs_" + x.seed(), "type": "reasoning", "summary": summary}
}

func (x *exchange) messageItem(content []any, status string) map[string]any {
	return map[string]any{"id": "msg_" + x.seed(), "type": "message", "status": status, "role": "assistant", "content": content}
}

func (x *exchange) callItem(i int, call toolCall, status string) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("fc_%d%s", i+1, x.seed()), "type": "function_call", "status": status,
		"call_id": x.toolCallID(i), "name": call.name, "arguments": call.arguments,
	}
}

// textPart is the content of a message: text, or a refusal.
func (a answer) textPart(text string) map[string]any {
	if a.end == refused {
		return map[string]any{"type": "refusal", "refusal": text}
	}
	return map[string]any{"type": "output_text", "text": text, "annotations": []any{}}
}
