package translate

import (
	"iter"
	"strings"

	"github.com/tidwall/gjson"
)

// raw is a member of an object with its type and its text as it is written. gjson's own look-up also decodes each
// string that it passes, which a text that is only copied has no need of. The object was checked to be JSON.
func raw(object gjson.Result, name string) gjson.Result {
	for n, value := range rawMembers(object) {
		if n == name {
			return value
		}
	}
	return gjson.Result{}
}

// rawMembers are the members of an object as raw gives them.
func rawMembers(object gjson.Result) iter.Seq2[string, gjson.Result] {
	return func(yield func(string, gjson.Result) bool) {
		if !object.IsObject() {
			return
		}
		text := object.Raw[1:] // behind the brace
		for {
			text = strings.TrimLeft(text, " \t\r\n,")
			if text[0] == '}' {
				return
			}
			end := valueEnd(text)
			name := text[1 : end-1]
			if strings.IndexByte(name, '\\') >= 0 {
				name = gjson.Parse(text[:end]).Str
			}
			text = strings.TrimLeft(text[end:], " \t\r\n:")
			end = valueEnd(text)
			if !yield(name, gjson.Result{Type: typeOf(text[0]), Raw: text[:end]}) {
				return
			}
			text = text[end:]
		}
	}
}

// typeOf is the type of a value by its first byte.
func typeOf(first byte) gjson.Type {
	switch first {
	case '"':
		return gjson.String
	case '{', '[':
		return gjson.JSON
	case 't':
		return gjson.True
	case 'f':
		return gjson.False
	case 'n':
		return gjson.Null
	}
	return gjson.Number
}

// valueEnd is where the value ends that a text begins with.
func valueEnd(text string) int {
	switch text[0] {
	case '"':
		return stringEnd(text)
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch text[i] {
			case '"':
				i += stringEnd(text[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	return strings.IndexAny(text, " \t\r\n,}]")
}

// stringEnd is where the string ends that a text begins with: at a quote behind an even number of backslashes.
func stringEnd(text string) int {
	for end := 1; ; end++ {
		end += strings.IndexByte(text[end:], '"')
		before := end
		for text[before-1] == '\\' {
			before--
		}
		if (end-before)%2 == 0 {
			return end + 1
		}
	}
}
