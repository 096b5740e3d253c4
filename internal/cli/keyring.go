package cli

import (
	"errors"

	"github.com/zalando/go-keyring"
)

// Keyring keeps secrets for the user, each under a name.
type Keyring interface {
	Get(name string) (string, error)
	Set(name, secret string) error
	Delete(name string) error // nil if there is no such secret
}

// OSKeyring is that of the operating system: macOS's Keychain, Windows' credential manager, the Secret Service of Linux
// desktops. Where there is none each call fails.
type OSKeyring struct{}

// service is whose secrets they are.
const service = "llmgw"

// Get reads a secret.
func (OSKeyring) Get(name string) (string, error) { return keyring.Get(service, name) }

// Set writes a secret.
func (OSKeyring) Set(name, secret string) error { return keyring.Set(service, name, secret) }

// Delete removes a secret.
func (OSKeyring) Delete(name string) error {
	if err := keyring.Delete(service, name); !errors.Is(err, keyring.ErrNotFound) {
		return err
	}
	return nil
}
