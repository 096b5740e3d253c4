package gateway

import (
	"errors"
	"time"

	"github.com/google/uuid"
)

// Record is what is on record of a request, for those who read it: as it was admitted, and how it ended. Its bodies are
// without their bytes, and zero where none is kept.
type Record struct {
	Intent  Intent
	Last    Target   // of the last attempt so far
	Outcome *Outcome // nil while it runs
}

// RecordFilter chooses requests; a zero field chooses all.
type RecordFilter struct {
	Subject string
	User    string
	Session string
	Model   string // that it was last sent to
	Status  string // a Status, or Running
	Batch   uuid.UUID
	From    time.Time // not before this
	To      time.Time // before this
}

// Running is the status of a request without an outcome, to those who read the record.
const Running = "running"

// The kinds of bodies.
const (
	RequestBody  = "request"
	ResponseBody = "response"
)

// Read is one reading of a body.
type Read struct {
	ID        int64 // ascending
	At        time.Time
	Login     string // at the database
	Subject   string // of the reader
	User      string // the reader's name
	Request   uuid.UUID
	Kind      string
	Owner     string // the subject that the request is of
	OwnerName string
	Reason    string // the reader's words; "" if none were given
}

// ErrTooLong is in the chain of the error about a search that was given up, because there is too much to look through.
var ErrTooLong = errors.New("the search took too long")
