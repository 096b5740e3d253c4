package adapter

import (
	"net/http"
	"strings"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

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
