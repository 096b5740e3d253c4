package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// redraw is how long a line stays on the screen at least.
const redraw = 100 * time.Millisecond

// screen is a line on a terminal that is written over. Without a terminal it shows nothing.
type screen struct {
	out     io.Writer
	columns func() int

	mu     sync.Mutex
	drawn  bool
	closed bool
}

func (s *session) screen() *screen { return &screen{out: s.Err, columns: s.Columns} }

func (s *screen) draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	columns := s.columns()
	if s.closed || columns == 0 {
		return
	}
	shown := []rune(line)
	shown = shown[:min(len(shown), columns-1)] // a full line would wrap
	fmt.Fprintf(s.out, "\r%s\x1b[K", string(shown))
	s.drawn = true
}

// clear takes the line away for something else to be written.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
}

// close takes the line away for good.
func (s *screen) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	s.closed = true
}

func (s *screen) wipe() {
	if s.drawn {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.drawn = false
	}
}

// bar is a part of a whole, drawn: "[#####.....]".
func bar(done, total int) string {
	const width = 20
	full := width * done / total
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// paint colours a word for people at a terminal who have not said that they want none.
func (s *session) paint(code, word string) string {
	if s.Columns() == 0 || s.Getenv("NO_COLOR") != "" {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}

// The colours of paint.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)
