package cli

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"
)

// grouped is a number with a comma between thousands: "100,000".
func grouped[N int | int64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// items is a number of items: "1 item", "2 items".
func items(n int) string {
	if n == 1 {
		return "1 item"
	}
	return grouped(n) + " items"
}

// bytesOf is a size: "12.3 MB".
func bytesOf(n int64) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}

// period is a length of time in its two greatest units: "3 h 12 m", "2 m 5 s", "8 s". What is negative is over.
func period(d time.Duration) string {
	switch d = max(0, d).Round(time.Second); {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d m", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d m %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// table aligns the columns of what is written to it, which tabs part. It has to be flushed.
func (s *session) table() *tabwriter.Writer { return tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0) }

// rows writes what there is to say of one thing, a line for each name that has a text.
func rows(table io.Writer) func(name, text string) {
	return func(name, text string) {
		if text != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, text)
		}
	}
}
