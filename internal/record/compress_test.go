package record

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestATapePlaysBackWhatPassed(t *testing.T) {
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 100, segment - 1, segment, segment + 1, 5*segment + 7} {
		random := rand.NewChaCha8([32]byte{1})
		whole := make([]byte, size)
		_, _ = random.Read(whole)
		tape := c.Tape()
		for rest := whole; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(40_000))
			tape.Write(rest[:n])
			rest = rest[n:]
		}
		body := tape.Body()
		got, err := decoder.DecodeAll(body.Zstd, nil)
		if err != nil || !bytes.Equal(got, whole) || body.Size != int64(size) {
			t.Errorf("%d bytes came back as %d (%v), size %d", size, len(got), err, body.Size)
		}
		if size > 0 && body.Digest != sha256.Sum256(body.Zstd) {
			t.Error("the digest is not of the stored bytes")
		}
	}
}

func BenchmarkBody200KB(b *testing.B) {
	c, err := NewCompressor()
	if err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	words := strings.Fields("func return if err nil the a of to request gateway stream byte model \\n\\t := == for range string int error context")
	for text.Len() < 200<<10 {
		text.WriteString(words[rand.IntN(len(words))] + " ")
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		c.Body([]byte(text.String()))
	}
}
