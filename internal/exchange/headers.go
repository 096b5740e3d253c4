package exchange

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/backend"
)

// answerHeader makes the header of the answer that the client is given out of the backend's.
func (x *exchange) answerHeader(from http.Header) {
	h := x.client.Header()
	backend.CopyResponseHeader(h, from)
	x.modelHeader()
	if x.sent > 1 {
		h.Set("X-Gateway-Attempts", strconv.Itoa(x.sent))
	}
	if len(x.call.dropped) > 0 {
		h.Set("X-Gateway-Dropped", headerValue(strings.Join(x.call.dropped, ", ")))
	}
}

// modelHeader says which model was asked for, and which one the last attempt was made with.
func (x *exchange) modelHeader() {
	h := x.client.Header()
	h.Set("X-Gateway-Model-Requested", headerValue(x.asked))
	h.Set("X-Gateway-Model-Routed", headerValue(x.call.target.Model))
}

// RetryAfter is how long a backend asks to be left alone; 0 if it asks for nothing.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// headerValue keeps a client's text from breaking a header.
func headerValue(s string) string {
	clean := make([]byte, 0, min(len(s), 256))
	for i := 0; i < len(s) && len(clean) < 256; i++ {
		if c := s[i]; c >= ' ' && c < 0x7f {
			clean = append(clean, c)
		}
	}
	return string(clean)
}
