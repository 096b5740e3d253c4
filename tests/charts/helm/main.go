package helm

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Main is a TestMain: it runs the tests, says what was not rendered, and removes the copies of the charts.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to clean up: it returns the exit code.
func Run(m *testing.M) int {
	code := m.Run()
	if left := Skipped(); len(left) > 0 {
		fmt.Printf("charts: upstream render SKIPPED for %s: only our own templates were rendered "+
			"(CHART_SOURCES=DIR or REQUIRE_UPSTREAM=1 renders the rest)\n", strings.Join(left, ", "))
	}
	if err := os.RemoveAll(scratch()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// Skipped lists the dependencies that were stubbed so far, such as "bp-temporal (temporal 1.2.0)".
func Skipped() []string {
	var left []string
	stubbed.Range(func(key, _ any) bool { left = append(left, key.(string)); return true })
	slices.Sort(left)
	return left
}
