package translate

import (
	"github.com/tidwall/gjson"
)

// writeUser writes a message of the user's: what the tools returned as messages of their own, which have to follow the
// calls, then the rest. Images and documents that a tool returned come at the beginning of the rest, since the message
// of a tool is text.
func (r *messagesRequest) writeUser(content gjson.Result) error {
	var parts []byte // each behind a comma
	results, texts, rest := 0, 0, 0
	if err := each("content", content, func(_ int, block gjson.Result) (err error) {
		switch block.Get("type").String() {
		case "tool_result":
			results++
			parts, err = r.writeToolResult(parts, block)
			return err
		case "text":
			texts++
		}
		rest++
		return nil
	}); err != nil {
		return err
	}
	if rest == texts && parts == nil {
		if rest == 0 && results > 0 {
			return nil
		}
		return r.writeTexts(content)
	}
	if err := each("content", content, func(_ int, block gjson.Result) (err error) {
		if block.Get("type").String() != "tool_result" {
			parts, err = r.appendPart(parts, block)
		}
		return err
	}); err != nil {
		return err
	}
	r.open("user")
	r.out = append(append(append(r.out, '['), parts[1:]...), `]}`...)
	return nil
}

// writeTexts writes the text blocks of a user who sent nothing else, joined to one string.
func (r *messagesRequest) writeTexts(content gjson.Result) error {
	r.open("user")
	r.out = append(r.out, '"')
	start := len(r.out)
	err := each("content", content, func(_ int, block gjson.Result) error {
		if block.Get("type").String() != "text" {
			return nil
		}
		text, err := r.text("messages.content", block)
		r.out = appendText(r.out, start, text)
		return err
	})
	r.out = append(r.out, `"}`...)
	return err
}

// writeToolResult writes what a tool returned, and appends what of it is not text to the parts of the message behind.
func (r *messagesRequest) writeToolResult(parts []byte, block gjson.Result) ([]byte, error) {
	id, content := block.Get("tool_use_id"), block.Get("content")
	if id.Type != gjson.String || id.Str == "" {
		return nil, refuse("tool_use_id", "must be a string that is not empty")
	}
	r.dropOthers("messages.content", block, "type", "tool_use_id", "content", "is_error")
	own, _ := carried(id)
	r.out = append(append(comma(r.out), `{"role":"tool","tool_call_id":`...), own...)
	r.out = append(r.out, `,"content":"`...)
	if block.Get("is_error").Bool() {
		r.out = append(r.out, "Error: "...)
	}
	if content.Type == gjson.String {
		r.out = append(append(r.out, unquote(content)...), `"}`...)
		return parts, nil
	}
	start := len(r.out)
	err := each("content", content, func(_ int, inner gjson.Result) (err error) {
		switch kind := inner.Get("type").String(); kind {
		case "text":
			var text string
			text, err = r.text("messages.content", inner)
			r.out = appendText(r.out, start, text)
		case "image", "document":
			parts, err = r.appendPart(parts, inner)
			r.out = appendText(r.out, start, "["+kind+": see the next message]")
		case "tool_reference": // the tool that a search found, which the model has already: none is held back
			name := inner.Get("tool_name")
			if name.Type != gjson.String {
				return refuse("tool_name", "must be a string")
			}
			r.out = appendText(r.out, start, "[tool: "+unquote(name)+"]")
		default:
			err = r.refuseBlock(kind)
		}
		return err
	})
	r.out = append(r.out, `"}`...)
	return parts, err
}

// appendPart appends a part of a user's message, behind a comma.
func (r *messagesRequest) appendPart(dst []byte, block gjson.Result) ([]byte, error) {
	dst = append(dst, ',')
	switch kind := block.Get("type").String(); kind {
	case "text":
		text, err := r.text("messages.content", block)
		return append(append(append(dst, `{"type":"text","text":"`...), text...), `"}`...), err
	case "image":
		r.dropOthers("messages.content", block, "type", "source")
		return appendImage(dst, block.Get("source"))
	case "document":
		return r.appendDocument(dst, block)
	default:
		return nil, r.refuseBlock(kind)
	}
}

func appendImage(dst []byte, source gjson.Result) ([]byte, error) {
	dst = append(dst, `{"type":"image_url","image_url":{"url":`...)
	switch kind := source.Get("type").String(); kind {
	case "base64":
		var err error
		if dst, err = appendDataURL(dst, source); err != nil {
			return nil, err
		}
	case "url":
		url := source.Get("url")
		if url.Type != gjson.String {
			return nil, refuse("source.url", "must be a string")
		}
		dst = append(dst, url.Raw...)
	default:
		return nil, refuse("source.type", "must be base64 or url with this model, not %q", kind)
	}
	return append(dst, "}}"...), nil
}

// appendDocument appends a PDF as a file, and a document that is text as text.
func (r *messagesRequest) appendDocument(dst []byte, block gjson.Result) ([]byte, error) {
	source, title, context := block.Get("source"), block.Get("title"), block.Get("context")
	r.dropOthers("messages.content", block, "type", "source", "title", "context")
	switch kind := source.Get("type").String(); kind {
	case "base64":
		if context.Exists() {
			r.drop("messages.content.context")
		}
		name := `"document.pdf"`
		if title.Type == gjson.String && title.Str != "" {
			name = title.Raw
		}
		dst = append(append(dst, `{"type":"file","file":{"filename":`...), name...)
		dst, err := appendDataURL(append(dst, `,"file_data":`...), source)
		return append(dst, "}}"...), err
	case "text":
		data := source.Get("data")
		if data.Type != gjson.String {
			return nil, refuse("source.data", "must be a string")
		}
		dst = append(dst, `{"type":"text","text":"`...)
		start := len(dst)
		for _, text := range [...]gjson.Result{title, context, data} {
			if text.Type == gjson.String {
				dst = appendText(dst, start, unquote(text))
			}
		}
		return append(dst, `"}`...), nil
	default:
		return nil, refuse("source.type", "must be base64 or text with this model, not %q. Send the document itself", kind)
	}
}

// appendDataURL appends a base64 source as a data: URL, in quotes.
func appendDataURL(dst []byte, source gjson.Result) ([]byte, error) {
	media, data := source.Get("media_type"), source.Get("data")
	if media.Type != gjson.String || data.Type != gjson.String {
		return nil, refuse("source", "must have media_type and data as strings")
	}
	dst = append(append(dst, `"data:`...), unquote(media)...)
	dst = append(append(dst, ";base64,"...), unquote(data)...)
	return append(dst, '"'), nil
}
