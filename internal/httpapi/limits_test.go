package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// limited is a tier with a limit of every kind, and the caller with the token tok-limited has it.
func limited(cfg *config.Config, _ *world) {
	two, many := int64(2), int64(1000)
	cfg.Classes = []config.Class{{Name: "dear", Match: []string{"opus"}}}
	cfg.Tiers["limited"] = config.Tier{
		RequestsPerDay: 100, TokensPerDay: 50_000, RequestsPerMinute: 5, ConcurrentRequests: 3,
		Classes: map[string]config.Limits{"dear": {RequestsPerDay: &two, TokensPerDay: &many}},
		Routes:  []config.Route{{Match: "*", Backend: "anthropic"}},
	}
}

func TestEachLimitIsToldInWordsThatSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		use   func(*world)
		path  string
		body  string
		says  string
		kind  string // of the error, in its dialect
		wait  int    // seconds; 0 is until the reset
		final bool   // no client shall try again by itself
	}{
		"requests of the day": {
			use: func(w *world) { w.used.Requests = 100 }, body: ask, kind: `"rate_limit_error"`, final: true,
			says: "today's 100 requests of your limited subscription",
		},
		"tokens of the day": {
			use: func(w *world) { w.used.Tokens = 50_000 }, body: ask, kind: `"rate_limit_error"`, final: true,
			says: "today's 50000 tokens",
		},
		"requests of the class": {
			use: func(w *world) { w.classes = map[string]gateway.Used{"dear": {Requests: 2}} }, kind: `"rate_limit_error"`, final: true,
			body: ask, says: "today's 2 requests to models of the class dear",
		},
		"tokens of the class": {
			use: func(w *world) { w.classes = map[string]gateway.Used{"dear": {Tokens: 1000}} }, kind: `"rate_limit_error"`, final: true,
			body: ask, says: "today's 1000 tokens of models of the class dear",
		},
		"the minute": {
			use: func(w *world) { w.minute = 5 }, body: ask, kind: `"rate_limit_error"`, wait: 31, says: "allows 5 requests in a minute",
		},
		"the places": {
			use: func(w *world) { w.places = places(3) }, body: ask, kind: `"rate_limit_error"`, wait: 1, says: "allows 3 requests at once",
		},
		"the minute, to an OpenAI client": {
			use: func(w *world) { w.minute = 5 }, path: "/v1/chat/completions", body: ask, kind: `"rate_limit_exceeded"`, wait: 31, says: "in a minute",
		},
		"the day, to an OpenAI client": {
			use: func(w *world) { w.used.Requests = 100 }, path: "/v1/chat/completions", body: ask, kind: `"insufficient_quota"`, final: true, says: "100 requests",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, streamed(answer), limited)
			c.use(w)
			if c.path == "" {
				c.path = "/v1/messages"
			}
			res, text := w.post(c.path, c.body, "Authorization", "Bearer tok-limited")
			if res.StatusCode != http.StatusTooManyRequests || !strings.Contains(text, c.says) || !strings.Contains(text, c.kind) {
				t.Errorf("%d %s", res.StatusCode, text)
			}
			if never := res.Header.Get("X-Should-Retry") == "false"; never != c.final {
				t.Errorf("X-Should-Retry %q", res.Header.Get("X-Should-Retry"))
			}
			wait, err := strconv.Atoi(res.Header.Get("Retry-After"))
			if err != nil || wait < 1 || c.wait > 0 && wait > c.wait || c.final && wait > 86_400 {
				t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
			}
			if w.sent() != 0 || len(w.intents) != 0 || len(w.held) != 0 {
				t.Errorf("%d sent, %d on record, %d reserved", w.sent(), len(w.intents), len(w.held))
			}
		})
	}
}

func places(n int) map[uuid.UUID]bool {
	taken := map[uuid.UUID]bool{}
	for range n {
		taken[uuid.New()] = true
	}
	return taken
}

