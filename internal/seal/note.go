package seal

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// The kinds of notes.
const (
	Hold    = "hold"    // rows and bodies may not be retired or erased
	Release = "release" // a hold is over
	Retire  = "retire"  // months of a table were dropped
	Erase   = "erase"   // a subject's bodies were deleted
)

// Note is a measure that the operator took.
type Note struct {
	ID      int64      `json:"id"`
	Kind    string     `json:"kind"`
	At      time.Time  `json:"at"`
	By      string     `json:"by"`
	Reason  string     `json:"reason,omitempty"`
	Subject string     `json:"subject,omitempty"` // of a hold, an erasure; "" is everybody
	From    *time.Time `json:"from,omitempty"`    // the requests admitted since
	Before  *time.Time `json:"before,omitempty"`  // and before
	Hold    int64      `json:"hold,omitempty"`    // that is released
	Table   string     `json:"table,omitempty"`   // that was retired
	Rows    int64      `json:"rows,omitempty"`    // that are gone
}

// Notes is what a seal says of the measures.
func Notes(list []Note) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// retires tells of rows of the ledger that may be missing: those with ids below the answer.
func (n Note) retires() (below uuid.UUID, ok bool) {
	if n.Kind != Retire || n.Table != "ledger" || n.Before == nil {
		return uuid.Nil, false
	}
	return Floor(*n.Before), true
}

// Floor is the lowest id of an instant.
func Floor(t time.Time) (id uuid.UUID) {
	ms := max(0, t.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i)) //nolint:gosec // one byte of it is what is wanted
	}
	return id
}
