package helm

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// Options are how a chart is rendered.
type Options struct {
	Release     string   // the chart's name if empty
	Namespace   string   // "ai" if empty
	Values      []string // files, laid over ci/smoke-values.yaml
	Set         []string // as in --set
	APIs        []string // that the cluster has, such as "monitoring.coreos.com/v1"
	KubeVersion string   // kubeVersion if empty
	Bare        bool     // without ci/smoke-values.yaml
}

// ValuesFile writes values to a file, for Options.
func ValuesFile(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// kubeVersion is the oldest Kubernetes that the charts are for. A helm that was built from its module would say v1.20.
const kubeVersion = "v1.31.0"

// Args are the arguments of `helm template`, `helm install` or `helm upgrade`.
func (c Chart) Args(verb string, o Options) []string {
	if o.Release == "" {
		o.Release = c.Name
	}
	if o.Namespace == "" {
		o.Namespace = "ai"
	}
	args := []string{verb, o.Release, c.Dir, "--namespace", o.Namespace}
	if !o.Bare {
		args = append(args, "--values", filepath.Join(c.Dir, "ci", "smoke-values.yaml"))
	}
	for _, file := range o.Values {
		args = append(args, "--values", file)
	}
	for _, set := range o.Set {
		args = append(args, "--set", set)
	}
	if len(o.APIs) > 0 {
		args = append(args, "--api-versions", strings.Join(o.APIs, ","))
	}
	if verb == "template" { // otherwise the cluster tells
		if o.KubeVersion == "" {
			o.KubeVersion = kubeVersion
		}
		args = append(args, "--kube-version", o.KubeVersion)
	}
	return args
}

// Template renders the chart and returns what helm wrote to both ends.
func (c Chart) Template(tool Tool, o Options) (stdout, stderr []byte, err error) {
	cmd := tool.Command(c.Args("template", o)...)
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	err = cmd.Run()
	return out.Bytes(), faults.Bytes(), err
}

// Render renders the chart; a refusal is fatal.
func (c Chart) Render(t testing.TB, tool Tool, o Options) manifest.Objects {
	t.Helper()
	stdout, stderr, err := c.Template(tool, o)
	if err != nil {
		t.Fatalf("%s refuses %s: %v\n%s", tool.Name, c.Name, err, stderr)
	}
	objects, err := manifest.Parse(stdout)
	if err != nil {
		t.Fatalf("%s, %s: %v", tool.Name, c.Name, err)
	}
	return objects
}

// Refused returns what helm says against the chart; a render is fatal.
func (c Chart) Refused(t testing.TB, tool Tool, o Options) string {
	t.Helper()
	_, stderr, err := c.Template(tool, o)
	if err == nil {
		t.Fatalf("%s renders %s, which was to be refused", tool.Name, c.Name)
	}
	return string(stderr)
}
