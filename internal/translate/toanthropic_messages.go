package translate

import (
	"strings"

	"github.com/tidwall/gjson"
)

// appendMessages writes the messages, and collects what system and developer messages say, wherever they stand: the
// Messages API has one place for it. Neighbours of one side become one message; one without content disappears.
func (c *chat) appendMessages(dst []byte) ([]byte, error) {
	dst = append(dst, `,"messages":`...)
	if !c.messages.IsArray() {
		return nil, refuse("messages", "must be an array of messages")
	}
	err := each("messages", c.messages, func(_ int, message gjson.Result) error {
		role, err := c.message(message)
		dst = c.turn(dst, role)
		return err
	})
	if err != nil {
		return nil, err
	}
	if c.role == "" {
		return nil, refuse("messages", "must hold at least one user message with content: this model answers what a user says")
	}
	return append(dst, "]}]"...), nil
}

// turn writes the blocks of a message, into the message before where that is of the same role.
func (c *chat) turn(dst []byte, role string) []byte {
	switch {
	case len(c.blocks) == 0:
		return dst
	case c.role == role:
		return append(dst, c.blocks...)
	case c.role == "":
		dst = append(dst, '[')
	default:
		dst = append(dst, "]},"...)
	}
	c.role = role
	dst = append(append(dst, `{"role":"`...), role...)
	dst = append(dst, `","content":[`...)
	return append(dst, c.blocks[1:]...)
}

// message translates one message into c.blocks, each behind a comma, or into c.system. It returns the role that the
// blocks are said in.
func (c *chat) message(m gjson.Result) (role string, err error) {
	if !m.IsObject() {
		return "", refuse("", "must be an object with a role and content")
	}
	c.blocks = c.blocks[:0]
	content := raw(m, "content")
	switch kind := m.Get("role").String(); kind {
	case "system", "developer":
		if c.role != "" {
			c.drop("messages.system.order")
		}
		c.dropOthers("messages", m, "role", "content")
		c.system, err = c.appendContent(c.system, content, wordsOnly)
		return "", err
	case "user":
		c.dropOthers("messages", m, "role", "content")
		c.blocks, err = c.appendContent(c.blocks, content, anything)
		return "user", err
	case "tool":
		c.dropOthers("messages", m, "role", "content", "tool_call_id")
		c.blocks, err = c.appendResult(c.blocks, m)
		return "user", err
	case "assistant":
		c.dropOthers("messages", m, "role", "content", "refusal", "tool_calls", "audio", "function_call")
		c.blocks, err = c.appendAnswer(c.blocks, m)
		return "assistant", err
	case "function":
		return "", refuse("role", "functions are given and called as tools here. Send tools, and their results in messages of the role tool")
	default:
		return "", refuse("role", "must be system, developer, user, assistant or tool, not %q", kind)
	}
}

// appendAnswer writes what the model said before.
func (c *chat) appendAnswer(dst []byte, m gjson.Result) (_ []byte, err error) {
	for _, field := range [...]string{"audio", "function_call"} {
		if !isEmpty(m.Get(field)) {
			return nil, refuse(field, "this model cannot be told of it. Send what was said as content, and calls as tool_calls")
		}
	}
	if content := raw(m, "content"); content.Type != gjson.Null { // which is also what is not there
		if dst, err = c.appendContent(dst, content, wordsOnly); err != nil {
			return nil, err
		}
	}
	if refusal := m.Get("refusal"); refusal.Type == gjson.String {
		dst = appendTextBlock(dst, refusal)
	}
	c.midUse = false
	calls := m.Get("tool_calls")
	if calls.Type == gjson.Null {
		return dst, nil
	}
	err = each("tool_calls", calls, func(_ int, call gjson.Result) (err error) {
		c.midUse = true
		dst, err = appendCall(dst, call)
		return err
	})
	return dst, err
}

// appendCall writes a call that the model made. The arguments are a JSON text in a string; they become JSON.
func appendCall(dst []byte, call gjson.Result) ([]byte, error) {
	if kind := call.Get("type"); kind.Type != gjson.Null && kind.String() != "function" {
		return nil, refuse("type", "must be function, not %q: this model calls functions only", kind.String())
	}
	id, name, arguments := call.Get("id"), call.Get("function.name"), call.Get("function.arguments")
	switch {
	case id.Type != gjson.String || id.Str == "":
		return nil, refuse("id", "must be a string that is not empty")
	case name.Type != gjson.String || name.Str == "":
		return nil, refuse("function.name", "must be a string that is not empty")
	case arguments.Type != gjson.Null && arguments.Type != gjson.String:
		return nil, refuse("function.arguments", "must be a string that holds a JSON object")
	}
	input := strings.TrimSpace(arguments.Str)
	if input == "" {
		input = "{}"
	}
	if !isObject(input) {
		return nil, refuse("function.arguments", "must hold a JSON object. Send the arguments as the model gave them, whole, or leave the call and its result out")
	}
	dst = appendCallID(append(dst, `,{"type":"tool_use","id":`...), id.Str)
	dst = append(append(dst, `,"name":`...), name.Raw...)
	dst = append(append(dst, `,"input":`...), input...)
	return append(dst, '}'), nil
}

// appendResult writes what a tool gave.
func (c *chat) appendResult(dst []byte, m gjson.Result) ([]byte, error) {
	id := m.Get("tool_call_id")
	if id.Type != gjson.String || id.Str == "" {
		return nil, refuse("tool_call_id", "must be the id of the call that this is the result of")
	}
	dst = appendCallID(append(dst, `,{"type":"tool_result","tool_use_id":`...), id.Str)
	bare := len(dst)
	dst = append(dst, `,"content":`...)
	first := len(dst)
	dst, err := c.appendContent(dst, raw(m, "content"), anything)
	switch {
	case err != nil:
		return nil, err
	case len(dst) == first:
		return append(dst[:bare], '}'), nil
	}
	dst[first] = '[' // in place of the comma
	return append(dst, "]}"...), nil
}

// appendCallID writes the id of a call. Anthropic takes letters, digits, dashes and underscores; some clients' ids have
// other characters, and become the same underscore in the call and in its result.
func appendCallID(dst []byte, id string) []byte {
	dst = append(dst, '"')
	for _, b := range []byte(id) {
		if b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' {
			dst = append(dst, b)
		} else {
			dst = append(dst, '_')
		}
	}
	return append(dst, '"')
}
