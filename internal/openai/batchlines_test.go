package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// split writes a file in pieces and returns its lines, each with its number.
func split(file []byte, step, longest int) (lines []string, at Position, err error) {
	l := NewLines(longest, Position{}, func(n int, line []byte) error {
		lines = append(lines, fmt.Sprintf("%d:%s", n, line))
		return nil
	})
	err = feed(l, string(file), step)
	return lines, l.Position(), err
}

func TestLinesAreFoundHoweverTheFileIsCut(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"nothing":                     {"", nil},
		"one line":                    {"a\n", []string{"1:a"}},
		"a last line without its end": {"a\nbc", []string{"1:a", "2:bc"}},
		"CRLF":                        {"a\r\nb\rc\r\nd\r", []string{"1:a", "2:b\rc", "3:d"}},
		"empty lines count":           {"\n\r\n \t\na\n\n\nb\n\n", []string{"4:a", "7:b"}},
		"a byte order mark":           {"\uFEFFa\n\uFEFFb\n", []string{"1:a", "2:\uFEFFb"}},
		"a byte order mark alone":     {"\uFEFF\r\na", []string{"2:a"}},
		"other ends of lines":         {"a\u2028b\u0085c\vd\fe\n", []string{"1:a\u2028b\u0085c\vd\fe"}},
		"lines of the greatest size":  {strings.Repeat("x", 20) + "\n" + strings.Repeat("y", 20), []string{"1:" + strings.Repeat("x", 20), "2:" + strings.Repeat("y", 20)}},
	} {
		for step := 1; step <= len(c.file)+1; step++ {
			lines, end, err := split([]byte(c.file), step, 20)
			if err != nil || !slices.Equal(lines, c.want) || end != (Position{len(slices.Collect(strings.Lines(c.file))), int64(len(c.file))}) {
				t.Errorf("%s, in steps of %d: %q %v, then at %+v", name, step, lines, err, end)
			}
		}
	}
}

func TestALineThatIsTooLongIsNamed(t *testing.T) {
	for _, file := range []string{"\na\n\n12345678901\nb\n", "\na\n\n12345678901", "\na\n\n" + strings.Repeat("1", 1000)} {
		for step := 1; step <= len(file); step++ {
			lines, at, err := split([]byte(file), step, 10)
			long, ok := errors.AsType[*LineTooLong](err)
			if !ok || long.Line != 4 || long.Code == "" || !strings.Contains(err.Error(), "line 4: This line has more than the 10 bytes") {
				t.Fatalf("in steps of %d: %v", step, err)
			}
			if !slices.Equal(lines, []string{"2:a"}) || at != (Position{3, 4}) {
				t.Fatalf("in steps of %d: %q, then at %+v", step, lines, at)
			}
		}
	}
}

func TestAnotherGoesOnWhereOneStopped(t *testing.T) {
	file := "\uFEFFa\r\n\nbcd\n\r\ne\nlast"
	whole, end, err := split([]byte(file), len(file), 10)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("the database is away")
	for stop := range whole {
		for step := 1; step <= len(file); step++ {
			var lines []string
			first := NewLines(10, Position{}, func(n int, line []byte) error {
				if len(lines) == stop {
					return full
				}
				lines = append(lines, fmt.Sprintf("%d:%s", n, line))
				return nil
			})
			if err := feed(first, file, step); err != full { //nolint:errorlint // as it is, without a chain
				t.Fatalf("stopped after %d lines, in steps of %d: %v", stop, step, err)
			}
			at := first.Position()
			second := NewLines(10, at, func(n int, line []byte) error {
				lines = append(lines, fmt.Sprintf("%d:%s", n, line))
				return nil
			})
			if err := feed(second, file[at.Offset:], step); err != nil || !slices.Equal(lines, whole) || second.Position() != end {
				t.Fatalf("stopped after %d lines, in steps of %d, at %+v: %q %v, then at %+v", stop, step, at, lines, err, second.Position())
			}
		}
	}
}

// feed writes a file in pieces and closes it.
func feed(l *Lines, file string, step int) error {
	for piece := range slices.Chunk([]byte(file), step) {
		if _, err := l.Write(piece); err != nil {
			return err
		}
		clear(piece) // it is the caller's again
	}
	return l.Close()
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("\uFEFFa\r\n\nbcd\n\r\ne\nlast"), uint8(2))
	f.Add([]byte(strings.Repeat("x", 40)+"\n"), uint8(0))
	f.Fuzz(func(t *testing.T, file []byte, step uint8) {
		const longest = 30
		var want []string
		tooLong := false
		for i, line := range bytes.Split(file, []byte("\n")) {
			if tooLong = len(line) > longest; tooLong {
				break
			}
			if i == 0 {
				line = bytes.TrimPrefix(line, []byte("\uFEFF"))
			}
			if line = bytes.TrimSuffix(line, []byte("\r")); len(bytes.TrimSpace(line)) > 0 {
				want = append(want, fmt.Sprintf("%d:%s", i+1, line))
			}
		}
		lines, _, err := split(file, int(step)+1, longest)
		if _, long := errors.AsType[*LineTooLong](err); long != tooLong || err != nil && !long || !slices.Equal(lines, want) {
			t.Errorf("%q %v, want %q", lines, err, want)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	piece := bytes.Repeat(append(bytes.Repeat([]byte("x"), 2047), '\n'), 128) // 256 KiB
	b.SetBytes(int64(len(piece)))
	b.ReportAllocs()
	lines := NewLines(1<<20, Position{}, func(int, []byte) error { return nil })
	for b.Loop() {
		if _, err := lines.Write(piece[100:]); err != nil {
			b.Fatal(err)
		}
		if _, err := lines.Write(piece[:100]); err != nil {
			b.Fatal(err)
		}
	}
	if lines.Position().Line == 0 {
		b.Fatal("no lines")
	}
}

var _ io.WriteCloser = (*Lines)(nil)
