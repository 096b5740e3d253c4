package helm

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Skip skips a test that cannot run here, and has Run say so.
func Skip(t testing.TB, why string) {
	t.Helper()
	skipped.Store(t.Name(), why)
	t.Skip(why)
}

// Main is a TestMain: it runs the tests, says what was not rendered, and removes the copies of the charts.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to clean up: it returns the exit code.
func Run(m *testing.M) int {
	code := m.Run()
	if names := Skipped(); len(names) > 0 {
		fmt.Printf("charts: upstream render SKIPPED for %s: only our own templates were rendered "+
			"(CHART_SOURCES=DIR or REQUIRE_UPSTREAM=1 renders the rest)\n", strings.Join(names, ", "))
	}
	skipped.Range(func(name, why any) bool {
		fmt.Printf("charts: %s SKIPPED: %s\n", name, why)
		return true
	})
	if err := os.RemoveAll(scratch()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// Skipped lists the dependencies that were stubbed so far, such as "bp-temporal (temporal 1.2.0)".
func Skipped() []string {
	var names []string
	stubbed.Range(func(key, _ any) bool { names = append(names, key.(string)); return true })
	slices.Sort(names)
	return names
}
