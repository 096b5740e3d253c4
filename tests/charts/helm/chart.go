package helm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// Chart is a temporary copy of a chart with its dependencies in place.
type Chart struct {
	Name string
	Dir  string
	// Upstream is true if every dependency is real.
	Upstream bool
}

// Names lists the charts of this repository.
func Names() []string { return []string{"bp-temporal", "bp-llm-gateway", "bp-anthropic-adapter"} }

// Metadata is what the tests read of a Chart.yaml.
type Metadata struct {
	Name, Version, AppVersion, Type string
	Dependencies                    []Dependency
}

// Dependency is a chart that another one declares.
type Dependency struct{ Name, Version, Repository, Alias, Condition string }

// ReadMetadata reads the Chart.yaml of a directory.
func ReadMetadata(dir string) (Metadata, error) {
	var read Metadata
	data, err := os.ReadFile(filepath.Join(dir, "Chart.yaml"))
	if err != nil {
		return read, err
	}
	return read, yaml.Unmarshal(data, &read)
}

// prepared holds what was made of each chart, stubbed what is not real in it, and skipped the tests that could not run,
// with the reason: go test is silent about these in a package that passes.
//
//nolint:gochecknoglobals // one copy of a chart serves all tests of a process, and Run tells of all of them
var prepared, stubbed, skipped sync.Map

// Prepare copies a chart of this repository and gives it its dependencies, once for a process. Do not change the copy:
// Copy makes another.
func Prepare(t testing.TB, name string) Chart {
	t.Helper()
	once, _ := prepared.LoadOrStore(name, sync.OnceValues(func() (Chart, error) {
		return prepare(t, filepath.Join(Root(), "charts", name), filepath.Join(scratch(), name))
	}))
	chart, err := once.(func() (Chart, error))()
	if err != nil {
		t.Fatal(err)
	}
	return chart
}

func prepare(t testing.TB, from, to string) (Chart, error) {
	chart := Chart{Name: filepath.Base(from), Dir: to, Upstream: true}
	if err := copyChart(from, to); err != nil {
		return chart, err
	}
	read, err := ReadMetadata(to)
	if err != nil {
		return chart, err
	}
	if os.Getenv("REQUIRE_UPSTREAM") == "1" {
		out, err := Tools(t)[0].Command("dependency", "build", to).CombinedOutput()
		if err != nil {
			return chart, fmt.Errorf("REQUIRE_UPSTREAM=1, and helm dependency build: %w\n%s", err, out)
		}
		return chart, nil
	}
	for _, dependency := range read.Dependencies {
		real, err := place(dependency, filepath.Join(to, "charts", dependency.Name))
		if err != nil {
			return chart, err
		}
		if !real {
			chart.Upstream = false
			stubbed.Store(chart.Name+" ("+dependency.Name+" "+dependency.Version+")", true)
		}
	}
	return chart, nil
}

// place puts a dependency into a chart: the real one if CHART_SOURCES has it, else a chart without templates.
func place(dependency Dependency, to string) (real bool, err error) {
	if sources := os.Getenv("CHART_SOURCES"); sources != "" {
		from := filepath.Join(sources, dependency.Name)
		if read, err := ReadMetadata(from); err == nil {
			if read.Version != dependency.Version {
				return false, fmt.Errorf("%s is of version %s, the chart asks for %s", from, read.Version, dependency.Version)
			}
			return true, os.CopyFS(to, os.DirFS(from))
		}
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return false, err
	}
	stub := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", dependency.Name, dependency.Version)
	return false, os.WriteFile(filepath.Join(to, "Chart.yaml"), []byte(stub), 0o644)
}

// copyChart copies a chart without the dependencies that somebody may have fetched into it.
func copyChart(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(to, "charts"))
}

// Copy returns a copy that the test may change.
func (c Chart) Copy(t testing.TB) Chart {
	t.Helper()
	dir := filepath.Join(t.TempDir(), c.Name)
	if err := os.CopyFS(dir, os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	c.Dir = dir
	return c
}

// Replace changes a text in a file of the chart, which has to be there once.
func (c Chart) Replace(t testing.TB, file, old, with string) {
	t.Helper()
	path := filepath.Join(c.Dir, file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), old); n != 1 {
		t.Fatalf("%s has %q %d times, not once", file, old, n)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, with, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}
