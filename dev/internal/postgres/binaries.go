package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version the gateway and Temporal both accept whose
// extension btree_gin needs no superuser.
const oldest = 13

// binaries is an installation of PostgreSQL.
type binaries struct {
	dir     string // holds initdb and postgres
	version string // "15.18"
	major   int
}

// findBinaries returns an installation that can run the cluster in dataDir (any,
// if there is no cluster yet). fetchDir is where published binaries go when the
// machine has none.
func findBinaries(ctx context.Context, dataDir, fetchDir string) (binaries, error) {
	wanted := clusterMajor(dataDir)
	seen := []string{}
	for _, dir := range candidates(ctx, fetchDir) {
		found, err := inspect(ctx, dir)
		if err != nil || found.major < oldest {
			continue
		}
		if wanted == 0 || found.major == wanted {
			return found, nil
		}
		seen = append(seen, found.version)
	}
	if wanted != 0 && wanted != fetchedMajor {
		return binaries{}, fmt.Errorf("the database was made by PostgreSQL %d, and this machine has %s: install it, or start over with --fresh",
			wanted, strings.Join(append(seen, "no other"), ", "))
	}
	if err := fetch(fetchDir); err != nil {
		return binaries{}, fmt.Errorf("no PostgreSQL %d or newer on this machine (looked at pg_config, /usr/lib/postgresql and PATH) and none could be fetched: install it, for example the package postgresql: %w",
			oldest, err)
	}
	return inspect(ctx, filepath.Join(fetchDir, "bin"))
}

// candidates lists the directories that may hold the binaries, best first.
func candidates(ctx context.Context, fetchDir string) []string {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	packaged, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(packaged, func(a, b string) int { return packagedMajor(b) - packagedMajor(a) })
	dirs = append(dirs, packaged...)
	if path, err := exec.LookPath("postgres"); err == nil {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(resolved))
		}
	}
	return append(dirs, filepath.Join(fetchDir, "bin"))
}

// packagedMajor is the 15 in /usr/lib/postgresql/15/bin.
func packagedMajor(dir string) int {
	major, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return major
}

// inspect checks that a directory holds a server and tells its version.
func inspect(ctx context.Context, dir string) (binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("ask %s for its version: %w", dir, err)
	}
	match := regexp.MustCompile(`\d+(\.\d+)*`).FindString(string(out))
	digits, _, _ := strings.Cut(match, ".")
	major, err := strconv.Atoi(digits)
	if err != nil {
		return binaries{}, fmt.Errorf("no version in %q", out)
	}
	return binaries{dir: dir, version: match, major: major}, nil
}

// clusterMajor is the version that initialised a cluster; 0 means there is none.
func clusterMajor(dataDir string) int {
	content, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0
	}
	return major
}
