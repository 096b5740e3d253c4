package openai

import (
	"bytes"
	"fmt"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Position is a place between two lines of a file. The zero value is the beginning.
type Position struct {
	Line   int   `json:"line"`   // lines before it
	Offset int64 `json:"offset"` // bytes before it
}

// LineTooLong is the error of a line that has more bytes than a line may have.
type LineTooLong struct{ gateway.InputError }

func (e *LineTooLong) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Lines splits a file that is written to it, in pieces of any size, into its lines. It holds what has come of one line
// at most.
type Lines struct {
	longest int
	each    func(n int, line []byte) error
	passed  Position
	begun   []byte // what has come of the present line
}

// NewLines returns a Lines that calls each for every line of a file from a position on; the bytes from there on are to
// be written to it. n is the line's number, from 1. A line comes without its end, LF or CRLF, and is good until each
// returns. Lines of nothing but white space count and are passed over; so is a byte order mark. longest is how many
// bytes a line may have.
func NewLines(longest int, from Position, each func(n int, line []byte) error) *Lines {
	return &Lines{longest: longest, each: each, passed: from}
}

// Position is behind the last line that is done.
func (l *Lines) Position() Position { return l.passed }

// Write takes the next bytes of the file. An error of each is returned as it is, a line that is too long is a
// *LineTooLong. After an error nothing more may be written.
func (l *Lines) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := p[n:]
		end := bytes.IndexByte(part, '\n')
		if end < 0 {
			end = len(part)
		}
		if len(l.begun)+end > l.longest {
			return n, l.tooLong()
		}
		if end == len(part) {
			l.begun = append(l.begun, part...)
			return len(p), nil
		}
		line := part[:end]
		if len(l.begun) > 0 {
			line = append(l.begun, line...)
			l.begun = line[:0]
		}
		if err := l.take(line, 1); err != nil {
			return n, err
		}
		n += end + 1
	}
	return n, nil
}

// Close hands over the last line, if the file does not end with a newline.
func (l *Lines) Close() error {
	if len(l.begun) == 0 {
		return nil
	}
	return l.take(l.begun, 0)
}

// take hands a line over; end is how many bytes stand between it and the next.
func (l *Lines) take(line []byte, end int) error {
	text := bytes.TrimSuffix(line, []byte("\r"))
	if l.passed.Offset == 0 {
		text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := l.each(l.passed.Line+1, text); err != nil {
			return err
		}
	}
	l.passed.Line++
	l.passed.Offset += int64(len(line) + end)
	return nil
}

func (l *Lines) tooLong() error {
	return &LineTooLong{gateway.InputError{Code: "line_too_long", Line: l.passed.Line + 1, Message: fmt.Sprintf(
		"This line has more than the %d bytes that one request may have. Shorten it.", l.longest)}}
}
