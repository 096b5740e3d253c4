package backend

import (
	"net/http"
	"strings"
)

// hopByHop reports whether a header concerns one connection only and so never goes on.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// forRequest reports whether a client's header goes to the backend. The caller's credentials, cookies and network
// position are nobody's business there; the length and encoding are the transport's to say.
func forRequest(name string) bool {
	switch name {
	case "Authorization", "X-Api-Key", "Cookie", "Host", "Content-Length", "Accept-Encoding", "Forwarded", "X-Real-Ip", "Expect":
		return false
	}
	return !hopByHop(name) && !strings.HasPrefix(name, "X-Forwarded-")
}

// forResponse reports whether a backend's header goes to the client. Its rate limits and cookies belong to the
// operator's account, which many users share; its request id is passed on under another name.
func forResponse(name string) bool {
	switch name {
	case "Set-Cookie", "Content-Length", "Date", "Request-Id", "X-Request-Id", "Alt-Svc", "Strict-Transport-Security":
		return false
	}
	return !hopByHop(name) && !strings.HasPrefix(name, "Anthropic-Ratelimit-") && !strings.HasPrefix(name, "X-Ratelimit-")
}

// requestHeader is a client's header as it goes to the backend. Values are shared, not copied.
func requestHeader(from http.Header) http.Header {
	to := make(http.Header, len(from)+4)
	for name, values := range from {
		if forRequest(name) {
			to[name] = values
		}
	}
	return to
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
