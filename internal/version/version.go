// Package version tells which commit a binary was built from.
package version

import (
	"cmp"
	"runtime/debug"
)

// commit is set by the linker when an image is built: -X github.com/openova-io/llm-gateway/internal/version.commit=…
var commit string //nolint:gochecknoglobals // the linker sets variables only

// String is the full hash of the commit; with "-dirty" if what was built had changed since, and "unknown" if neither
// the linker nor the go command was told.
func String() string {
	info, _ := debug.ReadBuildInfo()
	return cmp.Or(commit, stamped(info), "unknown")
}

// stamped is the commit that the go command found in the repository it built from.
func stamped(info *debug.BuildInfo) string {
	if info == nil {
		return ""
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}
