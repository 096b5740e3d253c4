package postgres

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// The version that is fetched when the machine has none.
const (
	fetchedVersion = embedded.V17
	fetchedMajor   = 17
)

// fetch downloads the published binaries and unpacks them into dir. Archives
// are kept in the user's cache directory, shared by all stacks.
//
// The library has no call that only fetches, and its own start neither changes
// the user nor survives a killed parent. So it is asked to start on a data
// directory that cannot exist: it unpacks, then fails, whoever runs it. What
// counts is whether the binaries are there.
func fetch(dir string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	config := embedded.DefaultConfig().
		Version(fetchedVersion).
		Port(0). // checked for being free, and 0 always is
		CachePath(filepath.Join(cache, "llm-gateway-dev")).
		RuntimePath(dir + ".runtime").
		BinariesPath(dir).
		DataPath(filepath.Join(os.DevNull, "data")).
		Logger(io.Discard)
	startErr := embedded.NewDatabase(config).Start()
	if err := os.RemoveAll(dir + ".runtime"); err != nil {
		return fmt.Errorf("clean up after unpacking: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "postgres")); err != nil {
		return fmt.Errorf("fetch PostgreSQL %s: %w", fetchedVersion, startErr)
	}
	return nil
}
