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
)

// recheck is how often a token file is looked at again.
const recheck = time.Second

// Credential is what a backend is called with. It is put on a request in place of the caller's own.
type Credential interface {
	Authorize(h http.Header) error
}

// NewCredential makes a credential. operatorToken is the value of ANTHROPIC_OAUTH_TOKEN; a token file goes before it.
func NewCredential(cfg config.Auth, operatorToken string) (Credential, error) {
	switch {
	case cfg.Mode == config.AuthNone:
		return none{}, nil
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

func (none) Authorize(http.Header) error { return nil }

type fixed string

func (f fixed) Authorize(h http.Header) error {
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

func (f *tokenFile) Authorize(h http.Header) error {
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
