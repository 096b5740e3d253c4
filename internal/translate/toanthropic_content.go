package translate

import (
	"strings"

	"github.com/tidwall/gjson"
)

// What the content of a message may hold.
const (
	anything  = false
	wordsOnly = true
)

// appendContent writes content, a string or an array of parts, as blocks, each behind a comma. Text that is blank is
// left out: Anthropic refuses it.
func (c *chat) appendContent(dst []byte, content gjson.Result, words bool) (_ []byte, err error) {
	switch {
	case content.Type == gjson.String:
		return appendTextBlock(dst, content), nil
	case !content.IsArray():
		return nil, refuse("content", "must be a string or an array of parts")
	}
	err = each("content", content, func(_ int, part gjson.Result) (err error) {
		dst, err = c.appendPart(dst, part, words)
		return err
	})
	return dst, err
}

// appendTextBlock writes a text block, unless the text is blank.
func appendTextBlock(dst []byte, text gjson.Result) []byte {
	if isBlank(text.Raw) {
		return dst
	}
	dst = append(append(dst, `,{"type":"text","text":`...), text.Raw...)
	return append(dst, '}')
}

func (c *chat) appendPart(dst []byte, part gjson.Result, words bool) (_ []byte, err error) {
	kind := part.Get("type").String()
	if words && kind != "text" && kind != "refusal" {
		return nil, refuse("type", "must be text here, not %q", kind)
	}
	before := len(dst)
	switch kind {
	case "text", "refusal":
		text := raw(part, kind)
		if text.Type != gjson.String {
			return nil, refuse(kind, "must be a string")
		}
		dst = appendTextBlock(dst, text)
	case "image_url":
		dst, err = c.appendImage(dst, part.Get("image_url"))
	case "file":
		dst, err = c.appendFile(dst, part.Get("file"))
	case "input_audio":
		return nil, refuse("type", "this model does not listen. Send what was said as text")
	default:
		return nil, refuse("type", "must be text, image_url or file, not %q", kind)
	}
	if err != nil {
		return nil, under(kind, err)
	}
	c.dropOthers("messages.content", part, "type", kind, "cache_control")
	if cache := part.Get("cache_control"); cache.IsObject() && len(dst) > before {
		// No field of OpenAI's, but one that clients send who know that a Claude answers.
		dst = append(append(dst[:len(dst)-1], `,"cache_control":`...), cache.Raw...)
		dst = append(dst, '}')
	}
	return dst, nil
}

func (c *chat) appendImage(dst []byte, image gjson.Result) ([]byte, error) {
	c.dropOthers("messages.content.image_url", image, "url")
	url := image.Get("url")
	if url.Type != gjson.String {
		return nil, refuse("url", "must be a string")
	}
	if strings.HasPrefix(url.Str, "https://") || strings.HasPrefix(url.Str, "http://") {
		dst = append(append(dst, `,{"type":"image","source":{"type":"url","url":`...), url.Raw...)
		return append(dst, "}}"...), nil
	}
	kind, data, err := dataURL(url.Str)
	switch kind {
	case "image/jpg":
		kind = "image/jpeg"
	case "image/jpeg", "image/png", "image/gif", "image/webp":
	default:
		if err == nil {
			err = refuse("", "must be a JPEG, PNG, GIF or WebP image, not %q", kind)
		}
	}
	if err != nil {
		return nil, under("url", err)
	}
	return append(appendBase64(append(dst, `,{"type":"image","source":`...), kind, data), '}'), nil
}

func (c *chat) appendFile(dst []byte, file gjson.Result) ([]byte, error) {
	c.dropOthers("messages.content.file", file, "file_data", "file_id", "filename")
	if id := file.Get("file_id"); !isEmpty(id) {
		return nil, refuse("file_id", "this model cannot see files stored elsewhere. Send the file itself as file_data")
	}
	kind, data, err := dataURL(file.Get("file_data").String())
	if err == nil && kind != "application/pdf" {
		err = refuse("", "must be a PDF, not %q. Send other files as text", kind)
	}
	if err != nil {
		return nil, under("file_data", err)
	}
	dst = appendBase64(append(dst, `,{"type":"document","source":`...), kind, data)
	if name := file.Get("filename"); name.Type == gjson.String && !isBlank(name.Raw) {
		dst = append(append(dst, `,"title":`...), name.Raw...)
	}
	return append(dst, '}'), nil
}

// appendBase64 writes the source of an image or document.
func appendBase64(dst []byte, kind, data string) []byte {
	dst = append(append(dst, `{"type":"base64","media_type":"`...), kind...)
	dst = append(append(dst, `","data":"`...), data...)
	return append(dst, `"}`...)
}

// dataURL takes a data URL apart: "data:image/png;base64,iVBORw0…". The data that it returns needs no escapes.
func dataURL(url string) (kind, data string, err error) {
	head, data, ok := strings.Cut(url, ",")
	head, isData := strings.CutPrefix(head, "data:")
	head, isBase64 := strings.CutSuffix(head, ";base64")
	if !ok || !isData || !isBase64 {
		return "", "", refuse("", "must be a data URL in base64, such as data:image/png;base64,iVBORw0…, or for an image an http or https URL")
	}
	for i := range len(data) {
		if b := data[i]; b < '+' || b > 'z' || b == '\\' || b == '"' {
			return "", "", refuse("", "the data is not base64")
		}
	}
	kind, _, _ = strings.Cut(head, ";")
	return strings.ToLower(kind), data, nil
}
