package exchange

import (
	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// words is how an endpoint's dialect says what every dialect has to say.
type words struct {
	errorEvent func(e *gateway.Error, requestID string) []byte // in the midst of a stream
	ping       func() []byte
	tap        func() tap
	read       func(body []byte) gateway.Answer // of an answer that was not streamed
}

// tap watches an answer's stream as it passes and holds back its end; see sse.Tap.
type tap interface {
	Pass(p []byte) []byte
	Held() []byte
	Finished() bool
	AtBoundary() bool
	MidLine() bool
	Said() gateway.Answer
}

func wordsOf(e gateway.Endpoint) words {
	switch {
	case e.Dialect() == gateway.Anthropic:
		return words{
			errorEvent: anthropic.ErrorEvent, ping: anthropic.Ping, read: anthropic.ReadAnswer,
			tap: func() tap { return anthropic.NewTap() },
		}
	case e == gateway.Responses:
		return words{
			errorEvent: func(e *gateway.Error, _ string) []byte { return openai.ResponseErrorEvent(e) },
			ping:       openai.Ping, read: openai.ReadAnswer,
			tap: func() tap { return openai.NewResponseTap() },
		}
	}
	return words{
		errorEvent: func(e *gateway.Error, _ string) []byte { return openai.ErrorEvent(e) },
		ping:       openai.Ping, read: openai.ReadAnswer,
		tap: func() tap { return openai.NewTap() },
	}
}
