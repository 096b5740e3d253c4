package keycloak

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

// answer is what a frontend answers to a question for the quota, which is what it thinks of the token.
type answer struct {
	status  int
	header  http.Header
	quota   api.Quota
	message string // of a refusal
}

// ask asks a frontend as the bearer of a token.
func (w *world) ask(ctx context.Context, frontend int, token string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Frontends[frontend]+"/quota", nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, header: res.Header}
	if a.status == http.StatusOK {
		return a, json.Unmarshal(text, &a.quota)
	}
	var refusal struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	err = json.Unmarshal(text, &refusal)
	a.message = refusal.Error.Message
	return a, err
}

func (w *world) mustAsk(t *testing.T, frontend int, token string) answer {
	t.Helper()
	a, err := w.ask(t.Context(), frontend, token)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// served wants the bearer to be let in.
func (w *world) served(t *testing.T, frontend int, token string) api.Quota {
	t.Helper()
	a := w.mustAsk(t, frontend, token)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s; want the token to be taken", a.status, a.message)
	}
	return a.quota
}

// refused wants the bearer to be sent away for good, with words that tell why.
func (w *world) refused(t *testing.T, frontend int, token, says string) {
	t.Helper()
	a := w.mustAsk(t, frontend, token)
	if a.status != http.StatusUnauthorized || a.header.Get("X-Should-Retry") != "false" || !strings.Contains(a.message, says) {
		t.Errorf("%d, X-Should-Retry %q: %s\nwant 401, false, %q", a.status, a.header.Get("X-Should-Retry"), a.message, says)
	}
	if strings.Contains(a.message, token) || strings.Contains(a.message, "x-api-key") {
		t.Errorf("the refusal says what it must not: %s", a.message)
	}
}

// away wants the bearer to be told to come back.
func (a answer) away(t *testing.T) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.header.Get("X-Should-Retry") == "false" ||
		!strings.Contains(a.message, "cannot be reached") {
		t.Errorf("%d, Retry-After %q, X-Should-Retry %q: %s\nwant 503, to be tried again", a.status, a.header.Get("Retry-After"),
			a.header.Get("X-Should-Retry"), a.message)
	}
}
