package witness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
)

// User is somebody with a token. Tests make their own, so that quota and ledger are theirs alone.
type User struct {
	Name    string
	Subject string
	Tier    string
	Token   string
}

// User makes a user of a tier.
func (s *Stack) User(t *testing.T, tier string) User {
	t.Helper()
	return s.userUntil(t, tier, time.Now().Add(time.Hour))
}

// ExpiredUser makes a user whose token was good until an hour ago.
func (s *Stack) ExpiredUser(t *testing.T, tier string) User {
	t.Helper()
	return s.userUntil(t, tier, time.Now().Add(-time.Hour))
}

func (s *Stack) userUntil(t *testing.T, tier string, expiry time.Time) User {
	t.Helper()
	id := uuid.NewString()
	u := User{Name: "test-" + id[:8], Subject: id, Tier: tier}
	var answer struct {
		Token string `json:"access_token"`
	}
	s.call(t, http.MethodPost, s.Issuer+"/mint", map[string]any{"claims": map[string]any{
		"iss": s.Issuer, "sub": u.Subject, "aud": "llm-gateway", "preferred_username": u.Name, "tier": tier, "roles": []string{},
		"iat": expiry.Add(-2 * time.Hour).Unix(), "nbf": expiry.Add(-2 * time.Hour).Unix(), "exp": expiry.Unix(),
	}}, &answer)
	u.Token = answer.Token
	return u
}

// Used returns how many requests of a user's quota are gone.
func (s *Stack) Used(t *testing.T, u User) int {
	t.Helper()
	var answer struct {
		Requests struct {
			Used int `json:"used"`
		} `json:"requests"`
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Gateway+"/quota", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.Token)
	if _, err := do(req, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Requests.Used
}

// Charged waits until so many requests of a user's quota are gone: what runs in a batch is counted a moment after it is
// in the ledger.
func (s *Stack) Charged(t *testing.T, u User, want int) {
	t.Helper()
	for deadline := time.Now().Add(settleTimeout); ; time.Sleep(50 * time.Millisecond) {
		used := s.Used(t, u)
		if used == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s %d requests are used, want %d", settleTimeout, used, want)
		}
	}
}

// Spend sends n small prompts of a user.
func (s *Stack) Spend(t *testing.T, u User, n int) {
	t.Helper()
	for range n {
		if _, err := s.Prompt(t, u.Token, "spend"); err != nil {
			t.Fatal(err)
		}
	}
}

// Prompt sends a small prompt and returns the id of the request.
func (s *Stack) Prompt(t *testing.T, token, text string) (id string, err error) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"model": "claude-opus-5-5", "max_tokens": 64, "messages": []map[string]string{{"role": "user", "content": text}},
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Gateway+"/v1/messages", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	header, err := do(req, nil)
	return header.Get("Request-Id"), err
}

// call sends JSON to one of the stack's own servers and reads its answer.
func (s *Stack) call(t *testing.T, method, url string, body, answer any) {
	t.Helper()
	if err := send(method, url, body, answer); err != nil {
		t.Fatal(err)
	}
}

// send is call for where a test cannot be ended: in a goroutine of its own.
func send(method, url string, body, answer any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	// Not the test's context: faults are taken back in a cleanup, when that has ended.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	_, err = do(req, answer)
	return err
}

func do(req *http.Request, answer any) (http.Header, error) {
	client := &http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, content)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(content, answer)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	}
	return res.Header, err
}
