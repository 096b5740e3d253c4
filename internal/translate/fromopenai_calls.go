package translate

import (
	"strings"

	"github.com/tidwall/gjson"
)

// call is a tool call of a streamed answer. Its block begins with the first piece of its arguments, for until then
// more of its id and name may come. The pieces go to the client at once; the copy kept here is to tell whether they
// are complete: a service may still send pieces of one call when it has begun the next, and then both blocks stay open.
type call struct {
	index     int64 // the backend's; 0 where the service counts none
	id, name  string
	extra     gjson.Result // what the service wants back with the call
	block     int          // the client's index; notBegun before
	arguments []byte
	closed    bool
}

const notBegun = -1

func (c *call) isOpen() bool { return c.block != notBegun && !c.closed }

// isComplete reports whether the arguments are a JSON object.
func (c *call) isComplete() bool {
	if len(c.arguments) == 0 {
		return false
	}
	quoted := append(append([]byte{'"'}, c.arguments...), '"')
	return isObject(strings.TrimSpace(gjson.ParseBytes(quoted).Str))
}

// isOther reports whether a part that names a tool begins another call than this one.
func (c *call) isOther(id string, counts bool) bool {
	if id != "" && c.id != "" {
		return id != c.id
	}
	return !counts && c.isComplete()
}

func (c *call) close(dst []byte) []byte {
	c.closed, c.arguments = true, nil
	return appendStop(dst, c.block)
}

// appendCall takes a part of a tool call.
func (s *fromOpenAIStream) appendCall(dst []byte, part gjson.Result) ([]byte, error) {
	id, name, arguments := part.Get("id"), part.Get("function.name"), part.Get("function.arguments")
	if !says(id) && !says(name) && !says(arguments) && !arguments.IsObject() {
		return dst, nil // signatures of Google's may come alone
	}
	at := s.find(part.Get("index"), id.String(), name.String())
	c := &s.calls[at]
	if c.block == notBegun {
		if c.id == "" {
			c.id = strings.Clone(id.Str)
		}
		if extra := part.Get("extra_content"); extra.Exists() {
			c.extra = gjson.Parse(strings.Clone(extra.Raw))
		}
		if name.Str != c.name {
			c.name += strings.Clone(name.Str) // some services send a name in pieces, some send it again
		}
	}
	piece := arguments.Raw
	if arguments.IsObject() { // not what the dialect says, but clear
		piece = string(gjson.AppendJSONString(nil, arguments.Raw))
	} else if !says(arguments) {
		return dst, nil
	}
	if c.closed {
		return dst, failed("more arguments for a complete call of the tool "+c.name, nil)
	}
	s.streamed += int64(len(piece))
	dst, err := s.beginCalls(dst, at+1)
	if err != nil {
		return dst, err
	}
	c.arguments = append(c.arguments, piece[1:len(piece)-1]...)
	return appendDelta(dst, c.block, `{"type":"input_json_delta","partial_json":`, piece), nil
}

// find returns the place of the call that a part belongs to, which may be a new one. Services differ in what they send:
// no index at all, index 0 for every call, an id with every part, or none.
func (s *fromOpenAIStream) find(index gjson.Result, id, name string) int {
	at := len(s.calls) - 1
	counts := index.Type == gjson.Number
	for counts && at >= 0 && s.calls[at].index != index.Int() {
		at--
	}
	if at >= 0 && (name == "" || !s.calls[at].isOther(id, counts)) {
		return at
	}
	s.calls = append(s.calls, call{index: index.Int(), block: notBegun})
	return len(s.calls) - 1
}

// beginCalls begins the blocks of the first n calls, as far as they have not begun.
func (s *fromOpenAIStream) beginCalls(dst []byte, n int) ([]byte, error) {
	for i := range s.calls[:n] {
		c := &s.calls[i]
		if c.block != notBegun {
			continue
		}
		if c.name == "" {
			return dst, failed("a call of a tool without a name", nil)
		}
		block := appendToolID([]byte(`{"type":"tool_use","id":`), c.id, c.extra, i, s.reply)
		block = gjson.AppendJSONString(append(block, `,"name":`...), c.name)
		c.block, s.end.tools = s.blocks, true
		dst = s.begin(dst, string(append(block, `,"input":{}}`...)))
	}
	return dst, nil
}
