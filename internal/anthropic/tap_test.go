package anthropic

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func stream(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/stream.sse")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// feed passes the parts through a tap and returns what went on.
func feed(tap *Tap, parts ...[]byte) []byte {
	var passed []byte
	for _, part := range parts {
		passed = append(passed, tap.Pass(bytes.Clone(part))...)
	}
	return passed
}

func oneByteAtATime(b []byte) [][]byte {
	var parts [][]byte
	for i := range b {
		parts = append(parts, b[i:i+1])
	}
	return parts
}

// shapes are the ways a stream may be written.
func shapes(t testing.TB) map[string][]byte {
	whole := stream(t)
	var noEventLines []string
	for _, line := range strings.SplitAfter(string(whole), "\n") {
		if !strings.HasPrefix(line, "event:") {
			noEventLines = append(noEventLines, line)
		}
	}
	return map[string][]byte{
		"as the API sends it": whole,
		"with CRLF":           bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")),
		"without spaces":      bytes.ReplaceAll(bytes.ReplaceAll(whole, []byte("event: "), []byte("event:")), []byte("data: "), []byte("data:")),
		"without event lines": []byte(strings.Join(noEventLines, "")),
		"with a 200 KB line":  bytes.Replace(whole, []byte("are text"), bytes.Repeat([]byte("long "), 40_000), 1),
		"with comments":       bytes.ReplaceAll(whole, []byte("\n\n"), []byte("\n\n: comment\n\n")),
		"with text behind it": append(bytes.Clone(whole), ": bye\n\n"...),
	}
}

func TestTheFinalEventIsHeldHoweverTheStreamIsCut(t *testing.T) {
	for name, whole := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			final := bytes.LastIndex(whole, []byte("\nevent:")) + 1
			if final == 0 {
				final = bytes.LastIndex(whole, []byte("\ndata:")) + 1
			}
			check := func(at int, parts ...[]byte) {
				t.Helper()
				tap := NewTap()
				passed := feed(tap, parts...)
				if !bytes.Equal(passed, whole[:final]) || !bytes.Equal(tap.Held(), whole[final:]) {
					t.Fatalf("cut at %d: passed %d bytes and held %d, want %d and %d", at, len(passed), len(tap.Held()), final, len(whole)-final)
				}
				want := gateway.Usage{Input: 25, Output: 15, CacheRead: 11, CacheWrite: 7}
				if said := tap.Said(); said.Usage != want || said.StopReason != "end_turn" || !tap.Finished() {
					t.Fatalf("cut at %d: %+v", at, said)
				}
			}
			step := max(1, len(whole)/2000)
			for at := 0; at <= len(whole); at += step {
				check(at, whole[:at], whole[at:])
			}
			check(-1, oneByteAtATime(whole)...)
		})
	}
}

func TestAStreamCutAtAnyByteNeverLooksFinished(t *testing.T) {
	whole := stream(t)
	final := bytes.LastIndex(whole, []byte("event:"))
	for at := range len(whole) {
		tap := NewTap()
		passed := feed(tap, whole[:at])
		if tap.Finished() {
			t.Fatalf("finished after %d of %d bytes", at, len(whole))
		}
		if len(passed) > final {
			t.Fatalf("cut at %d: a byte of the final event went on", at)
		}
		if got := append(passed, tap.Held()...); !bytes.Equal(got, whole[:at]) {
			t.Fatalf("cut at %d: bytes were lost", at)
		}
	}
}

func TestNothingIsDelayedThatCannotBeTheEnd(t *testing.T) {
	tap := NewTap()
	for _, event := range bytes.SplitAfter(stream(t), []byte("\n\n"))[:6] {
		if got := tap.Pass(event); !bytes.Equal(got, event) {
			t.Fatalf("%q was held back to %q", event, got)
		}
		if !tap.AtBoundary() {
			t.Errorf("no boundary behind %q", event)
		}
	}
	tap.Pass([]byte("event: content_block_del"))
	if tap.AtBoundary() {
		t.Error("a boundary in the midst of a line")
	}
}

func TestAnErrorEventIsSeen(t *testing.T) {
	tap := NewTap()
	feed(tap, []byte("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"))
	if tap.Said().ErrorType != "overloaded_error" || len(tap.Held()) > 0 {
		t.Errorf("%+v", tap.Said())
	}
}

func FuzzTap(f *testing.F) {
	f.Add(stream(f), 10)
	f.Fuzz(func(t *testing.T, whole []byte, at int) {
		if at < 0 || at > len(whole) {
			return
		}
		once, cut := NewTap(), NewTap()
		a := feed(once, whole)
		b := feed(cut, whole[:at], whole[at:])
		if !bytes.Equal(append(a, once.Held()...), whole) || !bytes.Equal(append(b, cut.Held()...), whole) {
			t.Fatal("bytes were lost or changed")
		}
		if once.Said() != cut.Said() || once.Finished() != cut.Finished() {
			t.Fatalf("whole %+v, cut %+v", once.Said(), cut.Said())
		}
	})
}

func BenchmarkTap(b *testing.B) {
	events := bytes.SplitAfter(stream(b), []byte("\n\n"))
	for b.Loop() {
		tap := NewTap()
		for range 64 {
			tap.Pass(events[3])
		}
	}
}