func TestEveryFamilyOfHeadersTellsWhereTheClientStands(t *testing.T) {
	w := newWorld(t, streamed(answer), limited)
	w.used, w.minute = gateway.Used{Requests: 10, Tokens: 40_000}, 1
	w.classes = map[string]gateway.Used{"dear": {Requests: 1, Tokens: 10}}
	res, text := w.post("/v1/messages", ask, "Authorization", "Bearer tok-limited")
	if res.StatusCode != http.StatusOK {
		t.Fatal(text)
	}
	h := res.Header
	reset, err := time.Parse(time.RFC3339, h.Get("Anthropic-Ratelimit-Requests-Reset"))
	if h.Get("Anthropic-Ratelimit-Requests-Limit") != "2" || h.Get("Anthropic-Ratelimit-Requests-Remaining") != "1" || err != nil || !reset.After(time.Now()) {
		t.Errorf("the limit that is nearest to its end: %v", h)
	}
	if h.Get("Anthropic-Ratelimit-Tokens-Limit") != "1000" || h.Get("Anthropic-Ratelimit-Tokens-Remaining") != "990" {
		t.Errorf("tokens: %v", h)
	}
	if got := h.Get("RateLimit-Policy"); got != `"daily";q=100;w=86400, "daily-tokens";q=50000;qu="tokens";w=86400, "daily-class";q=2;w=86400, "daily-class-tokens";q=1000;qu="tokens";w=86400, "minute";q=5;w=60, "concurrent";q=3;qu="concurrent-requests"` {
		t.Errorf("RateLimit-Policy: %s", got)
	}
	if got := h.Get("RateLimit"); !strings.HasPrefix(got, `"daily";r=89;t=`) || !strings.Contains(got, `"minute";r=4;t=`) || !strings.Contains(got, `"daily-class";r=1;t=`) {
		t.Errorf("RateLimit: %s", got)
	}
	res, _ = w.post("/v1/chat/completions", ask, "Authorization", "Bearer tok-limited")
	if h := res.Header; h.Get("X-Ratelimit-Limit-Requests") != "2" || h.Get("X-Ratelimit-Reset-Requests") == "" || h.Get("Anthropic-Ratelimit-Requests-Limit") != "" {
		t.Errorf("to an OpenAI client: %v", h)
	}
}

func TestAPlaceIsGivenBackHoweverTheRequestEnds(t *testing.T) {
	w := newWorld(t, streamed(answer), limited)
	for name, spoil := range map[string]func(){
		"answered":           func() {},
		"not put on record":  func() { w.admit = func(*gateway.Intent) error { return gateway.AsError(nil) } },
		"perhaps on record":  func() { w.admit = func(*gateway.Intent) error { return gateway.ErrFateUnknown } },
		"refused at backend": func() { w.model = refusing(http.StatusBadRequest) },
	} {
		w.admit, w.model = nil, streamed(answer)
		spoil()
		w.post("/v1/messages", ask, "Authorization", "Bearer tok-limited")
		w.mu.Lock()
		if len(w.places) != 0 {
			t.Errorf("%s: %d places are taken", name, len(w.places))
		}
		w.mu.Unlock()
	}
}

// The quota's store may lose a reservation before the request is on record, and give its room to others.
func TestARequestWhoseReservationWasLostIsSentOnlyIfThereIsRoom(t *testing.T) {
	w := newWorld(t, streamed(answer))
	lose := func(taken int64) {
		w.admit = func(*gateway.Intent) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.held, w.used = map[uuid.UUID]gateway.Charge{}, gateway.Used{Requests: taken}
			return nil
		}
	}
	lose(9)
	if res, text := w.post("/v1/messages", ask, "Authorization", "Bearer tok-free"); res.StatusCode != http.StatusOK || text != answer {
		t.Errorf("with room: %d %s", res.StatusCode, text)
	}
	if w.used.Requests != 10 || len(w.withdrawn) != 0 {
		t.Errorf("%+v used, %v withdrawn", w.used, w.withdrawn)
	}
	sent := w.sent()
	w.used, w.held = gateway.Used{}, map[uuid.UUID]gateway.Charge{}
	lose(10)
	res, text := w.post("/v1/messages", ask, "Authorization", "Bearer tok-free")
	if res.StatusCode != http.StatusTooManyRequests || w.sent() != sent {
		t.Errorf("without room: %d %s, sent %d times more", res.StatusCode, text, w.sent()-sent)
	}
	if len(w.withdrawn) != 1 || !strings.HasPrefix(w.withdrawn[0], res.Header.Get("Request-Id")+": You have used today's 10 requests") {
		t.Errorf("withdrawn: %v", w.withdrawn)
	}
	if w.used.Requests != 10 || len(w.held) != 0 {
		t.Errorf("%+v used, %d reserved", w.used, len(w.held))
	}
}

