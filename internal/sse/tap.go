package sse

import "bytes"

// maxLine bounds the memory one line of a stream may take. A longer line passes through unread.
const maxLine = 4 << 20

// Tap watches an event stream as it passes, without changing a byte of it. It holds back the event that makes the
// answer complete, so that the answer can be put on record first.
//
// A Tap belongs to one stream and one goroutine.
type Tap struct {
	read   func(data []byte)
	finals []string

	line     []byte // the unfinished line at the end of what was fed
	long     bool   // the unfinished line outgrew maxLine
	held     []byte // what was fed and must not go on yet
	ended    bool   // the final event has begun; all from there on is held
	boundary bool   // the last line fed was blank: an event may be put in here
	finished bool   // the blank line behind the final event has come
}

// NewTap returns a tap at the start of a stream. read is given the value of each data line as it passes; finals are
// the ways a line can begin the event that completes an answer.
func NewTap(read func(data []byte), finals ...string) *Tap {
	return &Tap{read: read, finals: finals, boundary: true}
}

// Pass takes the next bytes of the stream and returns those that may go on to the client: usually p itself. The
// result is valid until the next call, and until p changes.
func (t *Tap) Pass(p []byte) []byte {
	if t.ended || len(p) == 0 {
		t.held = append(t.held, p...)
		t.lines(p)
		return nil
	}
	start := t.lines(p) // where in p holding begins; negative: with bytes that are held already
	switch {
	case len(t.held) == 0 && start == len(p):
		return p
	case len(t.held) == 0:
		t.held = append(t.held, p[start:]...)
		return p[:start]
	}
	all := append(t.held, p...) //nolint:gocritic // held is replaced below
	keep := len(all) - len(p) + start
	t.held = append([]byte(nil), all[keep:]...)
	return all[:keep]
}

// Held returns what Pass kept back.
func (t *Tap) Held() []byte { return t.held }

// Finished reports whether the final event is here to its last byte.
func (t *Tap) Finished() bool { return t.finished }

// AtBoundary reports whether the bytes passed so far end between two events, where another may be put in.
func (t *Tap) AtBoundary() bool { return t.boundary && len(t.held) == 0 }

// MidLine reports whether the bytes passed so far end in the midst of a line.
func (t *Tap) MidLine() bool { return len(t.held) == 0 && (len(t.line) > 0 || t.long) }

// lines reads p line by line and returns the offset in p from which on bytes must be held. A line that is not
// complete is held only while it could still turn out to begin the final event.
func (t *Tap) lines(p []byte) int {
	hold := len(p)
	for at := 0; at < len(p); {
		end := bytes.IndexByte(p[at:], '\n')
		carried := len(t.line)
		if end < 0 {
			t.carry(p[at:])
			t.boundary = false
			if !t.ended && t.mayEnd(t.line) {
				hold = at - carried
			}
			return hold
		}
		line := p[at : at+end]
		if carried > 0 || t.long {
			t.carry(line)
			line = t.line
		}
		wasEnded := t.ended
		if !t.long {
			t.take(bytes.TrimSuffix(line, []byte("\r")))
		}
		if t.ended && !wasEnded {
			hold = at - carried
		}
		t.line, t.long = t.line[:0], false
		at += end + 1
	}
	return hold
}

func (t *Tap) carry(part []byte) {
	if len(t.line)+len(part) > maxLine {
		t.long = true
		return
	}
	t.line = append(t.line, part...)
}

// take reads one complete line.
func (t *Tap) take(line []byte) {
	t.boundary = len(line) == 0
	if t.boundary {
		t.finished = t.ended
		return
	}
	t.ended = t.ended || t.ends(line)
	if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
		t.read(data)
	}
}

// ends reports whether a complete line begins the final event.
func (t *Tap) ends(line []byte) bool {
	for _, final := range t.finals {
		if len(line) >= len(final) && string(line[:len(final)]) == final {
			return true
		}
	}
	return false
}

// mayEnd reports whether an incomplete line could yet begin the final event.
func (t *Tap) mayEnd(part []byte) bool {
	for _, final := range t.finals {
		n := min(len(part), len(final))
		if n > 0 && string(part[:n]) == final[:n] {
			return true
		}
	}
	return false
}
