package version

import (
	"runtime/debug"
	"testing"
)

func TestTheCommitComesFromTheBuild(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "5f1d"}
	for name, c := range map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"a clean tree":        {&debug.BuildInfo{Settings: []debug.BuildSetting{revision, {Key: "vcs.modified", Value: "false"}}}, "5f1d"},
		"a changed tree":      {&debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, revision}}, "5f1d-dirty"},
		"not a repository":    {&debug.BuildInfo{}, ""},
		"no build info":       {nil, ""},
		"changed, no commits": {&debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := stamped(c.info); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if String() == "" {
		t.Error("a binary without a commit says nothing; it should say unknown")
	}
}
