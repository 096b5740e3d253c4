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
	send, pieces := s.text, a.text
	opening := `{"role":"assistant","content":"","refusal":null}`
	if a.tool != nil {
		opening = `{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"` + x.toolCallID() +
			`","type":"function","function":{"name":` + string(marshal(a.tool.name)) + `,"arguments":""}}]}`
		send, pieces = s.arguments, split(a.tool.arguments)
	}
	if err := s.chunk(opening, "null"); err != nil {
		return err
	}
	for _, piece := range pieces {
		if err := send(piece); err != nil {
			return err
		}
	}
	return s.chunk("{}", `"`+a.finishReason()+`"`)
}

func (s *completionStream) text(piece string) error {
	s.buffer = append(append(s.buffer[:0], s.head...), `{"content":`...)
	s.buffer = append(appendQuoted(s.buffer, piece), '}')
	return s.finish("null")
}

func (s *completionStream) arguments(piece string) error {
	s.buffer = append(append(s.buffer[:0], s.head...), `{"tool_calls":[{"index":0,"function":{"arguments":`...)
	s.buffer = append(appendQuoted(s.buffer, piece), "}}]}"...)
	return s.finish("null")
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
