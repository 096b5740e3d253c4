package quota

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/tests/proof"
	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// The same with real processes: three frontends, a worker and Temporal behind them.
func TestThreeFrontendProcessesSendTen(t *testing.T) {
	s, err := stacktest.Start(t.Context(), "--frontends", "3", "--set", "redis.timeout=30s", "--set", "frontend:audit.commit_timeout=30s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, flush := range []bool{false, true} {
		before, err := s.Received(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.NewUser(t.Context(), "free")
		if err != nil {
			t.Fatal(err)
		}
		statuses := crowdOf(t, s, token, flush)
		after, err := s.Received(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sent := after.Total - before.Total
		if statuses[http.StatusOK] != limit || statuses[http.StatusTooManyRequests] != crowd-limit || sent != limit {
			t.Errorf("flushed: %v: answers by status are %v, and %d were sent", flush, statuses, sent)
		}
	}
	report, err := proof.Wait(t.Context(), s, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, mistake := range report.Mistakes() {
		t.Error(mistake)
	}
}

// crowdOf sends a crowd of requests at once, and counts the answers by status.
func crowdOf(t *testing.T, s *stacktest.Stack, token string, flush bool) map[int]int {
	t.Helper()
	var (
		mu       sync.Mutex
		statuses = map[int]int{}
		wg       sync.WaitGroup
	)
	for i := range crowd {
		wg.Go(func() {
			status, err := post(t.Context(), s.Frontends[i%len(s.Frontends)], token)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if statuses[status]++; status == http.StatusOK && statuses[status] == 1 && flush { // others are under way
				if err := s.Do(t.Context(), "flush/redis"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return statuses
}

func post(ctx context.Context, frontend, token string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, frontend+"/v1/messages",
		strings.NewReader(`{"model":"internal","max_tokens":10,"messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := (&http.Client{Timeout: 2 * patience}).Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK && res.StatusCode != http.StatusTooManyRequests {
		err = fmt.Errorf("%s: %s", res.Status, text)
	}
	return res.StatusCode, err
}
