package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestBadRequestsAreToldWhyAndLeaveNoTrace(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		header     []string
		status     int
		kind, says string
	}{
		"broken JSON":    {"/v1/messages", `{"model":"m"`, nil, 400, "invalid_request_error", "not valid JSON"},
		"no JSON object": {"/v1/messages", `hello`, nil, 400, "invalid_request_error", "not a JSON object"},
		"no model":       {"/v1/messages", `{"messages":[]}`, nil, 400, "invalid_request_error", "model: Field required"},
		"a blank model":  {"/v1/messages", `{"model":" "}`, nil, 400, "invalid_request_error", "model: Field required"},
		"two models":     {"/v1/messages", `{"model":"a","model":"b"}`, nil, 400, "invalid_request_error", "model must be one string"},
		"no token":       {"/v1/messages", ask, []string{"Authorization", ""}, 401, "authentication_error", "token"},
		"a wrong token":  {"/v1/messages", ask, []string{"Authorization", "Bearer x", "X-Api-Key", "y"}, 401, "authentication_error", "token"},
		"unknown tier":   {"/v1/messages", ask, []string{"Authorization", "Bearer tok-gold"}, 403, "permission_error", `"gold"`},
		"unknown path":   {"/v2/messages", ask, nil, 404, "not_found_error", "without /v1"},
		"a body too big": {"/v1/messages", strings.Repeat("x", 2000), nil, 413, "request_too_large", "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, streamed(answer))
			w.api.HTTP.MaxBody = 1000
			res, text := w.post(c.path, c.body, c.header...)
			var got struct {
				Type      string `json:"type"`
				RequestID string `json:"request_id"`
				Error     struct{ Type, Message string }
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if res.StatusCode != c.status || got.Type != "error" || got.Error.Type != c.kind || !strings.Contains(got.Error.Message, c.says) {
				t.Errorf("%d %+v", res.StatusCode, got)
			}
			if res.Header.Get("X-Should-Retry") != "false" || got.RequestID == "" || got.RequestID != res.Header.Get("Request-Id") {
				t.Errorf("%v", res.Header)
			}
			w.nothingHappened()
		})
	}
}

func TestAChunkedBodyOverTheLimitIsRefused(t *testing.T) {
	w := newWorld(t, streamed(answer))
	w.api.HTTP.MaxBody = 1000
	req := w.request(http.MethodPost, "/v1/messages", "")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 5000))), -1
	if res := w.do(req); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", res.StatusCode)
	}
	w.nothingHappened()
}

func TestTheKeyCountsWhenTheBearerIsBad(t *testing.T) {
	w := newWorld(t, streamed(answer))
	for _, header := range [][]string{{"Authorization", "Bearer bad", "X-Api-Key", "tok-pro"}, {"Authorization", "", "X-Api-Key", "tok-pro"}, {"Authorization", "bearer tok-pro"}} {
		if res, _ := w.post("/v1/messages", ask, header...); res.StatusCode != http.StatusOK {
			t.Errorf("%v: %d", header, res.StatusCode)
		}
	}
}

func TestASpentQuotaIsToldAtOnce(t *testing.T) {
	w := newWorld(t, streamed(answer))
	w.used.Requests = 9
	res, _ := w.post("/v1/messages", ask, "Authorization", "Bearer tok-free")
	if res.StatusCode != http.StatusOK || res.Header.Get("Anthropic-Ratelimit-Requests-Remaining") != "0" || res.Header.Get("Anthropic-Ratelimit-Requests-Limit") != "10" {
		t.Errorf("the tenth: %d %v", res.StatusCode, res.Header)
	}
	sent := w.sent()
	res, text := w.post("/v1/messages", ask, "Authorization", "Bearer tok-free")
	wait, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("X-Should-Retry") != "false" || err != nil || wait < 1 || wait > 86400 {
		t.Errorf("the eleventh: %d %v", res.StatusCode, res.Header)
	}
	if !strings.Contains(text, "rate_limit_error") || !strings.Contains(text, "all") && !strings.Contains(text, "10 requests") {
		t.Errorf("%q", text)
	}
	if policy := res.Header.Get("RateLimit-Policy"); policy != `"daily";q=10;w=86400` {
		t.Errorf("RateLimit-Policy %q", policy)
	}
	if w.sent() != sent {
		t.Error("a refused request was sent")
	}
}

func TestARequestThatCannotBePutOnRecordIsRefusedAndGivenBack(t *testing.T) {
	w := newWorld(t, streamed(answer))
	w.admit = func(*gateway.Intent) error {
		return &gateway.Error{Code: gateway.Overloaded, RetryAfter: 2e9, Message: "no record", Cause: errors.New("connection refused")}
	}
	res, text := w.post("/v1/messages", ask)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "overloaded_error") || res.Header.Get("Retry-After") != "2" {
		t.Errorf("%d %q %v", res.StatusCode, text, res.Header)
	}
	w.nothingHappened()

	w.admit = func(*gateway.Intent) error {
		return &gateway.Error{Code: gateway.Overloaded, Message: "no answer", Cause: fmt.Errorf("commit: %w", gateway.ErrFateUnknown)}
	}
	w.post("/v1/messages", ask)
	if len(w.held) != 1 || w.sent() != 0 {
		t.Errorf("%d reservations: one whose record may exist must be left to its settlement", len(w.held))
	}
}

func TestWithoutALeaseNothingIsAdmitted(t *testing.T) {
	w := newWorld(t, streamed(answer))
	w.lease = false
	if res, _ := w.post("/v1/messages", ask); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d", res.StatusCode)
	}
	w.nothingHappened()
}

func TestWithTheQuotaStoreAwayOnlyUnlimitedTiersGoOn(t *testing.T) {
	w := newWorld(t, streamed(answer))
	w.quotaErr = errors.New("connection refused")
	if res, text := w.post("/v1/messages", ask, "Authorization", "Bearer tok-pro"); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "quota cannot be checked") {
		t.Errorf("pro: %d %q", res.StatusCode, text)
	}
	w.nothingHappened()
	if res, text := w.post("/v1/messages", ask); res.StatusCode != http.StatusOK || text != answer {
		t.Errorf("enterprise: %d", res.StatusCode)
	}
	if w.intents[0].Reserved {
		t.Error("on record as reserved")
	}
}
