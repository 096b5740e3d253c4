package model

import "strconv"

// completionStream writes the chunks of a completion.
type completionStream struct {
	*stream
	buffer []byte
	head   string // a chunk up to its delta
	tail   string // a chunk after its finish reason
}

// streamCompletion sends a completion as a stream. A chunk with the usage, and a
// null usage in every other chunk, is only sent to those who ask for it.
func (x *exchange) streamCompletion(a answer, includeUsage bool) error {
	opened, err := x.openStream()
	if err != nil {
		return err
	}
	prefix := `{"id":"` + x.completionID() + `","object":"chat.completion.chunk","created":` + strconv.Itoa(created) +
		`,"model":` + string(marshal(a.model)) + `,"service_tier":"default","system_fingerprint":"fp_mock","choices":[`
	s := &completionStream{
		stream: opened, buffer: make([]byte, 0, 1024),
		head: `data: ` + prefix + `{"index":0,"delta":`, tail: "}]}\n\n",
	}
	if includeUsage {
		s.tail = "}],\"usage\":null}\n\n"
	}
	if err := s.content(x, a); err != nil {
		return err
	}
	if includeUsage {
		last := concat(`data: `, prefix, `],"usage":`, string(marshal(a.openaiUsage())), "}\n\n")
		if err := s.send(last); err != nil {
			return err
		}
	}
	return s.send([]byte("data: [DONE]\n\n"))
}

// content sends the role, the pieces and the finish reason.
func (s *completionStream) content(x *exchange, a answer) error {
	opening, field := `{"role":"assistant","content":"","refusal":null}`, "content"
	if len(a.tools) > 0 {
		opening = `{"role":"assistant","content":null}`
	}
	if a.end == refused {
		opening, field = `{"role":"assistant","content":null,"refusal":""}`, "refusal"
	}
	if err := s.chunk(opening, "null"); err != nil {
		return err
	}
	if err := s.pieces("reasoning_content", a.thinking); err != nil {
		return err
	}
	for i, call := range a.tools {
		if err := s.toolCall(x, i, call); err != nil {
			return err
		}
	}
	if len(a.tools) == 0 {
		if err := s.pieces(field, a.text); err != nil {
			return err
		}
	}
	return s.chunk("{}", `"`+a.finishReason()+`"`)
}

// pieces sends a text of the message, one chunk a piece.
func (s *completionStream) pieces(field string, pieces []string) error {
	for _, piece := range pieces {
		s.buffer = append(append(append(append(s.buffer[:0], s.head...), `{"`...), field...), `":`...)
		s.buffer = append(appendQuoted(s.buffer, piece), '}')
		if err := s.finish("null"); err != nil {
			return err
		}
	}
	return nil
}

// toolCall sends the head of a call and then its arguments, in pieces.
func (s *completionStream) toolCall(x *exchange, i int, call toolCall) error {
	index := `{"tool_calls":[{"index":` + strconv.Itoa(i)
	head := index + `,"id":"` + x.toolCallID(i) + `","type":"function","function":{"name":` +
		string(marshal(call.name)) + `,"arguments":""}}]}`
	if err := s.chunk(head, "null"); err != nil {
		return err
	}
	for _, piece := range split(call.arguments) {
		s.buffer = append(append(append(s.buffer[:0], s.head...), index...), `,"function":{"arguments":`...)
		s.buffer = append(appendQuoted(s.buffer, piece), "}}]}"...)
		if err := s.finish("null"); err != nil {
			return err
		}
	}
	return nil
}

// chunk sends a chunk with a delta and a finish reason, both JSON.
func (s *completionStream) chunk(delta, reason string) error {
	s.buffer = append(append(s.buffer[:0], s.head...), delta...)
	return s.finish(reason)
}

// finish completes the chunk in the buffer and sends it.
func (s *completionStream) finish(reason string) error {
	s.buffer = append(s.buffer, `,"logprobs":null,"finish_reason":`...)
	s.buffer = append(s.buffer, reason...)
	s.buffer = append(s.buffer, s.tail...)
	return s.send(s.buffer)
}
