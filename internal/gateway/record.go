package gateway

import (
	"time"

	"github.com/google/uuid"
)

// Endpoint is the kind of call a request made.
type Endpoint string

// The endpoints that send something to a backend.
const (
	Messages    Endpoint = "messages"
	CountTokens Endpoint = "count_tokens"
)

// Charged is how many requests a call of the endpoint takes from the quota: counting tokens is free.
func (e Endpoint) Charged() int64 {
	if e == CountTokens {
		return 0
	}
	return 1
}

// Status is how an admitted request ended.
type Status string

// The four ends of a request, and the state before them.
const (
	Streaming   Status = "streaming"   // still running; never in the ledger
	Completed   Status = "completed"   // the client was given the whole answer
	Failed      Status = "failed"      // the backend refused, broke off or could not be reached
	Cancelled   Status = "cancelled"   // the client left
	Interrupted Status = "interrupted" // the gateway died; whether the backend answered is unknown
)

// Body is a request's or response's bytes as they are stored.
type Body struct {
	Zstd   []byte   // zstd frames; concatenated frames decode to the whole
	Size   int64    // length of the decoded bytes
	Digest [32]byte // SHA-256 of Zstd
}

// Intent is a request as admitted, before a byte of it leaves.
type Intent struct {
	ID             uuid.UUID // UUIDv7; the request-id header and the workflow id
	Instance       uuid.UUID // the frontend process that answers for it
	AdmittedAt     time.Time
	Principal      Principal
	Endpoint       Endpoint
	Dialect        Dialect
	Stream         bool
	ModelRequested string
	Target         Target
	Session        string // the client's session id; "" if it named none
	Window         Window
	Charge         Charge // what the request takes from its window until it is settled
	Reserved       bool   // the quota store holds Charge; false where it was away and the tier has no limit
	Body           Body   // the bytes as they go to the backend
}

// Usage is what a backend says an answer took, in tokens.
type Usage struct {
	Input      int64
	Output     int64
	CacheRead  int64
	CacheWrite int64
	Estimated  bool // the backend's own figure was not seen
}

// Tokens is what the usage takes from a token quota. Reading the prompt cache is free, as it is in the rate
// limits of the Anthropic API: an agent that re-reads its context every turn would otherwise be charged for it
// every turn.
func (u Usage) Tokens() int64 { return u.Input + u.CacheWrite + u.Output }

// Outcome is how a request ended.
type Outcome struct {
	ID          uuid.UUID
	Status      Status
	HTTPStatus  int    // what the backend answered; 0 if nothing
	Error       string // what went wrong, for people; "" if nothing did
	StopReason  string // the model's reason to stop; "" if unknown
	UpstreamID  string // the backend's own id of the request
	Usage       Usage
	Charge      Charge    // what the request finally takes from the quota
	FirstByteAt time.Time // zero if no byte came back
	EndedAt     time.Time
	Body        Body // the response bytes as the backend gave them
}

// Entry is the line that the ledger keeps of a request for ever, without its bodies.
type Entry struct {
	ID             uuid.UUID
	AdmittedAt     time.Time
	EndedAt        time.Time
	Subject        string
	User           string
	Tier           Tier
	Endpoint       Endpoint
	ModelRequested string
	Target         Target
	Session        string
	Stream         bool
	Status         Status
	HTTPStatus     int
	Error          string
	StopReason     string
	Usage          Usage
	Charge         Charge
	Window         Window
}
