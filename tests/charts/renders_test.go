package charts

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

func TestLintIsClean(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for _, tool := range helm.Tools(t) {
			t.Run(tool.Name, func(t *testing.T) {
				t.Parallel()
				smoke := filepath.Join(chart.Dir, "ci", "smoke-values.yaml")
				out, err := tool.Command("lint", "--strict", chart.Dir, "--values", smoke).CombinedOutput()
				if err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	})
}

// Two renders are equal only if nothing in them is random, of the clock or of one helm.
func TestBothHelmsRenderTheSame(t *testing.T) {
	eachRendering(t, func(t *testing.T, one rendering, objects manifest.Objects) {
		for _, tool := range helm.Tools(t)[1:] {
			other := map[string]string{}
			for _, o := range one.Chart.Render(t, tool, one.Options) {
				other[o.ID()] = strings.TrimSpace(string(o.YAML))
			}
			if len(other) != len(objects) {
				t.Errorf("%s makes %d objects, not %d", tool.Name, len(other), len(objects))
			}
			for _, o := range objects {
				if here := strings.TrimSpace(string(o.YAML)); other[o.ID()] != here {
					t.Errorf("%s makes of %s\n%s\nnot\n%s", tool.Name, o.ID(), other[o.ID()], here)
				}
			}
		}
	})
}

func TestEveryObjectIsWhatItsKindAllows(t *testing.T) {
	eachRendering(t, func(t *testing.T, _ rendering, objects manifest.Objects) {
		for _, o := range objects {
			if err := manifest.Check(o); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestARenderHasWhatItsFileSays(t *testing.T) {
	eachRendering(t, func(t *testing.T, one rendering, objects manifest.Objects) {
		for _, id := range one.Has {
			kind, name, _ := strings.Cut(id, "/")
			if !objects.Has(kind, name) {
				t.Errorf("%s is not there; there are %s", id, objects.IDs())
			}
		}
		for _, kind := range one.HasNot {
			if left := objects.Kind(kind); len(left) > 0 {
				t.Errorf("there should be no %s; there are %s", kind, left.IDs())
			}
		}
	})
}

// A template that no render reaches is one that no test has seen.
func TestEveryTemplateIsRendered(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		reached := map[string]bool{}
		for _, one := range renderings(t, chart) {
			for _, o := range one.objects(t) {
				reached[o.Source] = true
			}
		}
		for _, file := range templates(t, chart) {
			made := strings.HasSuffix(file, ".yaml") && filepath.Base(file) != "guards.yaml"
			if made && !reached[chart.Name+"/"+file] {
				t.Errorf("no render reaches %s: add one to testdata/renders/%s", file, chart.Name)
			}
		}
	})
}

// templates lists the files below templates/ of a chart.
func templates(t testing.TB, chart helm.Chart) []string {
	t.Helper()
	var all []string
	root := os.DirFS(chart.Dir)
	err := fs.WalkDir(root, "templates", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatal("no templates", err)
	}
	return all
}

func TestWithoutASwitchNothingIsMonitored(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for _, o := range renderings(t, chart)[0].objects(t) {
			if strings.Contains(string(o.YAML), "monitoring.coreos.com") {
				t.Errorf("%s mentions monitoring.coreos.com in the plain render", o.ID())
			}
		}
	})
}

// The script is what the platform runs before it takes a chart; a chart that breaks the rule has to fail it.
func TestObservabilityToggle(t *testing.T) {
	script := func(chart helm.Chart, tool helm.Tool) ([]byte, error) {
		cmd := exec.Command(filepath.Join(chart.Dir, "tests", "observability-toggle.sh"), chart.Dir)
		cmd.Env = append(tool.Command().Env, "HELM="+tool.Path)
		return cmd.CombinedOutput()
	}
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for _, tool := range helm.Tools(t) {
			t.Run(tool.Name, func(t *testing.T) {
				t.Parallel()
				if out, err := script(chart, tool); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
		t.Run("on by default", func(t *testing.T) {
			t.Parallel()
			wrong := chart.Copy(t)
			setDefault(t, wrong, true, "serviceMonitor", "enabled")
			if out, err := script(wrong, helm.Tools(t)[0]); err == nil {
				t.Errorf("the script passes a chart whose ServiceMonitor is on by default\n%s", out)
			}
		})
	})
}

// A chart without its dependency renders as well, only that nothing of Temporal comes out.
func TestTemporalItselfIsRendered(t *testing.T) {
	chart := helm.Prepare(t, "bp-temporal")
	if !chart.Upstream {
		t.Skip("the upstream chart is stubbed")
	}
	for _, tool := range helm.Tools(t) {
		objects := chart.Render(t, tool, helm.Options{})
		if !objects.Has("Deployment", "bp-temporal-frontend") || objects.Find(t, "Deployment", "bp-temporal-frontend").Ours() {
			t.Errorf("%s renders no frontend of Temporal, only %s", tool.Name, objects.IDs())
		}
	}
}
