package postgres

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// microseconds from the Unix epoch to the server's, which is 2000-01-01.
const serverEpoch = 946_684_800_000_000

// params are the parameters of one statement in the server's binary format, in the order of their numbers.
type params struct {
	values [][]byte
	buf    []byte // holds the values that are made, not lent
}

func newParams() *params {
	return &params{values: make([][]byte, 0, 25), buf: make([]byte, 0, 1024)}
}

// reset makes room for the next row. The values of the last one must have been sent.
func (p *params) reset() {
	p.values, p.buf = p.values[:0], p.buf[:0]
}

// made adds what was appended to the buffer after its first n bytes as a value.
func (p *params) made(n int) { p.values = append(p.values, p.buf[n:len(p.buf):len(p.buf)]) }

func (p *params) uuid(u uuid.UUID) {
	n := len(p.buf)
	p.buf = append(p.buf, u[:]...)
	p.made(n)
}

func (p *params) text(s string) {
	n := len(p.buf)
	p.buf = append(p.buf, s...)
	p.made(n)
}

func (p *params) int64(i int64) {
	n := len(p.buf)
	p.buf = binary.BigEndian.AppendUint64(p.buf, uint64(i)) //nolint:gosec // two's complement is what is wanted
	p.made(n)
}

func (p *params) time(t time.Time) { p.int64(t.UnixMicro() - serverEpoch) }

func (p *params) bool(b bool) {
	n := len(p.buf)
	if b {
		p.buf = append(p.buf, 1)
	} else {
		p.buf = append(p.buf, 0)
	}
	p.made(n)
}

// bytes lends b; a nil b is empty, not null.
func (p *params) bytes(b []byte) {
	if b == nil {
		b = []byte{}
	}
	p.values = append(p.values, b)
}

func (p *params) null() { p.values = append(p.values, nil) }

// ids is the array of uuids as the driver encodes it without reflection.
func ids(us []uuid.UUID) []pgtype.UUID {
	out := make([]pgtype.UUID, len(us))
	for i, u := range us {
		out[i] = pgtype.UUID{Bytes: u, Valid: true}
	}
	return out
}

const (
	maxKey  = 1 << 10 // bytes of a subject: an index has to hold it
	maxText = 8 << 10 // bytes of any other text that a client or a backend chose
)

// clean makes a text that the database takes. What it refuses (a NUL, a broken UTF-8 sequence) would fail the
// whole transaction, and with it the requests of others; such bytes are replaced, and what is too long is cut.
func clean(s string, limit int) string {
	if len(s) <= limit && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
