package translate

import (
	"bytes"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/sse"
)

// fromOpenAIStream makes Anthropic's events of the chunks of a chat completion. The JSON strings of the chunks are
// copied as they are. message_start goes out with the first chunk that brings a choice; the blocks are closed at
// finish_reason; message_delta waits for [DONE], since the usage comes behind finish_reason and is part of it.
type fromOpenAIStream struct {
	reply    Reply
	events   sse.Decoder
	err      error // final
	started  bool  // message_start has gone out
	done     bool  // message_stop has gone out
	end      ending
	usage    tokens
	streamed int64 // bytes of content, for an estimate

	blocks int    // begun so far; the index of the next
	open   string // the kind of the last block, "text" or "thinking", while it is open
	calls  []call
}

func newFromOpenAI(reply Reply) Stream { return &fromOpenAIStream{reply: reply} }

// Next implements Stream.
func (s *fromOpenAIStream) Next(dst, p []byte) ([]byte, error) {
	if s.err != nil {
		return dst, s.err
	}
	for event, err := range s.events.Feed(p) {
		if err != nil {
			err = failed("its stream cannot be read", err)
		} else {
			dst, err = s.event(dst, event)
		}
		if err != nil {
			s.err = err
			return dst, err
		}
	}
	return dst, nil
}

func (s *fromOpenAIStream) event(dst []byte, event sse.Event) ([]byte, error) {
	data := bytes.TrimSpace(event.Data)
	switch {
	case s.done || len(data) == 0: // some services send events without data to keep the connection alive
		return dst, nil
	case string(data) == "[DONE]":
		return s.finish(dst)
	}
	text := view(data) // what is kept beyond this event has to be copied
	if !isJSON(text) {
		return dst, failed("an event that is not JSON", nil)
	}
	root := gjson.Parse(text)
	var c chunk
	c.read(root)
	if c.failed || event.Name == "error" {
		return dst, errorIn(root)
	}
	if usage, ok := readTokens(c.usage); ok {
		s.usage = usage // a service may tell it with every chunk; the last one counts
	}
	if !c.choice.Exists() {
		return dst, nil
	}
	return s.choice(dst, c)
}

// chunk is what one event says.
type chunk struct {
	id, model, usage         gjson.Result
	choice                   gjson.Result // does not exist in a chunk that tells usage only
	delta, reason, stoppedBy gjson.Result // of the choice
	failed                   bool         // it is an error in place of an answer
}

func (c *chunk) read(root gjson.Result) {
	root.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "id":
			c.id = value
		case "model":
			c.model = value
		case "usage":
			c.usage = value
		case "choices":
			c.choice = value.Get("0")
		case "error":
			c.failed = c.failed || value.Type != gjson.Null
		case "object":
			c.failed = c.failed || value.Str == "error"
		}
		return true
	})
	c.choice.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "delta":
			c.delta = value
		case "finish_reason":
			c.reason = value
		case "stop_reason":
			c.stoppedBy = value
		}
		return true
	})
}

// choice takes what a chunk adds to the answer.
func (s *fromOpenAIStream) choice(dst []byte, c chunk) ([]byte, error) {
	if !s.started {
		s.started = true
		dst = s.appendStart(dst, c)
	}
	d := readDelta(c.delta)
	if says(d.thinking) {
		dst = s.appendThinking(dst, d.thinking)
	}
	if err := eachText(d.content, func(text gjson.Result, isThinking bool) {
		if isThinking {
			dst = s.appendThinking(dst, text)
		} else {
			dst = s.appendText(dst, text)
		}
	}); err != nil {
		return dst, err
	}
	if says(d.refusal) {
		s.end.refused = true
		dst = s.appendText(dst, d.refusal)
	}
	var err error
	d.toolCalls.ForEach(func(_, part gjson.Result) bool {
		dst, err = s.appendCall(dst, part)
		return err == nil
	})
	if err != nil {
		return dst, err
	}
	s.end.read(c.reason, c.stoppedBy)
	if !says(c.reason) {
		return dst, nil
	}
	return s.closeAll(dst)
}

