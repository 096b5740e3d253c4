package model

import "strconv"

// messageStream writes the events of a message. Its buffer is reused: one event
// is on the wire before the next is made.
type messageStream struct {
	*stream
	buffer []byte
	block  int // index of the current content block
}

// streamMessage sends a message as a stream, in the order of the real service.
func (x *exchange) streamMessage(a answer) error {
	opened, err := x.openStream()
	if err != nil {
		return err
	}
	s := &messageStream{stream: opened, buffer: make([]byte, 0, 1024)}
	start := marshal(map[string]any{"type": "message_start", "message": x.shell(a)})
	if err := s.event("message_start", string(start)); err != nil {
		return err
	}
	if len(a.thinking) > 0 {
		if err := s.thinking(a); err != nil {
			return err
		}
	}
	for i, call := range a.tools {
		if err := s.toolUse(i, call); err != nil {
			return err
		}
	}
	if len(a.tools) == 0 {
		if err := s.content(`{"type":"text","text":""}`, "text_delta", "text", a.text); err != nil {
			return err
		}
	}
	if err := s.event("message_delta", messageDelta(a)); err != nil {
		return err
	}
	return s.event("message_stop", `{"type":"message_stop"}`)
}

// messageDelta closes a message: why it ends and what it cost in all.
func messageDelta(a answer) string {
	return string(marshal(map[string]any{
		"type":  "message_delta",
		"delta": map[string]any{"stop_reason": a.stopReason(), "stop_sequence": a.stopSequence()},
		"usage": map[string]int{
			"input_tokens":                a.usage.input,
			"cache_creation_input_tokens": a.usage.cacheCreation,
			"cache_read_input_tokens":     a.usage.cacheRead,
			"output_tokens":               a.usage.output,
		},
	}))
}

// thinking sends a thinking block: its signature comes as the last delta.
func (s *messageStream) thinking(a answer) error {
	if err := s.open(`{"type":"thinking","thinking":"","signature":""}`); err != nil {
		return err
	}
	for _, piece := range a.thinking {
		if err := s.delta("thinking_delta", "thinking", piece); err != nil {
			return err
		}
	}
	if err := s.delta("signature_delta", "signature", a.signature); err != nil {
		return err
	}
	return s.close()
}

// toolUse sends a tool call: the arguments are pieces of JSON text, the first empty.
func (s *messageStream) toolUse(i int, call toolCall) error {
	block := marshal(map[string]any{
		"type": "tool_use", "id": s.toolUseID(i), "name": call.name, "input": map[string]any{},
	})
	pieces := append([]string{""}, split(call.arguments)...)
	return s.content(string(block), "input_json_delta", "partial_json", pieces)
}

// content sends a block of deltas of one kind.
func (s *messageStream) content(block, delta, field string, pieces []string) error {
	if err := s.open(block); err != nil {
		return err
	}
	for _, piece := range pieces {
		if err := s.delta(delta, field, piece); err != nil {
			return err
		}
	}
	return s.close()
}

// open starts a block. The real service sends a ping after the first one.
func (s *messageStream) open(block string) error {
	index := strconv.Itoa(s.block)
	if err := s.event("content_block_start", `{"type":"content_block_start","index":`, index, `,"content_block":`, block, `}`); err != nil {
		return err
	}
	if s.block > 0 {
		return nil
	}
	return s.event("ping", `{"type": "ping"}`)
}

func (s *messageStream) delta(kind, field, value string) error {
	s.buffer = append(s.buffer[:0], "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	s.buffer = strconv.AppendInt(s.buffer, int64(s.block), 10)
	s.buffer = append(s.buffer, `,"delta":{"type":"`...)
	s.buffer = append(s.buffer, kind...)
	s.buffer = append(s.buffer, `","`...)
	s.buffer = append(s.buffer, field...)
	s.buffer = append(s.buffer, `":`...)
	s.buffer = appendQuoted(s.buffer, value)
	s.buffer = append(s.buffer, "}}\n\n"...)
	return s.send(s.buffer)
}

// close ends the current block.
func (s *messageStream) close() error {
	index := strconv.Itoa(s.block)
	s.block++
	return s.event("content_block_stop", `{"type":"content_block_stop","index":`, index, `}`)
}

// event sends one event whose data is the parts joined.
func (s *messageStream) event(name string, data ...string) error {
	s.buffer = append(s.buffer[:0], "event: "...)
	s.buffer = append(s.buffer, name...)
	s.buffer = append(s.buffer, "\ndata: "...)
	for _, part := range data {
		s.buffer = append(s.buffer, part...)
	}
	s.buffer = append(s.buffer, "\n\n"...)
	return s.send(s.buffer)
}
