package sse

import (
	"bytes"
	"testing"
)

func TestALineWithoutEndTakesNoMemory(t *testing.T) {
	tap := NewTap(func([]byte) {}, "data: [DONE]")
	part := bytes.Repeat([]byte("x"), 1<<20)
	for range 64 {
		tap.Pass(part)
	}
	if n := cap(tap.line) + cap(tap.held); n > 4*maxLine {
		t.Errorf("%d bytes are kept", n)
	}
}

func TestATapReadsTheFinalEventToo(t *testing.T) {
	var read []string
	tap := NewTap(func(data []byte) { read = append(read, string(data)) }, "data: {\"type\":\"end\"")
	tap.Pass([]byte("data: {\"type\":\"end\",\"usage\":1}\n\n"))
	if len(read) != 1 || !tap.Finished() || len(tap.Held()) == 0 {
		t.Errorf("read %q, finished %v, held %q", read, tap.Finished(), tap.Held())
	}
}

func TestNothingNewLetsNothingGo(t *testing.T) {
	tap := NewTap(func([]byte) {}, "data: [DONE]")
	tap.Pass([]byte("data: [DO"))
	if passed := tap.Pass(nil); len(passed) > 0 {
		t.Errorf("%q went on", passed)
	}
}
