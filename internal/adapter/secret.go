package adapter

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// secret is a token: of a file, which is read at each use, so that it can be rotated without a restart, or given.
type secret struct {
	setting string // where the operator puts it
	file    string
	value   string
}

// credential is what the backend is called with; nil if it is called without.
func (c *Config) credential() *secret {
	switch {
	case c.Backend == gateway.OpenAI && c.OpenAITokenFile == "":
		return nil
	case c.Backend == gateway.OpenAI:
		return &secret{setting: "OPENAI_TOKEN_FILE", file: c.OpenAITokenFile}
	case c.AnthropicTokenFile != "":
		return &secret{setting: "ANTHROPIC_OAUTH_TOKEN_FILE", file: c.AnthropicTokenFile}
	}
	return &secret{setting: "ANTHROPIC_OAUTH_TOKEN", value: c.AnthropicToken}
}

// callerToken is what callers must bring; nil if nothing.
func (c *Config) callerToken() *secret {
	if c.AdapterTokenFile == "" {
		return nil
	}
	return &secret{setting: "ADAPTER_TOKEN_FILE", file: c.AdapterTokenFile}
}

// read returns the token. The error says what to mend, and may be told to anybody.
func (s *secret) read() (string, error) {
	if s.file == "" {
		if s.value == "" {
			return "", errors.New(s.setting + " is not set")
		}
		return s.value, nil
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return "", fmt.Errorf("the file of %s cannot be read", s.setting)
	}
	token := bytes.TrimSpace(text)
	if len(token) == 0 {
		return "", fmt.Errorf("the file of %s is empty", s.setting)
	}
	return string(token), nil
}

// admit lets only those callers pass who bring the token, as a bearer or where Anthropic clients put a key.
func (a *Adapter) admit(next http.HandlerFunc) http.HandlerFunc {
	token := a.cfg.callerToken()
	if token == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		want, err := token.read()
		if err != nil {
			a.fail(w, r, &gateway.Error{Code: gateway.Overloaded, Cause: err, Message: "The adapter cannot tell its callers apart now. Tell its operator."})
			return
		}
		scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		known := strings.EqualFold(scheme, "Bearer") && same(strings.TrimSpace(bearer), want)
		if !known && !same(r.Header.Get("X-Api-Key"), want) {
			a.fail(w, r, &gateway.Error{Code: gateway.Unauthenticated, NoRetry: true, Message: "The token is missing, or is not the one that this adapter takes. Send it as Authorization: Bearer."})
			return
		}
		next(w, r)
	}
}

func same(have, want string) bool { return subtle.ConstantTimeCompare([]byte(have), []byte(want)) == 1 }
