package gateway

import (
	"time"

	"github.com/google/uuid"
)

// Endpoint is the kind of call a request made.
type Endpoint string

// The endpoints that send something to a backend.
const (
	Messages    Endpoint = "messages"     // Anthropic: POST /v1/messages
	CountTokens Endpoint = "count_tokens" // Anthropic: POST /v1/messages/count_tokens
	Chat        Endpoint = "chat"         // OpenAI: POST /v1/chat/completions
	Responses   Endpoint = "responses"    // OpenAI: POST /v1/responses
	Embeddings  Endpoint = "embeddings"   // OpenAI: POST /v1/embeddings
)

// Dialect is the dialect that the endpoint belongs to.
func (e Endpoint) Dialect() Dialect {
	if e == Messages || e == CountTokens {
		return Anthropic
	}
	return OpenAI
}

// In is the endpoint's counterpart in a dialect; ok is false where there is none.
func (e Endpoint) In(d Dialect) (counterpart Endpoint, ok bool) {
	switch {
	case e.Dialect() == d:
		return e, true
	case e == Messages:
		return Chat, true
	case e == Chat:
		return Messages, true
	}
	return "", false
}

// Path is where a service has the endpoint: "/v1/messages".
func (e Endpoint) Path() string {
	switch e {
	case Messages:
		return "/v1/messages"
	case CountTokens:
		return "/v1/messages/count_tokens"
	case Chat:
		return "/v1/chat/completions"
	case Responses:
		return "/v1/responses"
	case Embeddings:
		return "/v1/embeddings"
	}
	return "/"
}

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
	Target         Target // of the first attempt
	Session        string // the client's session id; "" if it named none
	Window         Window
	Class          string  // of the model, as it was at admission; "" if the model belongs to none
	Charge         Charge  // what the request takes from its window until it is settled
	Cost           Cost    // of the estimated input; what an interrupted request is taken to have cost
	Reserved       bool    // the quota store holds Charge; false where it was away and the tier has no limit
	Body           Body    // the bytes as the client sent them
	Item           ItemRef // of a batch; zero for a request that is none's
}

// Attempt is one sending of a request after the first, on record before it leaves. The first is the intent's.
type Attempt struct {
	Request uuid.UUID
	N       int // 2 for the first after the first
	At      time.Time
	Target  Target
	Status  int    // what the attempt before was answered; 0 if nothing
	Reason  string // why the attempt before was given up, for people
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
	Target      Target // of the last attempt
	Attempts    int    // how often it was sent; 0 if it never was
	Usage       Usage
	Cost        Cost
	Charge      Charge    // what the request finally takes from the quota
	FirstByteAt time.Time // zero if no byte came back
	EndedAt     time.Time
	Body        Body // the response bytes as the backend gave them, without a cloud's framing
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
	Target         Target // of the last attempt
	Attempts       int
	Session        string
	Stream         bool
	Status         Status
	HTTPStatus     int
	Error          string
	StopReason     string
	Usage          Usage
	Cost           Cost
	Charge         Charge
	Window         Window
}