func TestATierMayGoOnWithoutTheQuotaStore(t *testing.T) {
	w := newWorld(t, streamed(answer), func(cfg *config.Config, _ *world) {
		pro, enterprise := cfg.Tiers["pro"], cfg.Tiers["enterprise"]
		pro.WithoutRedis, enterprise.WithoutRedis = config.Allow, config.Deny
		cfg.Tiers["pro"], cfg.Tiers["enterprise"] = pro, enterprise
	})
	w.quotaErr = errors.New("connection refused")
	if res, _ := w.post("/v1/messages", ask, "Authorization", "Bearer tok-pro"); res.StatusCode != http.StatusOK || w.intents[0].Reserved {
		t.Errorf("a limited tier that is allowed to: %d", res.StatusCode)
	}
	if res, _ := w.post("/v1/messages", ask, "Authorization", "Bearer tok-enterprise"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("an unlimited tier that is not: %d", res.StatusCode)
	}
	w.quotaErr, w.used.Requests = nil, 1000
	if res, _ := w.post("/v1/messages", ask, "Authorization", "Bearer tok-pro"); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a spent quota is spent: %d", res.StatusCode)
	}
}

func TestAnOverrideChangesTheLimitsOfSomeCallers(t *testing.T) {
	three, none := int64(3), int64(-1)
	w := newWorld(t, streamed(answer), func(cfg *config.Config, _ *world) {
		cfg.Overrides = []config.Override{
			{Group: "research", RequestsPerDay: &none},
			{Subject: "s-free", RequestsPerDay: &three, RequestsPerMinute: &three},
		}
	})
	w.used.Requests = 3
	var q api.Quota
	if w.get("/quota", &q, "Authorization", "Bearer tok-free"); q.Override != "subject s-free" || *q.Requests.Limit != 3 || len(q.Limits) != 2 {
		t.Errorf("%+v", q)
	}
	if res, _ := w.post("/v1/messages", ask, "Authorization", "Bearer tok-free"); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one too many: %d", res.StatusCode)
	}
	w.groups = []string{"staff", "research"}
	if w.get("/quota", &q, "Authorization", "Bearer tok-free"); q.Override != "group research" || q.Requests.Limit != nil {
		t.Errorf("the first that matches decides: %+v", q)
	}
	if res, _ := w.post("/v1/messages", ask, "Authorization", "Bearer tok-free"); res.StatusCode != http.StatusOK {
		t.Errorf("without a limit: %d", res.StatusCode)
	}
}

func TestQuotaTellsEveryLimit(t *testing.T) {
	w := newWorld(t, nil, limited)
	w.used, w.minute, w.places = gateway.Used{Requests: 3, Tokens: 60_000}, 2, places(1)
	w.classes = map[string]gateway.Used{"dear": {Requests: 1}}
	var q api.Quota
	w.get("/quota", &q, "Authorization", "Bearer tok-limited")
	got := map[string][3]int64{}
	for _, l := range q.Limits {
		got[l.Class+" "+l.Name] = [3]int64{l.Limit, l.Used, l.Remaining}
		if (l.Reset == nil) != (l.Name == api.ConcurrentRequests) {
			t.Errorf("%s resets at %v", l.Name, l.Reset)
		}
	}
	for name, want := range map[string][3]int64{
		" requests_per_day": {100, 3, 97}, " tokens_per_day": {50_000, 60_000, 0}, " requests_per_minute": {5, 2, 3}, " concurrent_requests": {3, 1, 2},
		"dear requests_per_day": {2, 1, 1}, "dear tokens_per_day": {1000, 0, 1000},
	} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	if len(q.Limits) != 6 || q.Subject != "s-limited" || q.Window.Timezone != "UTC" {
		t.Errorf("%+v", q)
	}
}
