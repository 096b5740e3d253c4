package api

import "time"

// Request is a line of GET /api/requests, and what GET /api/requests/{id} says beside the attempts.
type Request struct {
	ID             string      `json:"id"`
	AdmittedAt     time.Time   `json:"admitted_at"`
	FirstByteAt    *time.Time  `json:"first_byte_at"` // null if nothing came back
	EndedAt        *time.Time  `json:"ended_at"`      // null while it runs
	User           string      `json:"user"`
	Subject        string      `json:"subject"`
	Tier           string      `json:"tier"`
	Endpoint       string      `json:"endpoint"` // "/v1/messages", …
	Dialect        string      `json:"dialect"`  // "anthropic", "openai"
	Stream         bool        `json:"stream"`
	Session        string      `json:"session,omitempty"`
	Batch          string      `json:"batch,omitempty"` // that it is an item of
	ModelRequested string      `json:"model_requested"`
	Model          string      `json:"model"`   // of the last attempt
	Backend        string      `json:"backend"` // the same
	Class          string      `json:"class,omitempty"`
	Status         string      `json:"status"` // "running", "completed", "failed", "cancelled", "interrupted"
	HTTPStatus     int         `json:"http_status"`
	Error          string      `json:"error,omitempty"`
	StopReason     string      `json:"stop_reason,omitempty"`
	UpstreamID     string      `json:"upstream_id,omitempty"`
	Attempts       int         `json:"attempts"`
	Usage          Usage       `json:"usage"`
	Charged        Charge      `json:"charged"` // to the quota of the day it was admitted on
	Window         Window      `json:"window"`
	RequestBody    *StoredBody `json:"request_body"`    // null once it is past its retention, or erased
	ResponseBody   *StoredBody `json:"response_body"`   // the same, and where nothing came back
	Sent           []Attempt   `json:"sent,omitempty"`  // only of one request
	Reads          []Read      `json:"reads,omitempty"` // of its bodies, the newest first, 100 at most; only of one request
}

// Charge is what a request takes from the quota.
type Charge struct {
	Requests int64 `json:"requests"`
	Tokens   int64 `json:"tokens"`
}

// Window is the day a request is counted in.
type Window struct {
	Start time.Time `json:"start"`
	Reset time.Time `json:"reset"`
}

// StoredBody tells of a body that is kept. GET /api/requests/{id}/request and …/response answer its bytes.
type StoredBody struct {
	Size   int64  `json:"size"`   // of the bytes
	Digest string `json:"digest"` // SHA-256 in hex, of the bytes as they are stored: compressed
}

// Attempt is one sending of a request.
type Attempt struct {
	N       int       `json:"n"`
	At      time.Time `json:"at"`
	Backend string    `json:"backend"`
	Model   string    `json:"model"`
	Status  int       `json:"status"` // what it was answered; 0 if nothing
	Error   string    `json:"error,omitempty"`
}

// Read is one reading of a body, one's own included.
type Read struct {
	ID           int64     `json:"id"`
	At           time.Time `json:"at"`
	Reader       string    `json:"reader"`  // the name of the one who read
	Subject      string    `json:"subject"` // the reader's
	Login        string    `json:"login"`   // at the database: another than the gateway's read past the gateway
	RequestID    string    `json:"request_id"`
	Kind         string    `json:"kind"`  // "request", "response"
	Owner        string    `json:"owner"` // the name of the one whose request it is
	OwnerSubject string    `json:"owner_subject"`
	Reason       string    `json:"reason,omitempty"`
}

// RequestList is a page of GET /api/requests, the newest first.
type RequestList struct {
	Data    []Request `json:"data"`
	HasMore bool      `json:"has_more"` // the next page comes after the last id: ?after=
}

// ReadList is a page of GET /api/reads, the newest first; the next comes after the last id.
type ReadList struct {
	Data    []Read `json:"data"`
	HasMore bool   `json:"has_more"`
}
