// Package translate turns requests, answers and errors of one dialect into the other. There is no third, canonical
// form in between: each direction is written out, and docs/translation.md says of every field what becomes of it.
//
//	Anthropic client, OpenAI backend:  toopenai_*.go makes the request, fromopenai_*.go reads the answer
//	OpenAI client, Anthropic backend:  toanthropic_*.go makes the request, fromanthropic_*.go reads the answer
//
// What has no counterpart is dropped by a documented rule, and named to the caller, or refused as Invalid. Nothing is
// changed silently.
package translate

import (
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Options is what a request is made for.
type Options struct {
	Model          string // the model to ask the backend for
	MaxTokens      int64  // for a backend that wants a limit, where the client names none
	MaxTokensField string // what an OpenAI backend calls the limit; "" is max_tokens
	StreamUsage    bool   // an OpenAI backend takes stream_options.include_usage
	Reasoning      bool   // an OpenAI backend takes reasoning_effort
}

// Call is a translated request.
type Call struct {
	Body    []byte
	Dropped []string // fields of the client's body that have no counterpart, as paths: "top_k", "messages.cache_control"
	Reply   Reply    // how the answer has to be told
}

// Reply is what the translation of an answer has to know of its request.
type Reply struct {
	ID           string // the gateway's id of the request, for answers that bring none
	Stream       bool
	IncludeUsage bool   // an OpenAI client asked for the chunk with the usage
	InputTokens  int64  // an estimate, until the backend tells
	Created      int64  // seconds since 1970
	Model        string // to tell where the answer names none
	Thinking     bool   // an Anthropic client asked to see what the model thinks
}

// Request translates the body of a request. The error is an Invalid *gateway.Error that names the field.
func Request(from gateway.Dialect, body []byte, opts Options) (Call, error) {
	if from == gateway.Anthropic {
		return toOpenAI(body, opts)
	}
	return toAnthropic(body, opts)
}

// Whole translates an answer that was not streamed, from the backend's dialect. An error means that the body is not
// an answer.
func Whole(from gateway.Dialect, body []byte, reply Reply) ([]byte, error) {
	if from == gateway.OpenAI {
		return fromOpenAI(body, reply)
	}
	return fromAnthropic(body, reply)
}

// Stream translates a streamed answer as it passes, event by event. It belongs to one stream and one goroutine.
type Stream interface {
	// Next takes the next bytes from the backend, however they are cut, and appends what the client is to be sent
	// for them. Each content event becomes exactly one, at once. The error is final: the bytes are no answer, or
	// the backend sent an error event, which is a *gateway.Error; what was appended before it still counts.
	Next(dst, p []byte) ([]byte, error)
}

// NewStream returns the translation of a stream from the backend's dialect. It ends the client's stream only when the
// backend's final event has come: message_stop, or [DONE].
func NewStream(from gateway.Dialect, reply Reply) Stream {
	if from == gateway.OpenAI {
		return newFromOpenAI(reply)
	}
	return newFromAnthropic(reply)
}

// Error translates the body of a backend's error, with the status it came with. A body that is no error of the
// dialect becomes one that says so and quotes its beginning.
func Error(from gateway.Dialect, status int, body []byte, id string) []byte {
	if from == gateway.OpenAI {
		return errorFromOpenAI(status, body, id)
	}
	return errorFromAnthropic(status, body)
}
