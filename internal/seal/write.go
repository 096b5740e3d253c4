package seal

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"io"
	"time"

	"github.com/google/uuid"
)

// Format is the form of the exports that this package writes and reads.
const Format = "llm-gateway-ledger/1"

// Header says what an export is.
type Header struct {
	Format  string     `json:"format"`
	Columns []string   `json:"columns"` // of a row, after the name of its form
	MadeAt  time.Time  `json:"made_at"`
	From    *time.Time `json:"from,omitempty"`   // the requests admitted since; null if it begins with the first
	Before  *time.Time `json:"before,omitempty"` // and before
	Gateway string     `json:"gateway"`          // the version of the program that wrote it
}

// End counts what an export has.
type End struct {
	Seals   int64 `json:"seals"`
	Rows    int64 `json:"rows"`
	Pending int64 `json:"pending"` // of the rows
	Lost    int64 `json:"lost"`
}

// Writer writes an export. Its methods are called in the order in which the lines are documented.
type Writer struct {
	out *bufio.Writer
	buf []byte
	end End
}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{out: bufio.NewWriterSize(w, 64<<10)} }

// Header begins the export.
func (w *Writer) Header(h Header) error {
	h.Format, h.Columns = Format, Columns()
	return w.line(struct {
		Export Header `json:"export"`
	}{h})
}

// Seal adds a seal.
func (w *Writer) Seal(s Seal) error {
	w.end.Seals++
	return w.line(struct {
		Seal Seal `json:"seal"`
	}{s})
}

// Note adds a measure that is in no seal yet.
func (w *Writer) Note(n Note) error {
	return w.line(struct {
		Note Note `json:"note"`
	}{n})
}

// Entries adds the entries of the seal n.
func (w *Writer) Entries(n int64, e Entries) error {
	return w.line(struct {
		Entries []byte `json:"entries"`
		Seal    int64  `json:"seal"`
	}{e, n})
}

// Row adds a row, as it says itself, with the digest beside it.
func (w *Writer) Row(text string, digest []byte, pending bool) error {
	w.end.Rows++
	begin := beginRow
	if pending {
		w.end.Pending++
		begin = beginPending
	}
	w.buf = append(append(append(w.buf[:0], begin...), text...), beforeDigest...)
	w.buf = append(append(hex.AppendEncode(w.buf, digest), endRow...), '\n')
	_, err := w.out.Write(w.buf)
	return err
}

// Lost adds a row that waits for its seal and is not there.
func (w *Writer) Lost(id uuid.UUID) error {
	w.end.Lost++
	return w.line(struct {
		Lost uuid.UUID `json:"lost"`
	}{id})
}

// End ends the export, and answers what it has.
func (w *Writer) End() (End, error) {
	err := w.line(struct {
		End End `json:"end"`
	}{w.end})
	if err == nil {
		err = w.out.Flush()
	}
	return w.end, err
}

func (w *Writer) line(v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = w.out.Write(append(text, '\n'))
	}
	return err
}

// How a row is written: a line has these bytes, whatever JSON would allow.
const (
	beginRow     = `{"row":`
	beginPending = `{"pending":`
	beforeDigest = `,"digest":"`
	endRow       = `"}`
)
