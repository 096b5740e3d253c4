package exchange

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// quotaHeader tells a client of a limited tier where it stands, in the words of its dialect and in the IETF's.
func quotaHeader(h http.Header, in *gateway.Intent, l gateway.Limits, used gateway.Used) {
	for _, q := range []struct {
		unit        string
		limit, used int64
	}{{"requests", l.Requests, used.Requests}, {"tokens", l.Tokens, used.Tokens}} {
		if q.limit < 0 {
			continue
		}
		limit, remaining := strconv.FormatInt(q.limit, 10), strconv.FormatInt(max(0, q.limit-q.used), 10)
		if in.Dialect == gateway.OpenAI {
			h.Set("X-Ratelimit-Limit-"+q.unit, limit)
			h.Set("X-Ratelimit-Remaining-"+q.unit, remaining)
			h.Set("X-Ratelimit-Reset-"+q.unit, in.Window.Reset.Sub(in.AdmittedAt).Round(time.Second).String())
			continue
		}
		h.Set("Anthropic-Ratelimit-"+q.unit+"-Limit", limit)
		h.Set("Anthropic-Ratelimit-"+q.unit+"-Remaining", remaining)
		h.Set("Anthropic-Ratelimit-"+q.unit+"-Reset", in.Window.Reset.UTC().Format(time.RFC3339))
	}
	if l.Requests >= 0 {
		w := in.Window
		h.Set("RateLimit-Policy", fmt.Sprintf(`"daily";q=%d;w=%d`, l.Requests, int64(w.Reset.Sub(w.Start).Seconds())))
		h.Set("RateLimit", fmt.Sprintf(`"daily";r=%d;t=%d`, max(0, l.Requests-used.Requests), int64(w.Reset.Sub(in.AdmittedAt).Seconds())))
	}
}

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
