package postgres

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	// fallbackParent is a directory everybody may pass through and whose content
	// survives a reboot, unlike /tmp.
	fallbackParent = "/var/tmp"
	fallbackPrefix = "llmgw-"
	// originFile names, inside a fallback directory, the state directory it belongs to.
	originFile = "belongs-to"
)

// place returns the directory the cluster lives in: <stateDir>/postgres, or, if
// the account cannot get there, a directory named after the state directory
// under /var/tmp.
func place(stateDir string, a *account) (root string, moved bool) {
	root = filepath.Join(stateDir, "postgres")
	if a.canReach(root) {
		return root, false
	}
	sum := sha256.Sum256([]byte(stateDir))
	return filepath.Join(fallbackParent, fmt.Sprintf("%s%x", fallbackPrefix, sum[:6])), true
}

// Wipe deletes the cluster that belongs to a state directory, wherever it is.
func Wipe(stateDir string) error {
	root, _ := place(stateDir, currentAccount())
	if err := sweep(filepath.Join(root, "data")); err != nil {
		return err
	}
	return os.RemoveAll(root)
}

// prune deletes the fallback directories whose state directory is gone: nobody
// will ever start them again, and a cluster takes some 100 MB.
func prune() error {
	origins, err := filepath.Glob(filepath.Join(fallbackParent, fallbackPrefix+"*", originFile))
	if err != nil {
		return err
	}
	var errs []error
	for _, origin := range origins {
		stateDir, err := os.ReadFile(origin)
		if err != nil {
			continue // somebody else's, or just deleted
		}
		if _, err := os.Stat(strings.TrimSpace(string(stateDir))); errors.Is(err, os.ErrNotExist) {
			root := filepath.Dir(origin)
			errs = append(errs, sweep(filepath.Join(root, "data")), os.RemoveAll(root))
		}
	}
	return errors.Join(errs...)
}

// create makes the root directory of the cluster, owned by the account.
func create(root, stateDir string, moved bool, a *account) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return fmt.Errorf("create the database directory: %w", err)
	}
	if moved {
		if err := os.WriteFile(filepath.Join(root, originFile), []byte(stateDir+"\n"), 0o600); err != nil {
			return fmt.Errorf("mark the database directory: %w", err)
		}
	}
	return a.own(root)
}
