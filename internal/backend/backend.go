// Package backend sends requests to the services that answer prompts: the Anthropic API and whatever speaks like it or
// like OpenAI's, Claude on Amazon Bedrock, Claude and Gemini on Google Vertex AI.
package backend

import (
	"context"
	"fmt"
	"net/http"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Call is one request to a backend, in the dialect of its endpoint.
type Call struct {
	ID       string // ours; sent as X-Gateway-Request-Id, so that a backend's log can be held against the ledger
	Endpoint gateway.Endpoint
	Model    string      // as the body names it
	Stream   bool        // the answer is wanted as an event stream
	Query    string      // raw, without the question mark
	Header   http.Header // the client's
	Caller   http.Header // the caller's own credential, for a backend of mode caller; nil if there is none
	Body     *Body
}

// Backend is a service that answers prompts.
type Backend interface {
	// Send sends the call and returns the response as soon as its header is here. The response is in the dialect of
	// the call's endpoint, whatever framing and whatever errors the service has of its own: JSON, or text/event-stream
	// where the answer is streamed. Send takes over the caller's hold on c.Body, also when it fails. An error means
	// that no response began; nothing is sent twice.
	Send(ctx context.Context, c Call) (*http.Response, error)
	// Learn is told of a 400 that the call was answered with. It reports whether the backend has learnt from it what
	// it must leave out of such calls, so that sending the call once more makes sense. It reads c.Body, which the
	// caller still holds.
	Learn(c Call, answer []byte) bool
}

// Environment is what backends are made with, beside their configuration.
type Environment struct {
	OperatorToken string // the value of ANTHROPIC_OAUTH_TOKEN
	Transport     http.RoundTripper
}

// New makes the backend of a configuration that was checked. A cloud's credentials are looked for at its first call.
func New(cfg config.Backend, env Environment) (Backend, error) {
	b, err := newKind(cfg, env)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	return b, nil
}

func newKind(cfg config.Backend, env Environment) (Backend, error) {
	switch cfg.Kind {
	case config.KindBedrock:
		return newBedrock(cfg, env), nil
	case config.KindVertex:
		return newVertex(cfg, env)
	}
	return newService(cfg, env)
}
