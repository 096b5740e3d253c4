package sse

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// decode feeds the parts and returns the events as text.
func decode(t testing.TB, d *Decoder, parts ...[]byte) []string {
	t.Helper()
	var events []string
	for _, part := range parts {
		for event, err := range d.Feed(part) {
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, fmt.Sprintf("%s|%s", event.Name, event.Data))
		}
	}
	return events
}

const sample = ": hello\n\nevent: one\ndata: {\"a\":1}\n\ndata: x\ndata:y\nid: 7\n\nevent: bare\n\n\n\ndata:\n\nretry: 3\n\ndata: é ✓\n\n"

func TestEventsAreTheSameHoweverTheStreamIsCut(t *testing.T) {
	want := []string{`one|{"a":1}`, "|x\ny", "bare|", "|", "|é ✓"}
	for name, text := range map[string]string{"LF": sample, "CRLF": strings.ReplaceAll(sample, "\n", "\r\n")} {
		t.Run(name, func(t *testing.T) {
			whole := []byte(text)
			for at := 0; at <= len(whole); at++ {
				d := &Decoder{}
				if got := decode(t, d, whole[:at], whole[at:]); !slices.Equal(got, want) {
					t.Fatalf("cut at %d: %q", at, got)
				}
				if d.Pending() {
					t.Fatalf("cut at %d: something is left", at)
				}
			}
			var bytewise [][]byte
			for i := range whole {
				bytewise = append(bytewise, whole[i:i+1])
			}
			if got := decode(t, &Decoder{}, bytewise...); !slices.Equal(got, want) {
				t.Errorf("byte by byte: %q", got)
			}
		})
	}
}

func TestAStreamCutInAnEventIsPending(t *testing.T) {
	for _, text := range []string{"data", "data: x", "data: x\n", "event: e\n", "data: x\n\nd"} {
		d := &Decoder{}
		decode(t, d, []byte(text))
		if !d.Pending() {
			t.Errorf("%q looks whole", text)
		}
	}
}

func TestAnEventWithoutEndIsRefused(t *testing.T) {
	for name, part := range map[string][]byte{"in a line": bytes.Repeat([]byte("x"), 1<<20), "in lines": bytes.Repeat([]byte("data: x\n"), 1<<17)} {
		t.Run(name, func(t *testing.T) {
			d := &Decoder{}
			for range 200 {
				for _, err := range d.Feed(part) {
					if errors.Is(err, ErrTooLong) {
						return
					}
				}
			}
			t.Error("it was taken for ever")
		})
	}
}

func TestAConsumerThatStopsGetsNoMore(t *testing.T) {
	d := &Decoder{}
	n := 0
	for _, err := range d.Feed([]byte("data: 1\n\ndata: 2\n\n")) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d events", n)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte(sample), 9)
	f.Fuzz(func(t *testing.T, whole []byte, at int) {
		if at < 0 || at > len(whole) || len(whole) > 1<<20 {
			return
		}
		once, cut := &Decoder{}, &Decoder{}
		a, b := decode(t, once, whole), decode(t, cut, whole[:at], whole[at:])
		if !slices.Equal(a, b) || once.Pending() != cut.Pending() {
			t.Fatalf("whole %q, cut %q", a, b)
		}
	})
}
