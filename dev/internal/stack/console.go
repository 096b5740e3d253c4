package stack

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// console writes lines for people. It is safe for concurrent use.
type console struct {
	mu  sync.Mutex
	out io.Writer
}

// Printf writes a line.
func (c *console) Printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, format+"\n", args...)
}

// event writes a line about something that happened after the start.
func (c *console) event(format string, args ...any) {
	c.Printf("%s  %s", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// step runs one step of the start and writes how long it took. The detail is
// asked for afterwards, when it is known.
func (c *console) step(name string, run func() error, detail func() string) error {
	begin := time.Now()
	if err := run(); err != nil {
		return err
	}
	c.Printf("  ✓ %-10s %6.2fs  %s", name, time.Since(begin).Seconds(), detail())
	return nil
}

// say makes a fixed detail.
func say(text string) func() string { return func() string { return text } }
