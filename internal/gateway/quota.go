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

// Used is how much of a window is gone: settled and still reserved together.
type Used struct {
	Requests int64
	Tokens   int64
}

// Charge is what one request takes from its window.
type Charge struct {
	Requests int64
	Tokens   int64
}

// Reservation is the charge of an admitted request that is not settled yet.
type Reservation struct {
	ID     uuid.UUID
	Charge Charge
}

// Snapshot is a window's use as the database knows it: what the ledger settled, and the requests still open.
type Snapshot struct {
	Settled Used
	Open    []Reservation
}

// Settlement replaces a request's reservation by its final charge, once.
type Settlement struct {
	ID       uuid.UUID
	Subject  string
	Window   Window
	Charge   Charge
	Reserved bool // the quota store was asked to hold a reservation
}

// Refusal says which limit a reservation ran into.
type Refusal string

// What a reservation can run into.
const (
	Admitted   Refusal = ""
	NoRequests Refusal = "requests"
	NoTokens   Refusal = "tokens"
)

// Admit is the quota rule: a charge fits when neither limit is passed by it. The store applies the same rule
// atomically; this is the definition it is tested against.
func (l Limits) Admit(used Used, c Charge) Refusal {
	switch {
	case c.Requests > 0 && l.Requests >= 0 && used.Requests+c.Requests > l.Requests:
		return NoRequests
	case c.Requests > 0 && l.Tokens >= 0 && used.Tokens+c.Tokens > l.Tokens:
		return NoTokens
	}
	return Admitted
}

// EstimateTokens guesses the input tokens of a request body from its length. It errs high for prose and code,
// and needs no tokenizer; the backend's own usage replaces it when the request is settled.
func EstimateTokens(bodyBytes int) int64 { return int64(bodyBytes)/BytesPerToken + 1 }

// BytesPerToken is what an estimate of tokens divides by. It is low, so that the estimate is high.
const BytesPerToken = 3
