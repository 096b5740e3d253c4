package seal

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
)

// maxLine is the longest line that an export may have. Ten thousand entries take less than one MB, a row some kB.
const maxLine = 64 << 20

// ErrCutOff is the error of an export without its end.
var ErrCutOff = errors.New("the export was cut off: it has no last line. Export again")

// lines reads a file line by line.
type lines struct {
	in   *bufio.Reader
	long []byte // a line that is longer than the buffer
	n    int    // of the present line, from 1 on
}

// next is the next line without its end, good until the next call. A last line that is not ended counts as cut off.
func (l *lines) next() ([]byte, error) {
	l.n++
	l.long = l.long[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		if err == nil && len(l.long) == 0 {
			return part[:len(part)-1], nil
		}
		l.long = append(l.long, part...)
		switch {
		case err == nil:
			return l.long[:len(l.long)-1], nil
		case errors.Is(err, io.EOF):
			return nil, ErrCutOff
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(l.long) > maxLine:
			return nil, l.strange()
		}
	}
}

func (l *lines) strange() error {
	return fmt.Errorf("line %d is none of an export of the ledger. Was the file changed? Export again", l.n)
}

// row is a row of the ledger in an export.
type row struct {
	id      uuid.UUID
	text    []byte // what it says: the bytes that have its digest
	digest  Digest // that stands beside it
	pending bool   // it waits for its seal
}

// beginText is how a row begins, before its id.
const beginText = `["ledger/1","`

// parseRow reads a line with a row; ok is false if it is none, or none as it was written.
func parseRow(line []byte) (r row, ok bool) {
	text, ok := bytes.CutPrefix(line, []byte(beginRow))
	if !ok {
		if text, r.pending = bytes.CutPrefix(line, []byte(beginPending)); !r.pending {
			return r, false
		}
	}
	at := bytes.LastIndex(text, []byte(beforeDigest))
	if at < 0 || !bytes.HasPrefix(text, []byte(beginText)) || !bytes.HasSuffix(text, []byte(endRow)) {
		return r, false
	}
	digest := text[at+len(beforeDigest) : max(at+len(beforeDigest), len(text)-len(endRow))]
	if len(digest) == hex.EncodedLen(len(r.digest)) {
		_, _ = hex.Decode(r.digest[:], digest) // what is no digest is not that of the row
	}
	r.text = text[:at]
	id, _, ok := bytes.Cut(r.text[len(beginText):], []byte(`"`))
	if !ok || len(id) != len(uuid.Nil.String()) {
		return r, false
	}
	var err error
	r.id, err = uuid.ParseBytes(id)
	return r, err == nil
}

// other is a line that is no row: one of its fields is set.
type other struct {
	Export  *Header         `json:"export"`
	Seal    json.RawMessage `json:"seal"` // a seal, or the number of the one that has the entries
	Note    *Note           `json:"note"`
	Entries []byte          `json:"entries"`
	Lost    *uuid.UUID      `json:"lost"`
	End     *End            `json:"end"`
}
