package anthropic

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/jsonscan"
)

const (
	readSize = 64 << 10
	maxIdle  = 100 // reads in a row that give nothing
)

// valueReader reads a long JSON text value by value. Only the value at hand is in memory.
type valueReader struct {
	r     io.Reader
	max   int64  // bytes of one value
	place string // where in the text it is, for errors; "" at its top

	buf      []byte
	from, to int   // what of buf has been read and not used
	base     int64 // where in the text buf begins
	err      error // what r ended with
}

// list walks an object or array; each is called where a member or element is expected and must use it up.
func (v *valueReader) list(open, shut byte, each func() error) error {
	if err := v.expect(open); err != nil {
		return err
	}
	if c, err := v.next(); err != nil {
		return err
	} else if c == shut {
		v.from++
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		c, err := v.next()
		switch {
		case err != nil:
			return err
		case c == shut:
			v.from++
			return nil
		case c != ',':
			return v.broken(0, "a comma or %c is expected", shut)
		}
		v.from++
	}
}

// key reads a member's name and the colon.
func (v *valueReader) key() (name string, err error) {
	if c, err := v.next(); err != nil {
		return "", err
	} else if c != '"' {
		return "", v.broken(0, "a name in quotes is expected")
	}
	size, err := v.measure()
	if err != nil {
		return "", err
	}
	if json.Unmarshal(v.buf[v.from:v.from+size], &name) != nil {
		return "", v.broken(0, "a name is malformed")
	}
	v.from += size
	return name, v.expect(':')
}

// object reads an object, which is good until the next call.
func (v *valueReader) object() ([]byte, error) {
	if c, err := v.next(); err != nil {
		return nil, err
	} else if c != '{' {
		return nil, v.broken(0, "an object is expected")
	}
	size, err := v.measure()
	if err != nil {
		return nil, err
	}
	raw := v.buf[v.from : v.from+size]
	_, err = jsonscan.Scan(raw)
	if wrong, ok := errors.AsType[*jsonscan.Error](err); ok {
		return nil, v.broken(wrong.Offset, "%s", wrong.Reason)
	}
	v.from += size
	return raw, nil
}

// pass passes over a value of any kind.
func (v *valueReader) pass() error {
	if _, err := v.next(); err != nil {
		return err
	}
	size, err := v.measure()
	if err != nil {
		return err
	}
	if !json.Valid(v.buf[v.from : v.from+size]) {
		return v.broken(0, "a value is malformed")
	}
	v.from += size
	return nil
}

// end makes sure that nothing follows.
func (v *valueReader) end() error {
	for {
		if rest := bytes.TrimLeft(v.buf[v.from:v.to], " \t\r\n"); len(rest) > 0 {
			v.from = v.to - len(rest)
			return v.broken(0, "there is something behind the JSON object")
		}
		v.from = v.to
		if err := v.fill(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// next passes over white space and returns the byte that follows.
func (v *valueReader) next() (byte, error) {
	for {
		for ; v.from < v.to; v.from++ {
			if c := v.buf[v.from]; !isSpace(c) {
				return c, nil
			}
		}
		if err := v.more(); err != nil {
			return 0, err
		}
	}
}

func (v *valueReader) expect(want byte) error {
	c, err := v.next()
	if err != nil {
		return err
	}
	if c != want {
		return v.broken(0, "%c is expected", want)
	}
	v.from++
	return nil
}

// measure makes sure that all of the value that begins at the present byte is in memory, and returns its size. It
// looks at strings and depth only; whether what it found is JSON is for others to say.
func (v *valueReader) measure() (size int, err error) {
	var s span
	for {
		whole := s.find(v.buf[v.from:v.to])
		switch {
		case int64(s.size) > v.max:
			return 0, v.fail("", "it has more than the %d bytes that one request may have. Shorten it.", v.max)
		case whole:
			return s.size, nil
		}
		if err := v.more(); err != nil {
			return 0, err
		}
	}
}

// more reads more of the text, which must not end here.
func (v *valueReader) more() error {
	err := v.fill()
	if errors.Is(err, io.EOF) {
		return v.broken(v.to-v.from, "it ends too early")
	}
	return err
}

// fill reads once. It returns io.EOF itself at the end of the text, and any other error wrapped.
func (v *valueReader) fill() error {
	if v.to == len(v.buf) && v.from > 0 {
		v.base += int64(v.from)
		v.from, v.to = 0, copy(v.buf, v.buf[v.from:])
	}
	if v.to == len(v.buf) {
		v.buf = slices.Grow(v.buf, max(readSize, len(v.buf)))
		v.buf = v.buf[:cap(v.buf)]
	}
	n := 0
	for idle := 0; n == 0 && v.err == nil; idle++ {
		if idle == maxIdle {
			v.err = io.ErrNoProgress
			break
		}
		n, v.err = v.r.Read(v.buf[v.to:])
	}
	v.to += n
	switch {
	case n > 0: // its turn comes when these are used up
		return nil
	case v.err == io.EOF: //nolint:errorlint // a wrapped one is not the end of the text
		return io.EOF
	}
	return fmt.Errorf("read the batch: %w", v.err)
}

// broken is the error of what is no JSON, at some bytes behind the present one.
func (v *valueReader) broken(behind int, format string, a ...any) error {
	return v.fail("", "the JSON is broken at byte %d of the body: %s. Send one well-formed JSON object.",
		v.base+int64(v.from+behind), fmt.Sprintf(format, a...))
}

// fail is the error of what is at the present place, or in a member of it.
func (v *valueReader) fail(member, format string, a ...any) error {
	place := cmp.Or(strings.Trim(v.place+"."+member, "."), "body")
	return &gateway.Error{Code: gateway.Invalid, NoRetry: true, Message: place + ": " + fmt.Sprintf(format, a...)}
}

// span looks for the end of a value whose bytes come bit by bit. It looks at each once.
type span struct {
	size     int // bytes looked at
	depth    int
	inString bool
}

// find goes on with what is there of the value, from its first byte, and reports whether that is the whole value.
func (s *span) find(value []byte) (whole bool) {
	for s.size < len(value) {
		switch c := value[s.size]; {
		case s.inString:
			s.str(value)
		case c == '"':
			s.inString = true
			s.size++
		case c == '{' || c == '[':
			s.depth++
			s.size++
		case s.depth > 0 && (c == '}' || c == ']'):
			s.depth--
			s.size++
		case s.depth > 0 || !isSpace(c) && c != ',' && c != '}' && c != ']':
			s.size++
			continue // inside of something, or in a number or word
		}
		if s.depth == 0 && !s.inString {
			return true
		}
	}
	return false
}

// str goes on to the end of a string, or of what is there of it.
func (s *span) str(value []byte) {
	i := bytes.IndexByte(value[s.size:], '"')
	if i < 0 {
		s.size = len(value)
		return
	}
	quote := s.size + i
	s.size = quote + 1
	slashes := 0 // a quote is escaped by an odd number of them
	for value[quote-1-slashes] == '\\' {
		slashes++
	}
	s.inString = slashes%2 == 1
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
