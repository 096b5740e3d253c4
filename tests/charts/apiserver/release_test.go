package apiserver_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openova-io/llm-gateway/tests/charts/apiserver"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// release is a chart that a helm installs in a namespace.
type release struct {
	tool            helm.Tool
	chart           helm.Chart
	name, namespace string
}

// install installs the chart with its smoke values and more.
func (r release) install(t *testing.T, values ...string) {
	t.Helper()
	r.must(t, r.chart.Args("install", r.options(values))...)
}

func (r release) upgrade(t *testing.T, values ...string) {
	t.Helper()
	r.must(t, r.chart.Args("upgrade", r.options(values))...)
}

func (r release) uninstall(t *testing.T) {
	t.Helper()
	r.must(t, "uninstall", r.name, "--namespace", r.namespace)
}

func (r release) options(values []string) helm.Options {
	return helm.Options{Release: r.name, Namespace: r.namespace, Values: values}
}

func (r release) must(t *testing.T, args ...string) {
	t.Helper()
	if out, err := r.run(t, args...); err != nil {
		t.Fatalf("%s %s: %v\n%s", r.tool.Name, strings.Join(args, " "), err, out)
	}
}

// run gives helm the API server. Nothing is there that would ever make a hook complete, so a chart that has one fails.
func (r release) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := r.tool.Command(append(args, "--timeout", "20s")...)
	cmd.Env = append(cmd.Env, "KUBECONFIG="+server.Kubeconfig, "HOME="+t.TempDir()) // where it remembers what servers serve
	out, err := cmd.CombinedOutput()
	return overlong.ReplaceAllString(string(out), "$1 … $2"), err
}

// overlong is a line with the whole of an object in it, as the server has in some refusals; its ends say what is wrong.
var overlong = regexp.MustCompile(`(?m)^(.{400}).*(.{100})$`)

// objects are what there is in the release's namespace, and what it made elsewhere.
func (r release) objects(t *testing.T) map[apiserver.ID]apiserver.Found {
	t.Helper()
	all, err := server.Client.Objects(t.Context(), r.namespace)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// namespaced returns a namespace of the test's own. The server warns of each pod in it that could not run under the
// strictest level of pod security.
func namespaced(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", ".", "-", " ", "-").Replace(t.Name()))
	if len(name) > 63 {
		name = strings.Trim(name[len(name)-63:], "-")
	}
	text := fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": %q, "labels": {"pod-security.kubernetes.io/warn": "restricted"}}}`, name)
	namespace := &unstructured.Unstructured{}
	if err := namespace.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Client.Apply(t.Context(), namespace, text, "", false); err != nil {
		t.Fatal(err)
	}
	return name
}

// sorted lists the names of objects for a message.
func sorted[V any](objects map[apiserver.ID]V) []string {
	var names []string
	for id := range objects {
		names = append(names, id.String())
	}
	slices.Sort(names)
	return names
}
