package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// login is what is kept of a login at a gateway.
type login struct {
	Gateway   string    `json:"gateway"`
	Issuer    string    `json:"issuer"`
	Client    string    `json:"client_id"`
	TokenURL  string    `json:"token_endpoint"`
	RevokeURL string    `json:"revocation_endpoint,omitempty"`
	Store     string    `json:"store"`                   // of the two tokens
	Access    string    `json:"access_token,omitempty"`  // not in the file if they are in the keyring
	Refresh   string    `json:"refresh_token,omitempty"` // the same; "" if the issuer gave none
	IssuedAt  time.Time `json:"issued_at"`               // the access token, by this machine's clock
	ExpiresAt time.Time `json:"expires_at"`              // the same
}

// The stores of tokens.
const (
	storeKeyring = "keyring"
	storeFile    = "file"
)

// logins are those of the user, one at each gateway: files that nobody else may read.
type logins struct {
	dir     string
	keyring Keyring // nil if there is none
}

var errNoLogin = errors.New("you are not logged in")

func (s *session) logins() (*logins, error) {
	dir, err := s.ConfigDir()
	if err != nil {
		return nil, fmt.Errorf("there is no directory for your logins: %w", err)
	}
	return &logins{filepath.Join(dir, "llmgw"), s.Keyring}, nil
}

// here is the gateway that a command is about, and the user's logins.
func (s *session) here() (gateway string, logins *logins, err error) {
	a, err := s.address()
	if err != nil {
		return "", nil, err
	}
	logins, err = s.logins()
	return a.base, logins, err
}

// last is the gateway of the last login; "" if there was none.
func (l *logins) last() string {
	text, _ := os.ReadFile(filepath.Join(l.dir, "gateway"))
	return strings.TrimSpace(string(text))
}

func (l *logins) file(gateway string) string {
	return filepath.Join(l.dir, url.QueryEscape(gateway)+".json")
}

// lock keeps others from the login at a gateway until unlock.
func (l *logins) lock(gateway string) (unlock func(), err error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, err
	}
	return lockedfile.MutexAt(l.file(gateway) + ".lock").Lock()
}

// load reads the login at a gateway; errNoLogin if there is none.
func (l *logins) load(gateway string) (*login, error) {
	text, err := os.ReadFile(l.file(gateway))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoLogin
	}
	if err != nil {
		return nil, fmt.Errorf("your login cannot be read: %w", err)
	}
	var in login
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w. Log in again: llmgw login --url %s", l.file(gateway), err, gateway)
	}
	if in.Store != storeKeyring {
		return &in, nil
	}
	if l.keyring == nil {
		return nil, fmt.Errorf("your login is in a keyring, and there is none here. Log in again: llmgw login --url %s --store file", gateway)
	}
	for name, secret := range in.secrets() {
		if *secret, err = l.keyring.Get(name); err != nil {
			return nil, fmt.Errorf("your login cannot be read from the keyring: %w. Unlock it, or log in again: llmgw login --url %s", err, gateway)
		}
	}
	return &in, nil
}

// secrets are the two tokens, by their names in the keyring. Each is kept on its own: some keyrings take no long ones.
func (in *login) secrets() map[string]*string {
	return map[string]*string{in.Gateway + " access token": &in.Access, in.Gateway + " refresh token": &in.Refresh}
}

// save keeps a login: in the keyring if it says so, else in its file.
func (l *logins) save(in *login) error {
	kept := *in
	if in.Store == storeKeyring {
		if l.keyring == nil {
			return errors.New("there is no keyring")
		}
		for name, secret := range in.secrets() {
			if err := l.keyring.Set(name, *secret); err != nil {
				return err
			}
		}
		kept.Access, kept.Refresh = "", ""
	}
	return l.write(l.file(in.Gateway), kept)
}

// saveSomewhere keeps a login in its file if the keyring does not take it.
func (l *logins) saveSomewhere(in *login) error {
	err := l.save(in)
	if err != nil && in.Store == storeKeyring {
		in.Store = storeFile
		return l.save(in)
	}
	return err
}

// remember makes a gateway the one that later commands are about.
func (l *logins) remember(gateway string) error {
	return replace(filepath.Join(l.dir, "gateway"), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, gateway)
		return err
	})
}

// remove forgets a login.
func (l *logins) remove(in *login) error {
	var errs []error
	if in.Store == storeKeyring {
		for name := range in.secrets() {
			errs = append(errs, l.keyring.Delete(name))
		}
	}
	return errors.Join(append(errs, os.Remove(l.file(in.Gateway)))...)
}

// write makes a file that only the user can read; it is there when it is whole.
func (l *logins) write(file string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return replace(file, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}
