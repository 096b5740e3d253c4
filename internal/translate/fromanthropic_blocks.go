package translate

import (
	"slices"
	"strconv"

	"github.com/tidwall/gjson"
)

// openBlock is a content block that has started and not stopped.
type openBlock struct {
	index int64
	kind  blockKind
	call  int  // where kind is callBlock: its place among the calls
	begun bool // some of its arguments have been told
}

type blockKind int

const (
	silentBlock blockKind = iota // not told: a server's tool, its result, what is yet to be invented
	textBlock
	thinkingBlock
	callBlock
)

func (s *messageStream) startBlock(dst []byte, index int64, block gjson.Result) ([]byte, error) {
	switch {
	case s.state != running:
		return dst, failed("a block starts behind the reason to stop", nil)
	case s.block(index) != nil:
		return dst, failed("a block starts twice", nil)
	}
	b := openBlock{index: index}
	switch block.Get("type").Str {
	case "text":
		b.kind = textBlock
		if text := block.Get("text"); says(text) {
			dst = s.appendChunk(dst, `"content":`, text.Raw)
		}
	case "thinking":
		b.kind = thinkingBlock
		if text := block.Get("thinking"); says(text) {
			dst = s.appendChunk(dst, `"reasoning_content":`, text.Raw)
		}
	case "tool_use":
		arguments := `""`
		if input := block.Get("input"); isEmpty(input) {
			b.kind, b.call = callBlock, s.calls
		} else { // a backend that does not stream it: the block is told whole
			arguments = string(quotedInput(input))
		}
		dst = s.appendCall(dst, block, arguments)
	}
	s.open = append(s.open, b)
	return dst, nil
}

// appendCall writes the chunk that a call begins with.
func (s *messageStream) appendCall(dst []byte, block gjson.Result, arguments string) []byte {
	dst = append(append(dst, s.head...), `{"index":0,"delta":{"tool_calls":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(s.calls), 10)
	s.calls++
	dst = append(appendCallHead(append(dst, ','), block), arguments...)
	dst = append(dst, `}}]},"logprobs":null,"finish_reason":null`...)
	return append(dst, s.tail...)
}

// delta tells the next piece of a block. Signatures, citations and what a silent block says are not told.
func (s *messageStream) delta(dst []byte, index int64, delta gjson.Result) ([]byte, error) {
	b := s.block(index)
	if b == nil {
		return dst, failed("a delta belongs to no open block", nil)
	}
	switch kind := delta.Get("type").Str; {
	case b.kind == textBlock && kind == "text_delta":
		dst = s.appendChunk(dst, `"content":`, quoted(raw(delta, "text")))
	case b.kind == thinkingBlock && kind == "thinking_delta":
		dst = s.appendChunk(dst, `"reasoning_content":`, quoted(raw(delta, "thinking")))
	case b.kind == callBlock && kind == "input_json_delta":
		piece := quoted(raw(delta, "partial_json"))
		b.begun = b.begun || !isBlank(piece)
		dst = s.appendCallChunk(dst, b.call, piece)
	}
	return dst, nil
}

// stopBlock closes a block. A call without arguments is given an empty object: clients read what they were told as JSON.
func (s *messageStream) stopBlock(dst []byte, index int64) []byte {
	b := s.block(index)
	if b == nil {
		return dst
	}
	if b.kind == callBlock && !b.begun {
		dst = s.appendCallChunk(dst, b.call, `"{}"`)
	}
	s.open = slices.DeleteFunc(s.open, func(b openBlock) bool { return b.index == index })
	return dst
}

// block is the open block with an index, nil if there is none. Only calls are ever open side by side.
func (s *messageStream) block(index int64) *openBlock {
	for i := range s.open {
		if s.open[i].index == index {
			return &s.open[i]
		}
	}
	return nil
}
