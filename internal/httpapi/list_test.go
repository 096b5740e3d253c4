package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

func (w *world) get(path string, into any, header ...string) int {
	w.t.Helper()
	res := w.do(w.request(http.MethodGet, path, "", header...))
	if into != nil {
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			w.t.Fatal(err)
		}
	}
	return res.StatusCode
}

func TestModelsAreThoseTheTierIsServedAsThemselves(t *testing.T) {
	w := newWorld(t, nil)
	for tier, want := range map[string]string{
		"free": "claude--internal", "pro": "claude-haiku-5-5 claude--internal",
		"enterprise": "claude-opus-5-5 claude-sonnet-5-5 claude-haiku-5-5 claude--internal",
	} {
		var page anthropic.ModelPage
		if status := w.get("/v1/models?limit=1000", &page, "Authorization", "Bearer tok-"+tier); status != http.StatusOK || page.HasMore {
			t.Errorf("%s: %d, has_more %v", tier, status, page.HasMore)
		}
		var ids []string
		for _, m := range page.Data {
			ids = append(ids, m.ID)
		}
		if got := strings.Join(ids, " "); got != want || *page.FirstID != ids[0] || *page.LastID != ids[len(ids)-1] {
			t.Errorf("%s: %s", tier, got)
		}
	}
}

func TestPagesEndInBothDirections(t *testing.T) {
	w := newWorld(t, nil)
	for _, direction := range []string{"after_id", "before_id"} {
		seen, cursor := 0, ""
		for range 10 {
			var page anthropic.ModelPage
			path := "/v1/models?limit=1"
			if cursor != "" {
				path += "&" + direction + "=" + cursor
			} else if direction == "before_id" {
				path += "&before_id=internal"
				seen++ // the cursor itself
			}
			w.get(path, &page)
			seen += len(page.Data)
			if !page.HasMore {
				break
			}
			cursor = page.Data[0].ID
		}
		if seen != 4 {
			t.Errorf("%s: saw %d of 4 models", direction, seen)
		}
	}
	if status := w.get("/v1/models?limit=0", nil); status != http.StatusBadRequest {
		t.Errorf("limit=0: %d", status)
	}
}

func TestModelsInTheOpenAIShape(t *testing.T) {
	w := newWorld(t, nil)
	var list struct {
		Object string
		Data   []openai.Model
	}
	w.get("/v1/models", &list, "Anthropic-Version", "")
	if list.Object != "list" || len(list.Data) != 4 || list.Data[0].Object != "model" || list.Data[0].Created == 0 {
		t.Errorf("%+v", list)
	}
	var refused struct{ Error struct{ Code string } }
	if status := w.get("/v1/models", &refused, "Anthropic-Version", "", "Authorization", ""); status != http.StatusUnauthorized || refused.Error.Code != "invalid_api_key" {
		t.Errorf("%d %+v", status, refused)
	}
}

func TestQuotaTellsWhatIsUsed(t *testing.T) {
	w := newWorld(t, nil)
	w.used = gateway.Used{Requests: 3, Tokens: 4000}
	var q api.Quota
	if status := w.get("/quota", &q, "Authorization", "Bearer tok-free"); status != http.StatusOK || *q.Requests.Limit != 10 || *q.Requests.Remaining != 7 || q.Tokens.Used != 4000 || q.Tokens.Limit != nil {
		t.Errorf("%d %+v", status, q)
	}
	if !q.Window.Reset.After(time.Now()) || q.Window.Reset.Sub(q.Window.Start) != 24*time.Hour {
		t.Errorf("%+v", q.Window)
	}
}

func TestThePathsAnyoneMayAsk(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct{ method, path string }{{"HEAD", "/"}, {"HEAD", "/api/hello"}, {"GET", "/health"}, {"GET", "/ready"}} {
		if res := w.do(w.request(c.method, c.path, "", "Authorization", "")); res.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %d", c.method, c.path, res.StatusCode)
		}
	}
}

func TestABaseURLThatEndsInV1Works(t *testing.T) {
	w := newWorld(t, streamed(answer))
	if res, text := w.post("/v1/v1/messages?beta=true", ask); res.StatusCode != http.StatusOK || text != answer {
		t.Errorf("%d %q", res.StatusCode, text)
	}
}

func TestADrainingGatewayIsNotReadyAndStillAlive(t *testing.T) {
	w := newWorld(t, nil)
	w.api.Health.Drain()
	if ready, alive := w.get("/ready", nil), w.get("/health", nil); ready != http.StatusServiceUnavailable || alive != http.StatusOK {
		t.Errorf("ready %d, health %d", ready, alive)
	}
}
