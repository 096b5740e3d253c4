package record

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// segment is how much of a response is kept uncompressed at a time. A stream of hours then takes this much memory
// and its compressed bytes.
const segment = 128 << 10

// Compressor makes stored bodies, and reads them. It is safe for concurrent use.
type Compressor struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// NewCompressor makes a compressor.
func NewCompressor() (*Compressor, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(segment))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &Compressor{encoder, decoder}, nil
}

// Body is the stored form of bytes that are here as a whole.
func (c *Compressor) Body(b []byte) gateway.Body {
	if len(b) == 0 {
		return gateway.Body{}
	}
	return seal(c.encoder.EncodeAll(b, make([]byte, 0, 128+len(b)/3)), int64(len(b)))
}

// Open appends to dst what b is the stored form of: b.Size bytes, never more. A body without a digest is read unchecked;
// not all are stored with theirs.
func (c *Compressor) Open(dst []byte, b gateway.Body) ([]byte, error) {
	switch {
	case b.Size < 0:
		return dst, fmt.Errorf("a stored body of %d bytes", b.Size)
	case b.Digest != [sha256.Size]byte{} && b.Digest != sha256.Sum256(b.Zstd):
		return dst, errors.New("a stored body is not what its digest is of")
	}
	whole := len(dst) + int(b.Size)
	dst = slices.Grow(dst, int(b.Size))
	read, err := c.decoder.DecodeAll(b.Zstd, dst[:len(dst):whole])
	if err != nil {
		return dst, fmt.Errorf("a stored body of %d bytes: %w", b.Size, err)
	}
	if len(read) != whole {
		return dst, fmt.Errorf("a stored body of %d bytes has %d", b.Size, len(read)-len(dst))
	}
	return append(dst, read[len(dst):]...), nil // where it is already, as a rule, with the room that dst has
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
