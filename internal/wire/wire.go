// Package wire is how an endpoint's dialect puts on the wire what every dialect has to say: errors, pings and the end of
// an answer.
package wire

import (
	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// Tap watches an answer's stream as it passes and holds back its end; see sse.Tap.
type Tap interface {
	Pass(p []byte) []byte // what of p may go on
	Held() []byte         // the final event
	Finished() bool       // the final event is here to its last byte
	AtBoundary() bool     // another event may follow what has gone on
	MidLine() bool        // what has gone on ends in the midst of a line
	Said() gateway.Answer
}

// Format is an endpoint's way.
type Format struct {
	ErrorEvent func(e *gateway.Error, requestID string) []byte // in the midst of a stream
	Ping       func() []byte
	NewTap     func() Tap
	ReadAnswer func(body []byte) gateway.Answer // of an answer that was not streamed
	typed      bool                             // its events begin with a line that names their type
}

// Of returns the format of an endpoint.
func Of(e gateway.Endpoint) Format {
	switch {
	case e.Dialect() == gateway.Anthropic:
		return Format{
			ErrorEvent: anthropic.ErrorEvent, Ping: anthropic.Ping, ReadAnswer: anthropic.ReadAnswer,
			NewTap: func() Tap { return anthropic.NewTap() }, typed: true,
		}
	case e == gateway.Responses:
		return Format{
			ErrorEvent: func(e *gateway.Error, _ string) []byte { return openai.ResponseErrorEvent(e) },
			Ping:       openai.Ping, ReadAnswer: openai.ReadAnswer,
			NewTap: func() Tap { return openai.NewResponseTap() }, typed: true,
		}
	}
	return Format{
		ErrorEvent: func(e *gateway.Error, _ string) []byte { return openai.ErrorEvent(e) },
		Ping:       openai.Ping, ReadAnswer: openai.ReadAnswer,
		NewTap: func() Tap { return openai.NewTap() },
	}
}

// BreakOff is the event that tells a client its answer is not whole, wherever its stream was cut. passed has seen what
// the client has.
func (f Format) BreakOff(passed Tap, e *gateway.Error, requestID string) []byte {
	event := f.ErrorEvent(e, requestID)
	if passed.MidLine() {
		event = append([]byte("\n"), event...)
	}
	// Where events have a type, our event line replaces that of the one that was cut, so that no client takes the half
	// for a whole. Where they have none, the half is ended as well: it is no JSON, which is an error too.
	if !passed.AtBoundary() && !f.typed {
		event = append([]byte("\n"), event...)
	}
	return event
}

// ErrorBody is an error as the dialect's answers tell it: the HTTP status and the JSON body.
func ErrorBody(d gateway.Dialect, e *gateway.Error, requestID string) (status int, body []byte) {
	if d == gateway.OpenAI {
		return openai.ErrorBody(e)
	}
	return anthropic.ErrorBody(e, requestID)
}
