package record

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestATapePlaysBackWhatPassed(t *testing.T) {
	c, err := NewCompressor()
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
		got, err := c.Open(nil, body)
		if err != nil || !bytes.Equal(got, whole) || body.Size != int64(size) {
			t.Errorf("%d bytes came back as %d (%v), size %d", size, len(got), err, body.Size)
		}
		if size > 0 && body.Digest != sha256.Sum256(body.Zstd) {
			t.Error("the digest is not of the stored bytes")
		}
	}
}

func TestOnlyWhatWasStoredIsOpened(t *testing.T) {
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("what was said ", 100)
	whole := c.Body([]byte(text))
	damaged := bytes.Clone(whole.Zstd)
	damaged[len(damaged)/2] ^= 1
	two := append(bytes.Clone(whole.Zstd), whole.Zstd...)
	for name, b := range map[string]gateway.Body{
		"a bit is wrong":                  {Zstd: damaged, Size: whole.Size, Digest: whole.Digest},
		"the end is missing":              {Zstd: whole.Zstd[:len(whole.Zstd)-1], Size: whole.Size},
		"there is more than was recorded": {Zstd: two, Size: whole.Size},
		"there is less than was recorded": {Zstd: whole.Zstd, Size: whole.Size + 1},
		"it decodes to much more":         {Zstd: c.Body(make([]byte, 100<<20)).Zstd, Size: 10},
		"it is no zstd":                   {Zstd: []byte("what was said"), Size: 13},
		"it is empty":                     {Size: 13},
		"its size is negative":            {Zstd: whole.Zstd, Size: -1},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := c.Open([]byte("before"), b); err == nil || string(got) != "before" {
				t.Errorf("%v, and %d bytes", err, len(got))
			}
		})
	}
	whole.Digest = [32]byte{}
	for _, dst := range [][]byte{nil, []byte("before"), append(make([]byte, 0, 10_000), "before"...)} {
		before := string(dst)
		got, err := c.Open(dst, whole)
		if err != nil || string(got) != before+text || cap(got) < cap(dst) {
			t.Errorf("%v, and %d bytes with room for %d", err, len(got), cap(got))
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
