package charts

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// measures lists the metrics that the processes of a chart have, each with its labels.
func measures(t testing.TB, chart string) map[string][]string {
	t.Helper()
	read := ofTheProduct
	if chart == "bp-temporal" {
		read = ofTemporal
	}
	all, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no metric was found in the source of " + chart)
	}
	return all
}

var (
	ourMetric = regexp.MustCompile(`^(gateway|adapter)_[a-z_]+$`)
	label     = regexp.MustCompile(`^[a-z_]+$`)
)

// ofTheProduct reads the source. What a process shows would not do: a metric with labels is there from the first
// request on that it counts.
var ofTheProduct = sync.OnceValues(func() (map[string][]string, error) {
	all := map[string][]string{}
	err := filepath.WalkDir(filepath.Join(helm.Root(), "internal"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		registrations(file, func(name string, labels []string) {
			if strings.Contains(string(text), "NewBackends(") { // which gives its gauges the label
				labels = append(labels, "backend")
			}
			add(all, name, labels)
		})
		return nil
	})
	return all, err
})

// registrations finds the calls that register a metric, by its name among their arguments. What else among them looks
// like a label is one.
func registrations(file *ast.File, found func(name string, labels []string)) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		var name string
		var labels []string
		for _, arg := range call.Args {
			ast.Inspect(arg, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				switch text, _ := strconv.Unquote(literal.Value); {
				case ourMetric.MatchString(text):
					name = text
				case label.MatchString(text):
					labels = append(labels, text)
				}
				return true
			})
		}
		if name != "" {
			found(name, labels)
		}
		return name == ""
	})
}

// add notes a metric, and the series that it has if it is a histogram.
func add(all map[string][]string, name string, labels []string) {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		all[name+suffix] = labels
	}
}

var (
	itsMetric = regexp.MustCompile(`New(?:Counter|Gauge|Timer)Def\(\s*"([a-z_]+)"`)
	itsTag    = regexp.MustCompile(`(?m)^\s*\w+\s+= "([a-z_]+)"`)
)

// ofTemporal reads the definitions of the Temporal server that the development stack runs. Any metric may have any of
// its tags.
var ofTemporal = sync.OnceValues(func() (map[string][]string, error) {
	download := exec.Command("go", "mod", "download", "-json", "go.temporal.io/server")
	download.Dir = filepath.Join(helm.Root(), "dev")
	out, err := download.Output()
	if err != nil {
		return nil, err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	var source strings.Builder
	for _, file := range []string{"metric_defs.go", "tags.go"} {
		text, err := os.ReadFile(filepath.Join(module.Dir, "common", "metrics", file))
		if err != nil {
			return nil, err
		}
		source.Write(text)
	}
	var tags []string
	for _, m := range itsTag.FindAllStringSubmatch(source.String(), -1) {
		tags = append(tags, m[1])
	}
	all := map[string][]string{}
	for _, m := range itsMetric.FindAllStringSubmatch(source.String(), -1) {
		add(all, m[1], tags)
	}
	return all, nil
})
