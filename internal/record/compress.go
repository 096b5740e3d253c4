package record

import (
	"crypto/sha256"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// segment is how much of a response is kept uncompressed at a time. A stream of hours then takes this much memory
// and its compressed bytes.
const segment = 128 << 10

// Compressor makes stored bodies. It is safe for concurrent use.
type Compressor struct{ encoder *zstd.Encoder }

// NewCompressor makes a compressor.
func NewCompressor() (*Compressor, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(segment))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &Compressor{encoder}, nil
}

// Body is the stored form of bytes that are here as a whole.
func (c *Compressor) Body(b []byte) gateway.Body {
	if len(b) == 0 {
		return gateway.Body{}
	}
	return seal(c.encoder.EncodeAll(b, make([]byte, 0, 128+len(b)/3)), int64(len(b)))
}

// Tape records bytes as they pass.
type Tape struct {
	c    *Compressor
	raw  []byte // not compressed yet
	zstd []byte // whole frames
	size int64
}

// Tape returns an empty tape.
func (c *Compressor) Tape() *Tape { return &Tape{c: c} }

// Write records p. It never fails.
func (t *Tape) Write(p []byte) {
	t.size += int64(len(p))
	t.raw = append(t.raw, p...)
	if len(t.raw) >= segment {
		t.flush()
	}
}

// Size is how many bytes were recorded.
func (t *Tape) Size() int64 { return t.size }

// Body is the stored form of what was recorded. The tape is of no use afterwards.
func (t *Tape) Body() gateway.Body {
	if t.size == 0 {
		return gateway.Body{}
	}
	t.flush()
	return seal(t.zstd, t.size)
}

func (t *Tape) flush() {
	if len(t.raw) > 0 {
		t.zstd = t.c.encoder.EncodeAll(t.raw, t.zstd)
		t.raw = t.raw[:0]
	}
}

func seal(frames []byte, size int64) gateway.Body {
	return gateway.Body{Zstd: frames, Size: size, Digest: sha256.Sum256(frames)}
}
