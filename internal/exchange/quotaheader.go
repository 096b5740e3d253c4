package exchange

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// standing is where a client stands with one limit.
type standing struct {
	name   string // in the words of the IETF's draft, where the client may choose
	unit   string // "requests", "tokens"
	limit  int64
	used   int64
	window time.Duration // 0 where the limit is of the moment
	reset  time.Time
}

func (s standing) remaining() int64 { return max(0, s.limit-s.used) }

// standings are those with all limits of the request, the nearest of each unit to its end first.
func standings(in *gateway.Intent, l gateway.Limits, use gateway.Use) []standing {
	day, class := in.Window.Reset.Sub(in.Window.Start), l.Of(in.Class)
	minute := use.MinuteFree
	if minute.IsZero() {
		minute = in.AdmittedAt
	}
	of := use.Classes[in.Class]
	all := []standing{
		{"daily", "requests", l.Requests, use.Day.Requests, day, in.Window.Reset},
		{"daily-tokens", "tokens", l.Tokens, use.Day.Tokens, day, in.Window.Reset},
		{"daily-class", "requests", class.Requests, of.Requests, day, in.Window.Reset},
		{"daily-class-tokens", "tokens", class.Tokens, of.Tokens, day, in.Window.Reset},
		{"minute", "requests", l.PerMinute, use.Minute, time.Minute, minute},
		{"concurrent", "requests", l.Concurrent, use.Running, 0, in.AdmittedAt},
	}
	set := all[:0]
	for _, s := range all {
		if s.limit >= 0 {
			set = append(set, s)
		}
	}
	return set
}

// quotaHeader tells a client of a limited tier where it stands: in the words of its dialect, with the limit of each unit
// that it is nearest to, and in the IETF's, with all of them.
func quotaHeader(h http.Header, in *gateway.Intent, l gateway.Limits, use gateway.Use) {
	all := standings(in, l, use)
	for _, unit := range []string{"requests", "tokens"} {
		if s, ok := nearest(all, unit); ok {
			s.tell(h, in)
		}
	}
	if len(all) == 0 {
		return
	}
	policies, states := make([]string, len(all)), make([]string, len(all))
	for i, s := range all {
		policies[i], states[i] = fmt.Sprintf("%q;q=%d", s.name, s.limit), fmt.Sprintf("%q;r=%d", s.name, s.remaining())
		if s.window == 0 {
			policies[i] += `;qu="concurrent-requests"`
			continue
		}
		if s.unit == "tokens" {
			policies[i] += `;qu="tokens"`
		}
		policies[i] += fmt.Sprintf(";w=%d", int64(s.window.Seconds()))
		states[i] += fmt.Sprintf(";t=%d", int64(s.reset.Sub(in.AdmittedAt).Seconds()))
	}
	h.Set("RateLimit-Policy", strings.Join(policies, ", "))
	h.Set("RateLimit", strings.Join(states, ", "))
}

// nearest is the limit of the unit that leaves the least.
func nearest(all []standing, unit string) (found standing, ok bool) {
	for _, s := range all {
		if s.unit == unit && (!ok || s.remaining() < found.remaining()) {
			found, ok = s, true
		}
	}
	return found, ok
}

// tell sets the headers of the client's dialect.
func (s standing) tell(h http.Header, in *gateway.Intent) {
	limit, remaining := strconv.FormatInt(s.limit, 10), strconv.FormatInt(s.remaining(), 10)
	if in.Dialect == gateway.OpenAI {
		h.Set("X-Ratelimit-Limit-"+s.unit, limit)
		h.Set("X-Ratelimit-Remaining-"+s.unit, remaining)
		h.Set("X-Ratelimit-Reset-"+s.unit, s.reset.Sub(in.AdmittedAt).Round(time.Second).String())
		return
	}
	h.Set("Anthropic-Ratelimit-"+s.unit+"-Limit", limit)
	h.Set("Anthropic-Ratelimit-"+s.unit+"-Remaining", remaining)
	h.Set("Anthropic-Ratelimit-"+s.unit+"-Reset", s.reset.UTC().Format(time.RFC3339))
}
