package arch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/arch"
)

func TestTheRepositoryObeysItsRules(t *testing.T) {
	found, err := arch.Check("../..", arch.Repository())
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

func TestAllowancesAreStillNeeded(t *testing.T) {
	rules := arch.Repository()
	for name, reason := range rules.Long {
		src, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Errorf("%s (%s): %v", name, reason, err)
			continue
		}
		if lines := strings.Count(string(src), "\n"); lines <= rules.MaxLines {
			t.Errorf("%s has %d lines and needs no allowance any more", name, lines)
		}
	}
}

// The checker itself: a small tree with one violation of each kind, and beside it what is allowed.
func TestEveryViolationIsNamed(t *testing.T) {
	rules := arch.Rules{
		Module: "example.org/house",
		Layers: [][]string{
			{"internal/ground", "internal/cellar"}, {"internal/middle", "internal/hall"}, {"internal/roof"}, {"cmd/*"},
		},
		Covered:  []string{"internal", "cmd"},
		Sideways: map[string][]string{"internal/middle": {"internal/hall"}},
		Sole:     map[string][]string{"example.com/pipes": {"internal/hall"}},
		Pure:     map[string][]string{"internal/ground": {"example.com/stone"}},
		Denied:   map[string][]string{"internal/roof": {"net", "example.org/house/internal/hall"}},
		MaxLines: 20,
		MaxMain:  10,
		Long:     map[string]string{"internal/hall/long.go": "a table"},
		Skip:     []string{"skipped"},
	}
	found, err := arch.Check("testdata/house", rules)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"cmd/bell/main.go: has 11 lines; a main.go has at most 10",
		"internal/attic: is in no layer; add it to the layer table in tests/arch/rules.go",
		"internal/cellar/cellar.go: has an init function; build the value where it is used",
		"internal/cellar/cellar.go: imports example.com/pipes/v2/valve, which is for internal/hall, tests alone",
		"internal/cellar/cellar.go: imports example.org/house/tests/toys, which is no part of the product",
		"internal/cellar/cellar.go: imports sideways, internal/ground from internal/cellar (both layer 1)",
		"internal/cellar/long.go: has 21 lines; a file has at most 20 and one subject",
		"internal/ground/ground.go: imports example.com/sand, but internal/ground is pure",
		"internal/ground/ground.go: imports upward, internal/roof (layer 3) from internal/ground (layer 1)",
		"internal/roof/roof.go: imports example.org/house/internal/hall, which internal/roof must not",
		"internal/roof/roof.go: imports example.org/house/internal/hall/halltest, which internal/roof must not",
		"internal/roof/roof.go: imports example.org/house/internal/hall/halltest, which is no part of the product",
		"internal/roof/roof.go: imports net/http, which internal/roof must not",
	}
	if !slices.Equal(found, want) {
		t.Errorf("violations found:\n%s\nwanted:\n%s", list(found), list(want))
	}
}

func TestAFileThatDoesNotParseIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "broken.go"), []byte("package broken\n\nfunc {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := arch.Check(dir, arch.Rules{}); err == nil {
		t.Error("no error for a broken file")
	}
}

func list(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}
