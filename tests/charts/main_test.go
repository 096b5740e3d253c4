package charts

import (
	"fmt"
	"sync"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

func TestMain(m *testing.M) { helm.Main(m) }

// rendering is one render that has to succeed: a chart with ci/smoke-values.yaml, and mostly a file of values over it.
type rendering struct {
	helm.Case
	Chart helm.Chart
}

// renderings lists those of one chart.
func renderings(t testing.TB, chart helm.Chart) []rendering {
	t.Helper()
	all := []rendering{{Case: helm.Case{Name: "smoke"}, Chart: chart}}
	for _, one := range helm.Cases(t, ".", "renders", chart.Name) {
		all = append(all, rendering{Case: one, Chart: chart})
	}
	return all
}

// eachChart runs a test over every chart.
func eachChart(t *testing.T, test func(*testing.T, helm.Chart)) {
	t.Helper()
	for _, name := range helm.Names() {
		t.Run(name, func(t *testing.T) { test(t, helm.Prepare(t, name)) })
	}
}

// eachRendering runs a test over what helm 3 makes of every render of every chart.
func eachRendering(t *testing.T, test func(*testing.T, rendering, manifest.Objects)) {
	t.Helper()
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for _, one := range renderings(t, chart) {
			t.Run(one.Name, func(t *testing.T) {
				t.Parallel()
				test(t, one, one.objects(t))
			})
		}
	})
}

// rendered holds what came out, by chart and case.
var rendered sync.Map

func (r rendering) objects(t testing.TB) manifest.Objects {
	t.Helper()
	made, _ := rendered.LoadOrStore(r.Chart.Name+"/"+r.Name, sync.OnceValues(func() (manifest.Objects, error) {
		stdout, stderr, err := r.Chart.Template(helm.Tools(t)[0], r.Options)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, stderr)
		}
		return manifest.Parse(stdout)
	}))
	objects, err := made.(func() (manifest.Objects, error))()
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	return objects
}
