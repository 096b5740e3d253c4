package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// failures are the rules of answers that end badly. The prompt tells the mock model how.
func failures() []rule {
	return []rule{
		{"400 with the backend's own words", nil, badRequest},
		{"429 with retry-after", nil, tooMany},
		{"too much load", nil, overloaded},
		{"an error in the midst of a stream", nil, errorEvent},
		{"a stream that is cut", nil, cut},
	}
}

func badRequest(t *testing.T, r row) {
	const words = "prompt is too long: 210000 tokens > 200000 maximum"
	for _, stream := range []bool{false, true} {
		x := r.ask(t, question{text: "[x-mock: status=400,message=" + words + "]", stream: stream})
		x.failed(t, http.StatusBadRequest, "invalid_request_error")
		if !strings.Contains(x.told.errorText, words) {
			t.Errorf("told %q", x.told.errorText)
		}
	}
}

func tooMany(t *testing.T, r row) {
	x := r.ask(t, question{text: "[x-mock: status=429,retry_after=7]", stream: true})
	x.failed(t, http.StatusTooManyRequests, "rate_limit_error")
	if x.told.retryAfter != "7" {
		t.Errorf("retry-after is %q", x.told.retryAfter)
	}
}

func overloaded(t *testing.T, r row) {
	x := r.ask(t, question{text: fmt.Sprintf("[x-mock: status=%d]", r.overload), stream: true})
	kind := "overloaded_error"
	if r.native(r.client) && r.overload != 529 {
		kind = "api_error" // as the service said it
	}
	x.failed(t, r.overload, kind)
}

func errorEvent(t *testing.T, r row) {
	x := r.ask(t, question{text: "[x-mock: tokens=40,error=10]", stream: true})
	x.failed(t, http.StatusOK, "overloaded_error", "api_error")
	if x.told.deltas == 0 || x.told.deltas >= 40 {
		t.Errorf("%d deltas came before", x.told.deltas)
	}
}

func cut(t *testing.T, r row) {
	x := r.ask(t, question{text: "[x-mock: tokens=80,cut=4000]", stream: true})
	x.failed(t, http.StatusOK, "overloaded_error", "api_error")
	if x.told.deltas == 0 || x.told.deltas >= 80 {
		t.Errorf("%d deltas came before", x.told.deltas)
	}
}
