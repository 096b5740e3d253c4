package model

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
)

// dialect is the wire format of an endpoint: what it puts around its content.
type dialect interface {
	// identify sets the headers that every answer has.
	identify(x *exchange)
	// envelope is the body of an error.
	envelope(x *exchange, status int, message string) []byte
	// contentType is that of a stream.
	contentType() string
	// frame is an event as it goes over the wire, made from its server-sent
	// form; empty if the service has no such event.
	frame(event []byte) []byte
	// failure is how a stream reports an error, framed.
	failure(x *exchange) []byte
}

// sse is what dialects have in common whose streams are server-sent events.
type sse struct{}

func (sse) contentType() string { return "text/event-stream; charset=utf-8" }

func (sse) frame(event []byte) []byte { return event }

// seed is what ids are made of: different requests have different ones.
func (x *exchange) seed() string { return hex.EncodeToString(x.sum[:11]) }

// refuse answers with a status and the error envelope of the dialect.
func (x *exchange) refuse(status int, message string) error {
	if message == "" {
		message = defaultMessage(status)
	}
	header := x.w.Header()
	if x.switches.RetryAfter > 0 {
		header.Set("retry-after", strconv.Itoa(x.switches.RetryAfter))
	}
	header.Set("content-type", "application/json")
	envelope := x.dialect.envelope(x, status, message) // may add headers
	x.note(status, usage{})
	x.w.WriteHeader(status)
	if _, err := x.w.Write(envelope); err != nil {
		return errClientLeft
	}
	return errInjected
}

// statusOverloaded is Anthropic's own status for a service under too much load.
const statusOverloaded = 529

func defaultMessage(status int) string {
	switch status {
	case statusOverloaded:
		return "Overloaded"
	case http.StatusTooManyRequests:
		return "Number of requests has exceeded your rate limit"
	case http.StatusInternalServerError:
		return "Internal server error"
	}
	return http.StatusText(status)
}

// marshal encodes a value that cannot fail to encode.
func marshal(value any) []byte {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err) // a mistake in this package
	}
	return content
}
