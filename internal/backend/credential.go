package backend

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// recheck is how often a token file is looked at again.
const recheck = time.Second

// Credential is what a backend is called with. It is put on a request in place of what the caller showed the gateway.
type Credential interface {
	// Authorize adds the credential to h. caller is the caller's own login to the backend, if one was sent along.
	Authorize(h, caller http.Header) error
}

// NewCredential makes a credential. operatorToken is the value of ANTHROPIC_OAUTH_TOKEN; a token file goes before it.
func NewCredential(cfg config.Auth, operatorToken string) (Credential, error) {
	switch {
	case cfg.Mode == config.AuthNone:
		return none{}, nil
	case cfg.Mode == config.AuthCaller:
		return callers{}, nil
	case cfg.TokenFile != "":
		f := &tokenFile{path: cfg.TokenFile}
		_, err := f.read(time.Now())
		return f, err
	case cfg.Mode == config.AuthOperator && operatorToken != "":
		return fixed("Bearer " + operatorToken), nil
	}
	return nil, errors.New("no credential: set ANTHROPIC_OAUTH_TOKEN, or auth.token_file")
}

type none struct{}

func (none) Authorize(http.Header, http.Header) error { return nil }

// callers passes the caller's own login on. It is not kept, and it is in no error.
type callers struct{}

func (callers) Authorize(h, caller http.Header) error {
	found := false
	for _, name := range [...]string{"Authorization", "X-Api-Key"} {
		if values := caller[name]; len(values) > 0 {
			h[name], found = values, true
		}
	}
	if found {
		return nil
	}
	return &gateway.Error{Code: gateway.Unauthenticated, NoRetry: true, Message: "This model is reached with your own Claude login. " +
		"Send the gateway's token in the header X-Gateway-Token, and log in to Claude as usual."}
}

type fixed string

func (f fixed) Authorize(h, _ http.Header) error {
	h.Set("Authorization", string(f))
	return nil
}

// tokenFile is a mounted secret. It is read again when it changes, so that a token can be rotated without a restart.
type tokenFile struct {
	path string

	mu      sync.Mutex
	checked time.Time
	changed time.Time
	header  string
}

func (f *tokenFile) Authorize(h, _ http.Header) error {
	header, err := f.read(time.Now())
	if err != nil {
		return err
	}
	h.Set("Authorization", header)
	return nil
}

// read returns the header's value. A file that cannot be read any more leaves the last token in use: the rotation
// of a secret replaces the file, and may be looked at half-way.
func (f *tokenFile) read(now time.Time) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.checked) < recheck {
		return f.header, nil
	}
	info, err := os.Stat(f.path)
	if err == nil && info.ModTime().Equal(f.changed) {
		f.checked = now
		return f.header, nil
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(f.path)
	}
	token := bytes.TrimSpace(text)
	if err == nil && len(token) == 0 {
		err = errors.New("the file is empty")
	}
	if err != nil {
		if f.header != "" {
			return f.header, nil
		}
		return "", fmt.Errorf("token file %s: %w", f.path, err)
	}
	f.checked, f.changed, f.header = now, info.ModTime(), "Bearer "+string(token)
	return f.header, nil
}
