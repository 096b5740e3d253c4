package adapter

import (
	"net/http"
	"strings"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// voice is how the adapter speaks for itself to the clients of a dialect.
type voice struct {
	body  func(e *gateway.Error, id string) (status int, body []byte)
	event func(e *gateway.Error, id string) []byte
	ping  []byte
	tap   func() tap
	// cut stands between the lines of an event whose rest did not come, and an error event. In the Anthropic dialect
	// it is nothing: the error's type then replaces the other, so that nobody takes a half for a whole. In the OpenAI
	// dialect events have no type; half of one is no JSON, and a whole one is welcome.
	cut string
}

// tap watches an answer on its way to the client.
type tap interface {
	Pass(p []byte) []byte // what of p may go on
	Held() []byte         // the final event
	Finished() bool       // the final event is here to its last byte
	AtBoundary() bool     // another event may follow what has gone on
	Said() gateway.Answer
}

func voiceOf(d gateway.Dialect) voice {
	if d == gateway.Anthropic {
		return voice{
			body: anthropic.ErrorBody, event: anthropic.ErrorEvent, ping: anthropic.Ping(),
			tap: func() tap { return anthropic.NewTap() },
		}
	}
	return voice{
		body:  func(e *gateway.Error, _ string) (int, []byte) { return openai.ErrorBody(e) },
		event: func(e *gateway.Error, _ string) []byte { return openai.ErrorEvent(e) },
		ping:  openai.Ping(), cut: "\n",
		tap: func() tap { return openai.NewTap() },
	}
}

// dialect is the one that a request is made in. The list of models is asked for in both under one path.
func dialect(r *http.Request) gateway.Dialect {
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/messages"):
		return gateway.Anthropic
	case strings.HasPrefix(r.URL.Path, "/v1/chat/"):
		return gateway.OpenAI
	case r.Header.Get("Anthropic-Version") != "":
		return gateway.Anthropic
	}
	return gateway.OpenAI
}
