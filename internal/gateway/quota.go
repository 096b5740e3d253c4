package gateway

import (
	"time"

	"github.com/google/uuid"
)

// Window is the calendar day a request is counted in. It is fixed at admission: a request that runs past
// midnight belongs to the day it was admitted on.
type Window struct {
	Start time.Time
	Reset time.Time // the first instant of the next window
}

// DayWindow is the calendar day of now in the zone; a day of a zone with summer time may last 23 or 25 hours.
func DayWindow(now time.Time, zone *time.Location) Window {
	y, m, d := now.In(zone).Date()
	return Window{Start: time.Date(y, m, d, 0, 0, 0, 0, zone), Reset: time.Date(y, m, d+1, 0, 0, 0, 0, zone)}
}

// ParseInstant reads a time as people give one: in RFC 3339, or a date, which is the midnight that it begins with in the zone.
func ParseInstant(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

// Used is how much of a window is gone: settled and still reserved together.
type Used struct {
	Requests int64
	Tokens   int64
}

// Use is how much a subject uses of everything that may be limited.
type Use struct {
	Day     Used
	Classes map[string]Used // by the name of the class
	Minute  int64           // requests admitted in the last 60 seconds
	Running int64           // requests that run now

	MinuteFree time.Time // when the next of Minute is 60 seconds old; zero if there is none
}

// Charge is what one request takes from its window.
type Charge struct {
	Requests int64
	Tokens   int64
}

// Ask is a request that wants to be admitted.
type Ask struct {
	ID      uuid.UUID
	Subject string
	Window  Window
	Class   string // of its model
	Charge  Charge
	At      time.Time // what the minute is counted back from
	Limits  Limits
}

// Reservation is the charge of an admitted request that is not settled yet.
type Reservation struct {
	ID     uuid.UUID
	Class  string
	Charge Charge
	Ended  bool // and the charge is final
}

// Snapshot is a window's use as the database knows it, all at one instant.
type Snapshot struct {
	Settled map[string]Used // what the ledger has of the window, by class
	Open    []Reservation   // the window's requests that are not in the ledger
	Asked   []Reservation   // those of the requests asked for that are in the ledger, with their final charge
	Running []uuid.UUID     // the subject's requests, of any window, that have not ended; items of batches left out
	Minute  []uuid.UUID     // those that were admitted in the last 60 seconds; items of batches left out
}

// Settlement replaces a request's reservation by its final charge, once.
type Settlement struct {
	ID       uuid.UUID
	Subject  string
	Window   Window
	Class    string
	Charge   Charge
	Reserved bool // the quota store was asked to hold a reservation
}

// OpenWindow is a window in the quota's store with the reservations that are open in it.
type OpenWindow struct {
	Subject string
	Window  Window
	Open    []uuid.UUID
}

// Drift is what was wrong with a window in the quota's store, and has been put right.
type Drift struct {
	Subject      string
	Window       Window
	Before       Used
	After        Used
	Reservations int // that were missing or wrong
}

// Requests is by how many requests it was wrong, up or down.
func (d Drift) Requests() int64 { return distance(d.Before.Requests, d.After.Requests) }

// Tokens is by how many tokens it was wrong, up or down.
func (d Drift) Tokens() int64 { return distance(d.Before.Tokens, d.After.Tokens) }

func distance(a, b int64) int64 { return max(a-b, b-a) }

// EstimateTokens guesses the input tokens of a request body from its length. It errs high for prose and code,
// and needs no tokenizer; the backend's own usage replaces it when the request is settled.
func EstimateTokens(bodyBytes int) int64 { return int64(bodyBytes)/BytesPerToken + 1 }

// BytesPerToken is what an estimate of tokens divides by. It is low, so that the estimate is high.
const BytesPerToken = 3

// IDTime is the time in a request's id, which is a UUIDv7: its first 48 bits are Unix milliseconds.
func IDTime(id uuid.UUID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms)
}
