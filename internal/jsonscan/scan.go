// Package jsonscan reads the few fields that routing needs out of a request body without decoding it. One pass
// checks that the whole body is a well-formed JSON object and remembers where the model's name stands, so that it
// can be replaced in place: the bytes around it stay what the client sent.
package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// maxDepth bounds the nesting of a body; deeper ones are attacks, not prompts.
const maxDepth = 512

// Request is what a body says at its top level.
type Request struct {
	Model    string // "" if absent
	Stream   bool
	Threaded bool // "thread" is there: parts of the conversation are with the service

	modelStart, modelEnd int // of the model's JSON string, quotes included
}

// Error is a body that is not a well-formed JSON object, or says something twice that routing depends on.
type Error struct {
	Offset int // byte where it was noticed
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// Scan checks the body and reads its top-level fields. The error is an *Error. Strings are checked for where they
// end, not for their characters: whether an escape is a good one is for the backend to say.
func Scan(body []byte) (Request, error) {
	s := scanner{b: body}
	r, err := s.request()
	if err != nil {
		return Request{}, err
	}
	return r, nil
}

// SetModel puts another model's name into the body that was scanned and returns it, reusing its memory where the
// capacity allows. The Request is then that of the new body.
func (r *Request) SetModel(body []byte, model string) []byte {
	if model == r.Model {
		return body
	}
	quoted, err := json.Marshal(model)
	if err != nil { // a string always marshals
		panic(err)
	}
	body = slices.Replace(body, r.modelStart, r.modelEnd, quoted...)
	r.Model, r.modelEnd = model, r.modelStart+len(quoted)
	return body
}

type scanner struct {
	b []byte
	i int
}

func (s *scanner) request() (Request, error) {
	var r Request
	var haveModel, haveStream bool
	if s.space() != '{' {
		return r, s.fail("the body is not a JSON object")
	}
	err := s.object(0, func(key []byte) error {
		start := s.i
		if err := s.value(1); err != nil {
			return err
		}
		raw := s.b[start:s.i]
		switch name(key) {
		case "model":
			model, err := text(raw)
			if err != nil || haveModel {
				return &Error{start, "model must be one string"}
			}
			haveModel, r.Model, r.modelStart, r.modelEnd = true, model, start, s.i
		case "stream":
			if haveStream || !slices.Contains([]string{"true", "false", "null"}, string(raw)) {
				return &Error{start, "stream must be true or false, once"}
			}
			haveStream, r.Stream = true, raw[0] == 't'
		case "thread":
			r.Threaded = string(raw) != "null"
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	if s.space() != 0 || s.i < len(s.b) {
		return r, s.fail("there is something behind the JSON object")
	}
	return r, nil
}

// object walks an object from its brace; member is called at each value with its raw key and must consume the value.
func (s *scanner) object(depth int, member func(key []byte) error) error {
	if depth > maxDepth {
		return s.fail("the JSON is nested too deeply")
	}
	s.i++
	if s.space() == '}' {
		s.i++
		return nil
	}
	for {
		if s.space() != '"' {
			return s.fail("a key in quotes is expected")
		}
		start := s.i
		if err := s.str(); err != nil {
			return err
		}
		key := s.b[start:s.i]
		if s.space() != ':' {
			return s.fail("a colon is expected")
		}
		s.i++
		s.space()
		if err := member(key); err != nil {
			return err
		}
		switch s.space() {
		case ',':
			s.i++
		case '}':
			s.i++
			return nil
		default:
			return s.fail("a comma or closing brace is expected")
		}
	}
}

func (s *scanner) array(depth int) error {
	if depth > maxDepth {
		return s.fail("the JSON is nested too deeply")
	}
	s.i++
	if s.space() == ']' {
		s.i++
		return nil
	}
	for {
		s.space()
		if err := s.value(depth); err != nil {
			return err
		}
		switch s.space() {
		case ',':
			s.i++
		case ']':
			s.i++
			return nil
		default:
			return s.fail("a comma or closing bracket is expected")
		}
	}
}

// value walks one value that begins at the present byte.
func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		return s.str()
	case c == '{':
		return s.object(depth+1, func([]byte) error { return s.value(depth + 1) })
	case c == '[':
		return s.array(depth + 1)
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(s.b[s.i:], []byte(word)) {
			s.i += len(word)
			return nil
		}
	}
	return s.fail("a value is expected")
}

// str walks a string from its opening quote. The search for the closing quote and for backslashes is left to the
// vectorised IndexByte; the quote is looked for again only when the one found turns out to be escaped, so that a
// long string is passed over once however many escapes it has.
func (s *scanner) str() error {
	s.i++
	quote := s.find('"', s.i)
	for quote >= 0 {
		k := bytes.IndexByte(s.b[s.i:quote], '\\')
		if k < 0 {
			s.i = quote + 1
			return nil
		}
		s.i += k + 2
		if s.i > quote {
			quote = s.find('"', s.i)
		}
	}
	s.i = len(s.b)
	return s.fail("a string does not end")
}

// find returns the absolute position of c at or behind from, or -1.
func (s *scanner) find(c byte, from int) int {
	if from > len(s.b) {
		return -1
	}
	if k := bytes.IndexByte(s.b[from:], c); k >= 0 {
		return from + k
	}
	return -1
}

func (s *scanner) number() error {
	start := s.i
	for s.i < len(s.b) && bytes.IndexByte([]byte("+-0123456789.eE"), s.b[s.i]) >= 0 {
		s.i++
	}
	if !json.Valid(s.b[start:s.i]) {
		s.i = start
		return s.fail("a number is malformed")
	}
	return nil
}

// space passes over white space and returns the byte that follows, 0 at the end.
func (s *scanner) space() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) fail(reason string) error {
	if s.i >= len(s.b) {
		reason = "the body ends too early: " + reason
	}
	return &Error{s.i, reason}
}

// name is a raw key's text; one written with escapes is decoded first, so that no spelling of "model" is missed.
func name(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	decoded, err := text(raw)
	if err != nil {
		return ""
	}
	return decoded
}

func text(raw []byte) (string, error) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", errors.New("not a string")
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var decoded string
	if err := json.Unmarshal(raw, &decoded); err != nil {
		return "", err
	}
	return decoded, nil
}
