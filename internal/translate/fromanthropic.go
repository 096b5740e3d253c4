package translate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"

	"github.com/tidwall/gjson"
)

// fromAnthropic turns a Message into a chat completion.
func fromAnthropic(body []byte, reply Reply) ([]byte, error) {
	if !isJSON(view(body)) {
		return nil, failed("it is not JSON", nil)
	}
	message := gjson.ParseBytes(body)
	blocks := message.Get("content")
	if message.Get("type").Str != "message" || !blocks.IsArray() {
		return nil, failed("it is no message", nil)
	}
	var text, thinking, calls []byte // the first two without their quotes
	hasText := false
	for _, block := range blocks.Array() {
		switch block.Get("type").Str {
		case "text":
			text, hasText = append(text, inner(raw(block, "text"))...), true
		case "thinking":
			thinking = append(thinking, inner(raw(block, "thinking"))...)
		case "tool_use":
			calls = appendWholeCall(calls, block)
		}
	}
	usage := messageUsage{input: reply.InputTokens}
	usage.merge(message.Get("usage"))

	dst := appendHead(make([]byte, 0, len(body)+1024), message, reply, "chat.completion")
	dst = append(dst, `{"index":0,"message":{"role":"assistant","content":`...)
	if hasText {
		dst = append(append(append(dst, '"'), text...), '"')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(append(dst, `,"refusal":`...), cmp.Or(refusal(message), "null")...)
	if len(thinking) > 0 {
		dst = append(append(dst, `,"reasoning_content":"`...), thinking...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"annotations":[]`...)
	if len(calls) > 0 {
		dst = append(append(dst, `,"tool_calls":[`...), calls[1:]...)
		dst = append(dst, ']')
	}
	dst = append(dst, `},"logprobs":null,"finish_reason":"`...)
	dst = append(append(dst, finishReason(message.Get("stop_reason").Str)...), `"}],"usage":`...)
	return append(usage.append(dst), '}'), nil
}

// appendWholeCall writes a call of a tool behind a comma. Its input becomes a JSON text in a string.
func appendWholeCall(dst []byte, block gjson.Result) []byte {
	dst = appendCallHead(append(dst, `,{`...), block)
	return append(append(dst, quotedInput(block.Get("input"))...), `}}`...)
}

// appendCallHead writes a call up to its arguments.
func appendCallHead(dst []byte, block gjson.Result) []byte {
	dst = append(append(dst, `"id":`...), quoted(block.Get("id"))...)
	dst = append(append(dst, `,"type":"function","function":{"name":`...), quoted(block.Get("name"))...)
	return append(dst, `,"arguments":`...)
}

// quotedInput is a tool's input as a JSON string that holds its JSON text, without white space between the tokens.
func quotedInput(input gjson.Result) []byte {
	if !input.IsObject() {
		return []byte(`"{}"`)
	}
	var text bytes.Buffer
	_ = json.Compact(&text, []byte(input.Raw)) // what was checked to be JSON is
	return gjson.AppendJSONString(nil, text.String())
}

// appendHead writes a completion or a chunk of one up to its choices.
func appendHead(dst []byte, message gjson.Result, reply Reply, object string) []byte {
	dst = append(dst, `{"id":`...)
	if id := message.Get("id"); says(id) {
		dst = append(dst, id.Raw...)
	} else {
		dst = gjson.AppendJSONString(dst, reply.ID)
	}
	dst = append(append(dst, `,"object":"`...), object...)
	dst = strconv.AppendInt(append(dst, `","created":`...), reply.Created, 10)
	dst = appendModel(append(dst, `,"model":`...), message.Get("model"), reply)
	return append(dst, `,"choices":[`...)
}

// finishReason is what OpenAI calls a reason to stop. A turn that was paused is not finished; OpenAI has only the
// limit of its length to say so.
func finishReason(stopReason string) string {
	switch stopReason {
	case "max_tokens", "model_context_window_exceeded", "pause_turn":
		return "length"
	case "tool_use":
		return "tool_calls"
	case "refusal":
		return "content_filter"
	}
	return "stop" // end_turn, stop_sequence
}

// refusal is the explanation of a refused answer, as a JSON string; "" if it was not refused. It reads a message, or
// the delta of a message.
func refusal(message gjson.Result) string {
	if message.Get("stop_reason").Str != "refusal" {
		return ""
	}
	if explanation := message.Get("stop_details.explanation"); says(explanation) {
		return explanation.Raw
	}
	return `"The model refused to answer."`
}

// messageUsage is the usage of a message, in tokens.
type messageUsage struct{ input, cacheRead, cacheWrite, output, thinking int64 }

// merge takes in a usage object. A stream tells its usage in parts, each cumulative: what a part does not mention stays
// as it was.
func (u *messageUsage) merge(usage gjson.Result) {
	for name, value := range members(usage) {
		switch name {
		case "input_tokens":
			u.input = value.Int()
		case "cache_read_input_tokens":
			u.cacheRead = value.Int()
		case "cache_creation_input_tokens":
			u.cacheWrite = value.Int()
		case "output_tokens":
			u.output = value.Int()
		case "output_tokens_details":
			u.thinking = value.Get("thinking_tokens").Int()
		}
	}
}

// append writes the usage as OpenAI tells it: what the cache had, or took, is a part of the prompt.
func (u *messageUsage) append(dst []byte) []byte {
	prompt := u.input + u.cacheRead + u.cacheWrite
	for _, field := range [...]struct {
		head  string
		count int64
	}{
		{`{"prompt_tokens":`, prompt},
		{`,"completion_tokens":`, u.output},
		{`,"total_tokens":`, prompt + u.output},
		{`,"prompt_tokens_details":{"cached_tokens":`, u.cacheRead},
		{`,"cache_write_tokens":`, u.cacheWrite},
		{`,"audio_tokens":`, 0},
		{`},"completion_tokens_details":{"reasoning_tokens":`, u.thinking},
		{`,"audio_tokens":`, 0},
		{`,"accepted_prediction_tokens":`, 0},
		{`,"rejected_prediction_tokens":`, 0},
	} {
		dst = strconv.AppendInt(append(dst, field.head...), field.count, 10)
	}
	return append(dst, "}}"...)
}

// quoted is the JSON string that a value is, "" as one where it is none.
func quoted(value gjson.Result) string {
	if value.Type != gjson.String {
		return `""`
	}
	return value.Raw
}

// inner is what stands between the quotes of a JSON string.
func inner(value gjson.Result) string {
	text := quoted(value)
	return text[1 : len(text)-1]
}