func (s *fromOpenAIStream) appendStart(dst []byte, c chunk) []byte {
	usage := s.usage
	if !usage.known {
		usage.input = s.reply.InputTokens
	}
	usage.output = 0
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":"...)
	dst = appendID(dst, c.id, s.reply)
	dst = appendModel(append(dst, `,"type":"message","role":"assistant","model":`...), c.model, s.reply)
	dst = append(dst, `,"content":[],"stop_reason":null,"stop_sequence":null,`...)
	return append(usage.append(dst), "}}\n\n"...)
}

// appendThinking tells what the model thinks to a client that asked to see it.
func (s *fromOpenAIStream) appendThinking(dst []byte, text gjson.Result) []byte {
	s.streamed += int64(len(text.Raw))
	if !s.reply.Thinking {
		return dst
	}
	if s.open != "thinking" {
		dst = s.begin(dst, `{"type":"thinking","thinking":"","signature":""}`)
		s.open = "thinking"
	}
	return appendDelta(dst, s.blocks-1, `{"type":"thinking_delta","thinking":`, text.Raw)
}

func (s *fromOpenAIStream) appendText(dst []byte, text gjson.Result) []byte {
	s.streamed += int64(len(text.Raw))
	if s.open != "text" {
		dst = s.begin(dst, `{"type":"text","text":""}`)
		s.open = "text"
	}
	return appendDelta(dst, s.blocks-1, `{"type":"text_delta","text":`, text.Raw)
}

// begin closes what can be closed and begins the next block.
func (s *fromOpenAIStream) begin(dst []byte, block string) []byte {
	dst = s.closeDone(dst)
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(s.blocks), 10)
	s.blocks++
	return append(append(append(dst, `,"content_block":`...), block...), "}\n\n"...)
}

func appendDelta(dst []byte, block int, before, text string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(block), 10)
	dst = append(append(dst, `,"delta":`...), before...)
	return append(append(dst, text...), "}}\n\n"...)
}

func appendStop(dst []byte, block int) []byte {
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	return append(strconv.AppendInt(dst, int64(block), 10), "}\n\n"...)
}

// closeDone closes the blocks that are complete: text, thinking, and tool calls whose arguments are.
func (s *fromOpenAIStream) closeDone(dst []byte) []byte {
	if s.open != "" {
		dst = appendStop(dst, s.blocks-1)
		s.open = ""
	}
	for i := range s.calls {
		if c := &s.calls[i]; c.isOpen() && c.isComplete() {
			dst = c.close(dst)
		}
	}
	return dst
}

// closeAll closes all blocks at the end of the answer. Arguments may be cut only where the limit cut the answer: then
// the client is told so by the stop reason.
func (s *fromOpenAIStream) closeAll(dst []byte) ([]byte, error) {
	reason, err := s.end.stopReason()
	if err != nil {
		return dst, err
	}
	isCut := reason == "max_tokens"
	if !isCut {
		if dst, err = s.beginCalls(dst, len(s.calls)); err != nil {
			return dst, err
		}
	}
	dst = s.closeDone(dst)
	for i := range s.calls {
		c := &s.calls[i]
		if !c.isOpen() {
			continue
		}
		if len(c.arguments) > 0 && !isCut {
			return dst, toolFailed(c.name, s.end.reason)
		}
		dst = c.close(dst)
	}
	return dst, nil
}

// finish ends the client's stream, once the backend has ended its own.
func (s *fromOpenAIStream) finish(dst []byte) ([]byte, error) {
	if s.end.reason == "" {
		return dst, failed("it ended without a finish_reason", nil)
	}
	dst, err := s.closeAll(dst)
	if err != nil {
		return dst, err
	}
	if !s.usage.known {
		s.usage.input, s.usage.output = s.reply.InputTokens, s.streamed/gateway.BytesPerToken
	}
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"...)
	if dst, err = s.end.appendStop(dst); err != nil {
		return dst, err
	}
	dst = append(s.usage.append(append(dst, "},"...)), "}\n\n"...)
	s.done = true
	return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...), nil
}
