package backend

import (
	"net/http"
	"strings"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// anthropicVersion is asked for where a client names none, as one of the other dialect does not.
const anthropicVersion = "2023-06-01"

// hopByHop reports whether a header concerns one connection only and so never goes on.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// forRequest reports whether a client's header goes to a backend of the dialect. The caller's credentials, cookies and
// network position are nobody's business there; the length and encoding are the transport's to say; what is between
// the client and the gateway stays there, and what belongs to the other dialect does not leave it.
func forRequest(name string, d gateway.Dialect) bool {
	switch name {
	case "Authorization", "X-Api-Key", "Cookie", "Host", "Content-Length", "Accept-Encoding", "Forwarded", "X-Real-Ip", "Expect":
		return false
	case "X-App":
		return d == gateway.Anthropic
	}
	if strings.HasPrefix(name, "Anthropic-") || strings.HasPrefix(name, "X-Claude-Code-") {
		return d == gateway.Anthropic
	}
	if strings.HasPrefix(name, "Openai-") {
		return d == gateway.OpenAI
	}
	return !hopByHop(name) && !strings.HasPrefix(name, "X-Forwarded-") && !strings.HasPrefix(name, "X-Gateway-")
}

// requestHeader is the header of a call as it goes to a backend, without a credential. Values are shared, not copied.
func requestHeader(c Call) http.Header {
	dialect := c.Endpoint.Dialect()
	to := make(http.Header, len(c.Header)+6)
	for name, values := range c.Header {
		if forRequest(name, dialect) {
			to[name] = values
		}
	}
	if to["Content-Type"] == nil {
		to.Set("Content-Type", "application/json")
	}
	if dialect == gateway.Anthropic && to["Anthropic-Version"] == nil {
		to.Set("Anthropic-Version", anthropicVersion)
	}
	to.Set("Accept-Encoding", "identity") // usage and the end of a stream are read from the bytes
	to.Set("X-Gateway-Request-Id", c.ID)
	return to
}

// forResponse reports whether a backend's header goes to the client. Its request id is passed on under another name.
func forResponse(name string) bool {
	switch name {
	case "Set-Cookie", "Content-Length", "Date", "Request-Id", "X-Request-Id", "Alt-Svc", "Strict-Transport-Security":
		return false
	}
	return !hopByHop(name)
}

// hideAccount removes from an answer the limits of the account it was given to: where that is the operator's, many
// users share it.
func hideAccount(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "Anthropic-Ratelimit-") || strings.HasPrefix(name, "X-Ratelimit-") {
			delete(h, name)
		}
	}
}

// CopyResponseHeader adds a backend's header to the one the client is answered with.
func CopyResponseHeader(to, from http.Header) {
	for name, values := range from {
		if forResponse(name) {
			to[name] = values
		}
	}
	if id := UpstreamID(from); id != "" {
		to.Set("X-Gateway-Upstream-Request-Id", id)
	}
}

// UpstreamID is the backend's own id of a request; "" if it names none.
func UpstreamID(h http.Header) string {
	if id := h.Get("Request-Id"); id != "" {
		return id
	}
	return h.Get("X-Request-Id")
}
