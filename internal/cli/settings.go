package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// setting is a value in a file of settings, and the names of the objects that it is in.
type setting struct {
	path  []string
	value string
}

// withSettings changes a JSON object, and nothing in it but these settings. An empty file is an empty object.
func withSettings(doc []byte, settings []setting) ([]byte, error) {
	if len(bytes.TrimSpace(doc)) == 0 {
		doc = []byte("{\n}\n")
	}
	if !gjson.ValidBytes(doc) || !gjson.ParseBytes(doc).IsObject() {
		return nil, errors.New("is not a JSON object. Mend it first; comments are not allowed")
	}
	for _, set := range settings {
		var err error
		if doc, err = withSetting(doc, set); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

func withSetting(doc []byte, set setting) ([]byte, error) {
	path := strings.Join(set.path, ".") // none of the names has a dot
	for depth := 1; depth < len(set.path); depth++ {
		parent := strings.Join(set.path[:depth], ".")
		switch found := gjson.GetBytes(doc, parent); {
		case !found.Exists():
			doc = appendMember(doc, set.path[:depth], "{\n}")
		case !found.IsObject():
			return nil, errors.New(`has an "` + parent + `" that is not an object. Mend it first`)
		}
	}
	switch found := gjson.GetBytes(doc, path); {
	case found.String() == set.value && found.Type == gjson.String:
		return doc, nil
	case found.Exists():
		return sjson.SetBytes(doc, path, set.value)
	}
	text, err := json.Marshal(set.value)
	return appendMember(doc, set.path, string(text)), err
}

// appendMember adds a member at the end of an object, on a line of its own and as far in as the others are.
func appendMember(doc []byte, path []string, value string) []byte {
	at, object := 0, gjson.ParseBytes(doc)
	if parent := strings.Join(path[:len(path)-1], "."); parent != "" {
		object = gjson.GetBytes(doc, parent)
		at = object.Index
	} else {
		at = bytes.IndexByte(doc, '{')
	}
	raw := strings.TrimRight(object.Raw, " \t\r\n")
	inside := strings.TrimRight(raw[1:len(raw)-1], " \t\r\n")
	closing := indentBefore(doc, at)
	indent := closing + "  "
	if space := inside[:len(inside)-len(strings.TrimLeft(inside, " \t\r\n"))]; strings.Contains(space, "\n") {
		indent = space[strings.LastIndexByte(space, '\n')+1:]
	}
	comma, tail := "", raw[1+len(inside):len(raw)-1]
	if inside != "" {
		comma = ","
	}
	if !strings.Contains(tail, "\n") {
		tail = "\n" + closing
	}
	member := comma + "\n" + indent + `"` + path[len(path)-1] + `": ` + strings.ReplaceAll(value, "\n", "\n"+indent)
	result := append(doc[:at+1+len(inside):at+1+len(inside)], member...)
	return append(append(append(result, tail...), '}'), doc[at+len(raw):]...)
}

// indentBefore is the white space that the line of a place begins with.
func indentBefore(doc []byte, at int) string {
	line := doc[bytes.LastIndexByte(doc[:at], '\n')+1 : at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}
