package backend

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

// keepBelow is the largest buffer that goes back to the pool; a rare 32 MB body must not stay in memory for ever.
const keepBelow = 1 << 20

// Pool keeps the buffers of request bodies.
type Pool struct{ pool sync.Pool }

// Body is a request body in a pooled buffer. The transport may still be sending it when the response is here
// already, so it is counted who holds it, and the buffer goes back when nobody does.
type Body struct {
	pool *Pool
	buf  []byte
	held atomic.Int32
}

// NewBody makes a body of bytes that belong to no pool. The caller holds it; it need not be released.
func NewBody(p []byte) *Body {
	b := &Body{buf: p}
	b.held.Store(1)
	return b
}

// slack is room for a longer model name to be put in without moving to another buffer.
const slack = 256

// Read reads a body of length bytes, or of unknown length if that is negative, but no more than limit+1 bytes: a
// body longer than limit was too long. The caller holds the result and must Release it, also one that comes with
// an error.
func (p *Pool) Read(r io.Reader, length, limit int64) (*Body, error) {
	b := &Body{pool: p}
	b.held.Store(1)
	if buf, ok := p.pool.Get().(*[]byte); ok {
		b.buf = (*buf)[:0]
	}
	if length >= 0 {
		if int64(cap(b.buf)) < length+slack {
			b.buf = make([]byte, 0, length+slack)
		}
		b.buf = b.buf[:length]
		n, err := io.ReadFull(r, b.buf)
		b.buf = b.buf[:n]
		if err != nil {
			return b, fmt.Errorf("the body ended after %d of %d bytes: %w", n, length, err)
		}
		return b, nil
	}
	sink := bytes.NewBuffer(b.buf)
	_, err := sink.ReadFrom(io.LimitReader(r, limit+1))
	b.buf = sink.Bytes()
	return b, err
}

// Bytes are the body. They may be changed until it is sent.
func (b *Body) Bytes() []byte { return b.buf }

// Set replaces the body, by a slice that may share its memory.
func (b *Body) Set(p []byte) { b.buf = p }

// Release ends the caller's hold.
func (b *Body) Release() { b.release() }

// Hold adds a holder, who must Release.
func (b *Body) Hold() *Body {
	b.held.Add(1)
	return b
}

// fresh returns an empty body with room for n bytes, from where b is from. The caller holds it.
func (b *Body) fresh(n int) *Body {
	to := &Body{pool: b.pool}
	to.held.Store(1)
	if b.pool != nil {
		if buf, ok := b.pool.pool.Get().(*[]byte); ok {
			to.buf = (*buf)[:0]
		}
	}
	to.buf = slices.Grow(to.buf, n)
	return to
}

func (b *Body) release() {
	if b.held.Add(-1) == 0 && b.pool != nil && cap(b.buf) > 0 && cap(b.buf) <= keepBelow {
		buf := b.buf
		b.pool.pool.Put(&buf)
	}
}

// reader gives the body to the transport, which closes it when it has done with it.
func (b *Body) reader() io.ReadCloser { return &bodyReader{Reader: *bytes.NewReader(b.buf), body: b} }

type bodyReader struct {
	bytes.Reader
	body *Body
	once sync.Once
}

// Close ends the transport's hold. The transport may call it more than once.
func (r *bodyReader) Close() error {
	r.once.Do(r.body.release)
	return nil
}
