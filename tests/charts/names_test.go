package charts

import (
	"maps"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

func TestObjectsCarryTheLabels(t *testing.T) {
	eachRendering(t, func(t *testing.T, one rendering, objects manifest.Objects) {
		read, err := helm.ReadMetadata(one.Chart.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects.Ours() {
			labels := o.GetLabels()
			for _, key := range []string{"name", "instance", "component", "version", "managed-by", "part-of"} {
				if labels["app.kubernetes.io/"+key] == "" {
					t.Errorf("%s has no label app.kubernetes.io/%s", o.ID(), key)
				}
			}
			if got, want := labels["helm.sh/chart"], read.Name+"-"+read.Version; got != want {
				t.Errorf("%s has the label helm.sh/chart: %q, not %q", o.ID(), got, want)
			}
			if got, want := labels["app.kubernetes.io/instance"], one.release(); got != want {
				t.Errorf("%s has the label app.kubernetes.io/instance: %q, not %q", o.ID(), got, want)
			}
			if got := labels["app.kubernetes.io/managed-by"]; got != "Helm" {
				t.Errorf("%s has the label app.kubernetes.io/managed-by: %q", o.ID(), got)
			}
			for key, value := range labels {
				if len(value) > 63 {
					t.Errorf("%s has the label %s with %d characters", o.ID(), key, len(value))
				}
			}
		}
	})
}

func (r rendering) release() string {
	if r.Options.Release != "" {
		return r.Options.Release
	}
	return r.Chart.Name
}

// A name in a template would put the objects of somebody's second release elsewhere than the first's.
func TestObjectsGoWhereTheReleaseGoes(t *testing.T) {
	eachRendering(t, func(t *testing.T, one rendering, objects manifest.Objects) {
		for _, o := range objects.Ours() {
			if ns := o.GetNamespace(); ns != "" && ns != "ai" && !strings.Contains(one.Text, ns) {
				t.Errorf("%s goes to the namespace %s, which no value names", o.ID(), ns)
			}
		}
	})
}

// longest is the longest name that helm allows a release.
var longest = strings.Repeat("a-long-release-", 3) + "12345678"

// The limits are those of a label, of which many names become the value; CloudNativePG makes names of its own from
// that of a Cluster and allows it 50 characters.
func TestNamesFollowTheReleaseAndFit(t *testing.T) {
	eachRendering(t, func(t *testing.T, one rendering, objects manifest.Objects) {
		if one.Options.Release != "" {
			t.Skip("the case names its release")
		}
		taken := map[string]bool{}
		for _, o := range objects.Ours() {
			taken[o.ID()] = true
		}
		options := one.Options
		options.Release = longest
		overridden := strings.Contains(one.Text, "fullnameOverride:")
		for _, o := range one.Chart.Render(t, helm.Tools(t)[0], options).Ours() {
			limit := 63
			if o.GetKind() == "Cluster" {
				limit = 50
			}
			if n := len(o.GetName()); n > limit {
				t.Errorf("%s has a name of %d characters, more than %d", o.ID(), n, limit)
			}
			if taken[o.ID()] && !one.chosen(t, o.GetName()) && !overridden {
				t.Errorf("two releases in one namespace both have %s", o.ID())
			}
		}
	})
}

func TestAReleaseNamedLikeTheChartIsNotNamedTwice(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for _, o := range renderings(t, chart)[0].objects(t).Ours() {
			if strings.Count(o.GetName(), strings.TrimPrefix(chart.Name, "bp-")) > 1 {
				t.Error(o.ID())
			}
		}
	})
}

// chosen tells whether whoever wrote the values named something so.
func (r rendering) chosen(t testing.TB, name string) bool {
	t.Helper()
	return strings.Contains(r.Text, name) || strings.Contains(readFile(t, r.Chart.Dir, "ci/smoke-values.yaml"), name) ||
		strings.Contains(readFile(t, r.Chart.Dir, "values.yaml"), name)
}

// What a Deployment selects by may never change, so it holds nothing of a version.
func TestSelectorsOutliveAnUpgrade(t *testing.T) {
	eachRendering(t, func(t *testing.T, _ rendering, objects manifest.Objects) {
		for _, w := range workloads(t, objects) {
			if w.selector == nil {
				continue
			}
			for key := range maps.Keys(w.selector) {
				if strings.HasSuffix(key, "/version") || key == "helm.sh/chart" || key == "app.kubernetes.io/managed-by" {
					t.Errorf("%s selects by %s, which changes", w.ID(), key)
				}
			}
			if !matches(w.selector, w.labels) {
				t.Errorf("%s selects %v, and its pods have %v", w.ID(), w.selector, w.labels)
			}
		}
	})
}
