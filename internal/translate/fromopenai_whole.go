package translate

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func fromOpenAI(body []byte, reply Reply) ([]byte, error) {
	text := string(body)
	if !isJSON(text) {
		return nil, failed("it is not JSON", nil)
	}
	root := gjson.Parse(text)
	if isError(root) {
		return nil, errorIn(root)
	}
	choice := root.Get("choices.0")
	message := choice.Get("message")
	if !message.IsObject() {
		return nil, failed("it has no choices", nil)
	}
	var end ending
	end.read(choice.Get("finish_reason"), choice.Get("stop_reason"))
	dst := appendID(append(make([]byte, 0, len(body)+256), `{"id":`...), root.Get("id"), reply)
	dst = appendModel(append(dst, `,"type":"message","role":"assistant","model":`...), root.Get("model"), reply)
	dst, err := appendContent(append(dst, `,"content":[`...), readDelta(message), &end, reply)
	if err != nil {
		return nil, err
	}
	if dst, err = end.appendStop(append(dst, "],"...)); err != nil {
		return nil, err
	}
	usage, ok := readTokens(root.Get("usage"))
	if !ok {
		usage.input, usage.output = reply.InputTokens, int64(len(message.Raw))/gateway.BytesPerToken
	}
	return append(usage.append(append(dst, ',')), '}'), nil
}

// appendContent appends the blocks of a message: what the model thought, said, and called.
func appendContent(dst []byte, d delta, end *ending, reply Reply) ([]byte, error) {
	block := func(before string, text gjson.Result, after string) {
		dst = append(append(append(comma(dst), before...), text.Raw...), after...)
	}
	thought := func(text gjson.Result) {
		if reply.Thinking {
			block(`{"type":"thinking","thinking":`, text, `,"signature":""}`)
		}
	}
	if says(d.thinking) {
		thought(d.thinking)
	}
	if err := eachText(d.content, func(text gjson.Result, isThinking bool) {
		if isThinking {
			thought(text)
			return
		}
		block(`{"type":"text","text":`, text, "}")
	}); err != nil {
		return nil, err
	}
	if says(d.refusal) {
		end.refused = true
		block(`{"type":"text","text":`, d.refusal, "}")
	}
	var err error
	n := 0
	d.toolCalls.ForEach(func(_, call gjson.Result) bool {
		dst, err = appendToolUse(comma(dst), call, n, end, reply)
		n++
		return err == nil
	})
	return dst, err
}

// appendToolUse appends the nth tool call of an answer.
func appendToolUse(dst []byte, call gjson.Result, n int, end *ending, reply Reply) ([]byte, error) {
	name, arguments := call.Get("function.name"), call.Get("function.arguments")
	if !says(name) {
		return nil, failed("a call of a tool without a name", nil)
	}
	input := arguments.Raw // some services send the object itself
	switch {
	case says(arguments):
		input = strings.TrimSpace(arguments.Str)
	case arguments.String() == "":
		input = "{}"
	}
	if !isObject(input) {
		return nil, toolFailed(name.Str, end.reason)
	}
	end.tools = true
	dst = appendToolID(append(dst, `{"type":"tool_use","id":`...), call.Get("id").String(), call.Get("extra_content"), n, reply)
	dst = append(append(append(dst, `,"name":`...), name.Raw...), `,"input":`...)
	return append(append(dst, input...), '}'), nil
}
