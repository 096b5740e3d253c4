package helm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(scratch()); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// tiny is a chart of one ConfigMap that declares a dependency.
func tiny(t *testing.T) Chart {
	t.Helper()
	chart, err := prepare(t, filepath.Join("testdata", "bp-tiny"), filepath.Join(t.TempDir(), "bp-tiny"))
	if err != nil {
		t.Fatal(err)
	}
	return chart
}

func TestADependencyThatIsNotAtHandIsStubbedAndNamed(t *testing.T) {
	chart := tiny(t)
	if chart.Upstream || !slices.Contains(Skipped(), "bp-tiny (upstream 2.3.4)") {
		t.Errorf("upstream: %v, skipped: %v", chart.Upstream, Skipped())
	}
	for _, tool := range Tools(t) {
		objects := chart.Render(t, tool, Options{Set: []string{"upstream.enabled=true"}})
		if objects.IDs() != "ConfigMap/bp-tiny" {
			t.Errorf("%s makes %s", tool.Name, objects.IDs())
		}
	}
}

func TestADependencyThatIsAtHandIsReal(t *testing.T) {
	t.Setenv("CHART_SOURCES", "testdata")
	chart := tiny(t)
	if !chart.Upstream {
		t.Error("the dependency counts as stubbed")
	}
	for _, tool := range Tools(t) {
		objects := chart.Render(t, tool, Options{Set: []string{"upstream.enabled=true"}})
		if !objects.Has("Service", "upstream") || objects.Find(t, "Service", "upstream").Ours() || len(objects.Ours()) != 1 {
			t.Errorf("%s makes %s", tool.Name, objects.IDs())
		}
	}
}

func TestADependencyOfAnotherVersionIsAnError(t *testing.T) {
	if _, err := place(Dependency{Name: "upstream", Version: "2.3.5"}, t.TempDir()); err != nil {
		t.Errorf("without CHART_SOURCES nothing is looked for: %v", err)
	}
	t.Setenv("CHART_SOURCES", "testdata")
	if _, err := place(Dependency{Name: "upstream", Version: "2.3.5"}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "2.3.4") {
		t.Errorf("says %v", err)
	}
}

func TestTheOptionsReachHelm(t *testing.T) {
	chart := tiny(t)
	louds := Cases(t, ".", "renders", "bp-tiny")
	if len(louds) != 1 {
		t.Fatalf("%d cases", len(louds))
	}
	loud := louds[0]
	if loud.Name != "loud" || loud.Says != "" || !slices.Equal(loud.Has, []string{"ConfigMap/loud"}) || !slices.Equal(loud.HasNot, []string{"Secret", "Pod"}) {
		t.Errorf("the case is %+v", loud)
	}
	for _, tool := range Tools(t) {
		for name, test := range map[string]struct {
			options                    Options
			word, namespace, monitored string
		}{
			"bp-tiny": {Options{}, "smoke", "ai", "false"},
			"loud":    {loud.Options, "LOUD", "ai", "true"},
			"other":   {Options{Release: "other", Namespace: "there", Bare: true, Set: []string{"word=set"}}, "set", "there", "false"},
		} {
			got := manifest.Into[corev1.ConfigMap](t, chart.Render(t, tool, test.options).Find(t, "ConfigMap", name)).Data
			if got["word"] != test.word || got["namespace"] != test.namespace || got["monitored"] != test.monitored {
				t.Errorf("%s makes of %+v %v", tool.Name, test.options, got)
			}
		}
		if said := chart.Refused(t, tool, Options{Bare: true}); !strings.Contains(said, "word is empty: say something") {
			t.Errorf("%s says %s", tool.Name, said)
		}
	}
}

func TestACopyIsOnesOwn(t *testing.T) {
	chart := tiny(t)
	chart.Copy(t).Replace(t, "templates/configmap.yaml", "kind: ConfigMap", "kind: Secret")
	tool := Tools(t)[0]
	if objects := chart.Render(t, tool, Options{}); !objects.Has("ConfigMap", "bp-tiny") {
		t.Errorf("the chart itself now makes %s", objects.IDs())
	}
}

func TestHelmSeesNothingOfItsUser(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nowhere/config")
	t.Setenv("HELM_NAMESPACE", "elsewhere")
	for _, tool := range Tools(t) {
		env := tool.Command("version").Env
		for _, secret := range []string{"KUBECONFIG=/nowhere/config", "HELM_NAMESPACE=elsewhere"} {
			if slices.Contains(env, secret) {
				t.Errorf("%s sees %s", tool.Name, secret)
			}
		}
	}
}
