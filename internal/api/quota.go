package api

import "time"

// Quota is the answer of GET /quota: what a caller may use, and has used, running requests included. A limit that does
// not exist is null.
type Quota struct {
	User     string      `json:"user"`
	Subject  string      `json:"subject"` // what the use is counted by
	Tier     string      `json:"tier"`
	Override string      `json:"override,omitempty"` // that changed the tier's limits: "group research", "subject 7c1d…"
	Window   QuotaWindow `json:"window"`             // of the limits by the day
	Requests QuotaLine   `json:"requests"`           // by the day, of all classes
	Tokens   QuotaLine   `json:"tokens"`             // the same
	Limits   []Limit     `json:"limits"`             // all there are, the above included
}

// QuotaWindow is a calendar day.
type QuotaWindow struct {
	Start    time.Time `json:"start"`
	Reset    time.Time `json:"reset"`
	Timezone string    `json:"timezone"` // whose day it is: "Europe/Berlin"
}

// QuotaLine is a use beside its limit.
type QuotaLine struct {
	Limit     *int64 `json:"limit"`
	Used      int64  `json:"used"`
	Remaining *int64 `json:"remaining"`
}

// The names of limits.
const (
	RequestsPerDay     = "requests_per_day"
	TokensPerDay       = "tokens_per_day" //nolint:gosec // nothing secret
	RequestsPerMinute  = "requests_per_minute"
	ConcurrentRequests = "concurrent_requests"
)

// Limit is one limit that a caller has.
type Limit struct {
	Name      string     `json:"name"`            // see above
	Class     string     `json:"class,omitempty"` // of models, if the limit is for one
	Limit     int64      `json:"limit"`
	Used      int64      `json:"used"`
	Remaining int64      `json:"remaining"`
	Reset     *time.Time `json:"reset"` // when all of it is free again, at the latest; null for concurrent requests
}
