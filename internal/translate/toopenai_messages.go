package translate

import (
	"strings"

	"github.com/tidwall/gjson"
)

// writeMessages writes the conversation: the system prompt as its first message, then the client's messages in their
// order.
func (r *messagesRequest) writeMessages() error {
	system, list := r.take("system"), r.take("messages")
	if !list.IsArray() || list.Get("0").Raw == "" {
		return refuse("messages", "must be an array of at least one message")
	}
	r.out = append(r.out, `,"messages":[`...)
	if err := r.writeSystem(system); err != nil {
		return err
	}
	var last string // the role of the last message
	if err := each("messages", list, func(_ int, message gjson.Result) (err error) {
		last, err = r.writeMessage(message)
		return err
	}); err != nil {
		return err
	}
	if last == "assistant" {
		return refuse("messages", "this model cannot continue a message of the assistant. End with a message of the user")
	}
	r.out = append(r.out, ']')
	return nil
}

// writeSystem writes the system prompt. Claude Code puts a block before it that tells Anthropic whom to bill; it changes
// from turn to turn, and is for no other service to see or to cache.
func (r *messagesRequest) writeSystem(system gjson.Result) error {
	const billing = "x-anthropic-billing-header"
	isBilling := system.IsArray() && strings.HasPrefix(system.Get("0.text").String(), billing+":")
	if isBilling {
		r.drop("system." + billing)
	}
	if isEmpty(system) || isBilling && !system.Get("1").Exists() {
		return nil
	}
	r.open("system")
	return r.writeText("system", system, isBilling)
}

// writeMessage writes one message of the client's, which may become several, and returns its role.
func (r *messagesRequest) writeMessage(message gjson.Result) (role string, err error) {
	if !message.IsObject() {
		return "", refuse("", "must be an object")
	}
	role, content := message.Get("role").String(), message.Get("content")
	if content.Type != gjson.String && !content.IsArray() {
		return "", refuse("content", "must be a string or an array of blocks")
	}
	r.dropOthers("messages", message, "role", "content")
	switch {
	case role == "system":
		r.open(role)
		return role, r.writeText("content", content, false)
	case role != "user" && role != "assistant":
		return "", refuse("role", "must be user, assistant or system, not %q", role)
	case content.Type == gjson.String:
		r.open(role)
		r.out = append(append(r.out, content.Raw...), '}')
		return role, nil
	case role == "user":
		return role, r.writeUser(content)
	}
	return role, r.writeAssistant(content)
}

// open begins a message up to its content.
func (r *messagesRequest) open(role string) {
	r.out = append(comma(r.out), `{"role":"`+role+`","content":`...)
}

// writeText writes the content of a message that can be text only: a string, or text blocks that are joined to one,
// maybe without the first. A string is what every service takes. The path is relative to the message, or is "system".
func (r *messagesRequest) writeText(path string, content gjson.Result, skipFirst bool) error {
	if content.Type == gjson.String {
		r.out = append(append(r.out, content.Raw...), '}')
		return nil
	}
	field := "messages.content"
	if path == "system" {
		field = path
	}
	r.out = append(r.out, '"')
	start := len(r.out)
	err := each(path, content, func(i int, block gjson.Result) error {
		if i == 0 && skipFirst {
			return nil
		}
		if kind := block.Get("type").String(); kind != "text" {
			return r.refuseBlock(kind)
		}
		text, err := r.text(field, block)
		r.out = appendText(r.out, start, text)
		return err
	})
	r.out = append(r.out, `"}`...)
	return err
}

// writeAssistant writes a message of the assistant: its texts as one, and its tool calls. What it thought stays with
// the service that thought it.
func (r *messagesRequest) writeAssistant(content gjson.Result) error {
	var calls []byte
	texts := 0
	r.open("assistant")
	start := len(r.out) + 1
	if err := each("content", content, func(_ int, block gjson.Result) error {
		switch kind := block.Get("type").String(); kind {
		case "text":
			if texts++; texts == 1 {
				r.out = append(r.out, '"')
			}
			text, err := r.text("messages.content", block)
			r.out = appendText(r.out, start, text)
			return err
		case "tool_use":
			call, err := r.toolCall(block)
			calls = append(append(calls, ','), call...)
			return err
		case "thinking", "redacted_thinking":
			r.drop("messages.content." + kind)
			return nil
		default:
			return r.refuseBlock(kind)
		}
	}); err != nil {
		return err
	}
	switch {
	case texts > 0:
		r.out = append(r.out, '"')
	case calls != nil:
		r.out = append(r.out, "null"...)
	default:
		r.out = append(r.out, `""`...)
	}
	if calls != nil {
		r.out = append(append(append(r.out, `,"tool_calls":[`...), calls[1:]...), ']')
	}
	r.out = append(r.out, '}')
	return nil
}

// toolCall is a tool call of the assistant's. Its input is JSON in a string on OpenAI's side.
func (r *messagesRequest) toolCall(block gjson.Result) ([]byte, error) {
	id, name, input := block.Get("id"), block.Get("name"), block.Get("input")
	r.dropOthers("messages.content", block, "type", "id", "name", "input")
	switch {
	case id.Type != gjson.String || id.Str == "":
		return nil, refuse("id", "must be a string that is not empty")
	case name.Type != gjson.String || name.Str == "":
		return nil, refuse("name", "must be a string that is not empty")
	case !input.IsObject():
		return nil, refuse("input", "must be an object")
	}
	own, extra := carried(id)
	call := append([]byte(`{"id":`), own...)
	if extra != "" {
		call = append(append(call, `,"extra_content":`...), extra...)
	}
	call = append(append(call, `,"type":"function","function":{"name":`...), name.Raw...)
	call = gjson.AppendJSONString(append(call, `,"arguments":`...), input.Raw)
	return append(call, "}}"...), nil
}

// text returns the text of a text block as JSON, without its quotes. The path is for what is dropped.
func (r *messagesRequest) text(path string, block gjson.Result) (string, error) {
	text := block.Get("text")
	if text.Type != gjson.String {
		return "", refuse("text", "must be a string")
	}
	r.dropOthers(path, block, "type", "text")
	return unquote(text), nil
}

func (r *messagesRequest) refuseBlock(kind string) error {
	return refuse("", "a block of type %q has no counterpart with this model here. Leave it out, or send what it says as text", kind)
}

// appendText appends a text to a JSON string that began at start, in a paragraph of its own. Both are JSON without
// quotes.
func appendText(dst []byte, start int, text string) []byte {
	if len(dst) > start && text != "" {
		dst = append(dst, `\n\n`...)
	}
	return append(dst, text...)
}

// unquote is a JSON string without its quotes; its escapes stay.
func unquote(s gjson.Result) string { return s.Raw[1 : len(s.Raw)-1] }

// comma parts an element from the one before it.
func comma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '[' {
		dst = append(dst, ',')
	}
	return dst
}
