package apiserver_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// Whatever can be installed can be switched to from the smallest installation and from what was there before: nothing in
// a chart changes a field that the server does not let change.
func TestEveryOptionCanBeTurnedOnInAnUpgrade(t *testing.T) {
	for _, name := range helm.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := release{tool: helm.Tools(t)[0], chart: helm.Prepare(t, name), name: "one", namespace: namespaced(t)}
			r.install(t)
			for _, c := range helm.Cases(t, "..", "renders", name) {
				if out, err := r.run(t, r.chart.Args("upgrade", r.options(c.Options.Values))...); err != nil {
					t.Errorf("to %s: %v\n%s", c.Name, err, out)
				}
			}
			r.upgrade(t)
		})
	}
}

// A release outlives the helm that installed it.
func TestHelm4UpgradesWhatHelm3Installed(t *testing.T) {
	for _, name := range helm.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := release{tool: helm.Tools(t)[0], chart: helm.Prepare(t, name), name: "one", namespace: namespaced(t)}
			r.install(t)
			installed := r.objects(t)
			r.tool = helm.Tools(t)[1]
			r.upgradeUnchanged(t, installed)
			r.upgradeChanged(t, installed)
			r.uninstallKeeps(t)
		})
	}
}

func TestTwoReleasesInANamespaceAndOneInAnother(t *testing.T) {
	for _, name := range helm.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := release{tool: helm.Tools(t)[1], chart: helm.Prepare(t, name), name: "one", namespace: namespaced(t)}
			second := first
			second.name = "two"
			first.install(t)
			alone := first.objects(t)
			second.install(t)
			t.Run("elsewhere", func(t *testing.T) {
				third := first
				third.namespace = namespaced(t)
				third.install(t)
			})
			second.uninstall(t)
			now := first.objects(t)
			for id, before := range alone {
				if now[id] != before {
					t.Errorf("%s of the first release is not what it was", id)
				}
			}
		})
	}
}

// Names follow the release, unless somebody says otherwise twice.
func TestTwoReleasesMayNotHaveOneName(t *testing.T) {
	for _, name := range helm.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := release{tool: helm.Tools(t)[0], chart: helm.Prepare(t, name), name: "one", namespace: namespaced(t)}
			second := first
			second.name = "two"
			same := helm.ValuesFile(t, "fullnameOverride: shared\n")
			first.install(t, same)
			second.mustRefuse(t, "install", "The release one in this namespace", same)
			first.upgrade(t, same)
		})
	}
}

// The number of history shards is in the data, and only a cluster knows what it was.
func TestTemporalKeepsItsShards(t *testing.T) {
	for _, tool := range helm.Tools(t) {
		t.Run(tool.Name, func(t *testing.T) {
			t.Parallel()
			r := release{tool: tool, chart: helm.Prepare(t, "bp-temporal"), name: "one", namespace: namespaced(t)}
			other := helm.ValuesFile(t, "temporal: {server: {config: {persistence: {numHistoryShards: 1024}}}}\n")
			r.install(t)
			r.mustRefuse(t, "upgrade", "numHistoryShards is 1024", other)
			r.uninstall(t)
			r.mustRefuse(t, "install", "numHistoryShards is 1024", other)
			r.install(t)
		})
	}
}

func (r release) mustRefuse(t *testing.T, verb, says string, values ...string) {
	t.Helper()
	out, err := r.run(t, r.chart.Args(verb, r.options(values))...)
	if err == nil || !strings.Contains(out, says) {
		t.Errorf("%s %s: %v, not a refusal that says %q\n%s", r.tool.Name, verb, err, says, out)
	}
}

// The checks above can fail: this chart has the fault they are for.
func TestAFieldThatMayNotChangeIsSeen(t *testing.T) {
	for _, tool := range helm.Tools(t) {
		t.Run(tool.Name, func(t *testing.T) {
			t.Parallel()
			chart := helm.Chart{Name: "immutable", Dir: filepath.Join("testdata", "immutable")}
			r := release{tool: tool, chart: chart, name: "one", namespace: namespaced(t)}
			options := r.options(nil)
			options.Bare = true
			r.must(t, chart.Args("install", options)...)
			options.Set = []string{"color=green"}
			out, err := r.run(t, chart.Args("upgrade", options)...)
			if err == nil || !strings.Contains(out, "field is immutable") {
				t.Errorf("the upgrade: %v, not a refusal\n%s", err, out)
			}
		})
	}
}
