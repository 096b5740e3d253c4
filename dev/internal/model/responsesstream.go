package model

// responseStream writes the events of a response. Every event is numbered, and
// those about an item say which.
type responseStream struct {
	*stream
	number int // of the next event
	item   int // index of the current output item
}

// streamResponse sends a response as a stream, in the order of the real service.
func (x *exchange) streamResponse(a answer) error {
	opened, err := x.openStream()
	if err != nil {
		return err
	}
	s := &responseStream{stream: opened}
	for _, name := range []string{"response.created", "response.in_progress"} {
		if err := s.event(name, fields{"response": x.response(a, "in_progress", []map[string]any{})}); err != nil {
			return err
		}
	}
	if err := s.output(x, a); err != nil {
		return err
	}
	status := a.responseStatus()
	return s.event("response."+status, fields{"response": x.response(a, status, x.outputs(a))})
}

// fields are those of an event beside its type and number.
type fields map[string]any

func (s *responseStream) event(name string, f fields) error {
	f["type"], f["sequence_number"] = name, s.number
	s.number++
	return s.send(concat("event: ", name, "\ndata: ", string(marshal(f)), "\n\n"))
}

// output sends every item: its announcement, its pieces and itself when complete.
func (s *responseStream) output(x *exchange, a answer) error {
	if len(a.thinking) > 0 {
		whole := x.outputs(a)[0]
		err := s.sendItem(x.reasoningItem([]any{}), whole, func() error {
			at := fields{"item_id": whole["id"], "summary_index": 0}
			part := func(text string) map[string]any { return map[string]any{"type": "summary_text", "text": text} }
			return s.part("response.reasoning_summary_part", "response.reasoning_summary_text", "text", at, part, a.thinking)
		})
		if err != nil {
			return err
		}
	}
	for i, call := range a.tools {
		whole := x.callItem(i, call, "completed")
		err := s.sendItem(x.callItem(i, toolCall{name: call.name}, "in_progress"), whole, func() error {
			at := fields{"item_id": whole["id"]}
			return s.pieces("response.function_call_arguments", "arguments", at, split(call.arguments))
		})
		if err != nil {
			return err
		}
	}
	if len(a.tools) > 0 {
		return nil
	}
	whole := x.messageItem([]any{a.textPart(join(a.text))}, "completed")
	return s.sendItem(x.messageItem([]any{}, "in_progress"), whole, func() error {
		at, name, field := fields{"item_id": whole["id"], "content_index": 0}, "response.output_text", "text"
		if a.end == refused {
			name, field = "response.refusal", "refusal"
		}
		return s.part("response.content_part", name, field, at, a.textPart, a.text)
	})
}

// sendItem sends what is around an item.
func (s *responseStream) sendItem(begun, whole map[string]any, content func() error) error {
	if err := s.event("response.output_item.added", fields{"output_index": s.item, "item": begun}); err != nil {
		return err
	}
	if err := content(); err != nil {
		return err
	}
	err := s.event("response.output_item.done", fields{"output_index": s.item, "item": whole})
	s.item++
	return err
}

// part sends what is around a part of an item, and its pieces.
func (s *responseStream) part(around, name, field string, at fields, part func(string) map[string]any, pieces []string) error {
	if err := s.event(around+".added", s.at(at, "part", part(""))); err != nil {
		return err
	}
	if err := s.pieces(name, field, at, pieces); err != nil {
		return err
	}
	return s.event(around+".done", s.at(at, "part", part(join(pieces))))
}

// pieces sends the deltas of a text and then the whole of it.
func (s *responseStream) pieces(name, field string, at fields, pieces []string) error {
	for _, piece := range pieces {
		if err := s.event(name+".delta", s.at(at, "delta", piece)); err != nil {
			return err
		}
	}
	return s.event(name+".done", s.at(at, field, join(pieces)))
}

// at adds a field to those that say where an event belongs.
func (s *responseStream) at(where fields, name string, value any) fields {
	f := fields{"output_index": s.item, name: value}
	for key, one := range where {
		f[key] = one
	}
	return f
}
