package cli_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/openova-io/llm-gateway/internal/cli"
)

// fakeIssuer is an identity provider whose refresh tokens are good for one use.
type fakeIssuer struct {
	*httptest.Server

	mu        sync.Mutex
	asked     []string // what came, in words
	polls     int      // of a device before its user has agreed
	refuse    string   // the error of the next calls of the token endpoint
	away      bool
	mute      bool // no refresh tokens are given
	life      int  // of access tokens, in seconds
	issued    int
	refresh   string // the one that is good now
	challenge string
}

func newFakeIssuer() *fakeIssuer {
	i := &fakeIssuer{life: 3600}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": i.URL, "token_endpoint": i.URL + "/token", "device_authorization_endpoint": i.URL + "/device", "revocation_endpoint": i.URL + "/revoke",
		})
	})
	mux.HandleFunc("POST /device", i.device)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /revoke", func(_ http.ResponseWriter, r *http.Request) {
		i.note("revoke %s %s", r.FormValue("client_id"), r.FormValue("token"))
		i.refresh = ""
	})
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		mux.ServeHTTP(w, r)
	}))
	return i
}

func (i *fakeIssuer) note(format string, args ...any) {
	i.asked = append(i.asked, fmt.Sprintf(format, args...))
}

func (i *fakeIssuer) device(w http.ResponseWriter, r *http.Request) {
	i.note("device %s %s %s", r.FormValue("client_id"), r.FormValue("scope"), r.FormValue("code_challenge_method"))
	i.challenge = r.FormValue("code_challenge")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"device_code": "d-1", "user_code": "ABCD-EFGH", "verification_uri": "https://id.example.com/device",
		"verification_uri_complete": "https://id.example.com/device?user_code=ABCD-EFGH", "expires_in": 600, "interval": 1,
	})
}

func (i *fakeIssuer) token(w http.ResponseWriter, r *http.Request) {
	fail := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
	}
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	switch grant := r.FormValue("grant_type"); {
	case i.refuse != "":
		fail(i.refuse)
		return
	case grant == "refresh_token":
		i.note("refresh %s %s", r.FormValue("client_id"), r.FormValue("refresh_token"))
		if r.FormValue("refresh_token") != i.refresh {
			fail("invalid_grant")
			return
		}
	case base64.RawURLEncoding.EncodeToString(sum[:]) != i.challenge:
		fail("invalid_grant")
		return
	case i.polls > 0:
		i.polls--
		fail("authorization_pending")
		return
	}
	i.issued++
	i.refresh = fmt.Sprintf("refresh-%d", i.issued)
	answer := map[string]any{"access_token": fmt.Sprintf("access-%d", i.issued), "token_type": "Bearer", "expires_in": i.life}
	if !i.mute {
		answer["refresh_token"] = i.refresh
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// keyring is a directory in place of the operating system's, if a test names one.
func keyring() cli.Keyring {
	if dir := os.Getenv("KEYRING"); dir != "" {
		return dirKeyring(dir)
	}
	return nil
}

type dirKeyring string

func (d dirKeyring) file(name string) string {
	return filepath.Join(string(d), strings.ReplaceAll(name[strings.LastIndex(name, "/")+1:], ":", "-"))
}

func (d dirKeyring) Get(name string) (string, error) {
	text, err := os.ReadFile(d.file(name))
	return string(text), err
}

func (d dirKeyring) Set(name, secret string) error {
	return os.WriteFile(d.file(name), []byte(secret), 0o600)
}

func (d dirKeyring) Delete(name string) error {
	if err := os.Remove(d.file(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
