package gateway

import (
	"errors"
	"fmt"
	"time"
)

// Code says what kind of error a request met. Each dialect gives every code its own status and type.
type Code string

// The codes.
const (
	Invalid         Code = "invalid"         // the request cannot be understood
	Unauthenticated Code = "unauthenticated" // no valid token
	Forbidden       Code = "forbidden"       // a valid token that may not do this
	NotFound        Code = "not_found"       // no such model or path
	Missing         Code = "missing"         // no such batch or file, or it is another's
	Conflict        Code = "conflict"        // what is there already, or is under way, does not allow it
	TooLarge        Code = "too_large"       // the body is over the limit
	QuotaSpent      Code = "quota_spent"     // the window's limit is reached
	RateLimited     Code = "rate_limited"    // a limit of the moment is reached: a little later there is room
	Overloaded      Code = "overloaded"      // the gateway cannot take the request now; nothing was sent
	BackendFailed   Code = "backend_failed"  // the backend could not be reached or broke off
	BackendTimeout  Code = "backend_timeout" // the backend fell silent
	Internal        Code = "internal"        // a fault of the gateway
)

// ErrFateUnknown is in the chain of a write's error when the write may have been committed all the same: the
// connection was lost after it was sent. Writing the same thing again is safe, giving it up is not.
var ErrFateUnknown = errors.New("the write may or may not have been committed")

// ErrRecordRefused is in the chain of a write's error when the store refuses a record for what is in it. Writing the
// same thing again fails again; records written beside it are not at fault.
var ErrRecordRefused = errors.New("the store refuses the record")

// ErrWindowBusy is in the chain of an error where a window of the quota changed too fast to be compared with the record.
var ErrWindowBusy = errors.New("the window changes too fast to be compared; the next comparison will tell")

// Error is an error that a client may see. Message is written for the person who will read it and says what to
// do; the cause is for the log only.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // when a retry makes sense; 0 leaves it open
	NoRetry    bool          // a retry of the same request cannot succeed
	Lacks      []string      // features that the model's service lacks, by the names clients know; those that do go on without
	Cause      error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// AsError returns the *Error in err's chain, or an Internal one that hides err from the client.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: Internal, Message: "The gateway met an internal error. Try again; if it stays, tell its operator the request id.", Cause: err}
}

// NoThreads refuses a request that leaves a part of its conversation with the service (thread), for a model whose
// service keeps none: it would see the end of the conversation for the whole. Clients that know the feature send
// everything instead.
func NoThreads(model string) *Error {
	return &Error{
		Code: Invalid, NoRetry: true, Lacks: []string{"thread"},
		Message: fmt.Sprintf("thread: the model %s keeps no message threads. Send the whole conversation in messages.", model),
	}
}
