package charts

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	helmchart "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// A value that nothing reads is a promise that nothing keeps. So each value is changed, one after the other: some
// render has to come out differently, or be refused. This takes thousands of renders, so helm's engine runs in the
// test itself, without the schema, which would refuse most of the changes.
func TestEveryValueChangesSomething(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		t.Parallel()
		scenes := scenesOf(t, chart)
		slots := make(chan struct{}, runtime.GOMAXPROCS(0))
		var wait sync.WaitGroup
		walk(t, chart, func(path []string, value any, leaf bool) {
			if !leaf || len(path) == 1 && foreign(t, chart, path[0]) {
				return
			}
			wait.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				if !slices.ContainsFunc(scenes, func(s scene) bool { return s.notices(value, path) }) {
					t.Errorf("%s is read by no template in any render", strings.Join(path, "."))
				}
			})
		})
		wait.Wait()
		for i, scene := range scenes { // all differences were of the values
			if again, err := scene.render(scene.values); err != nil || !maps.Equal(again, scene.plain) {
				t.Errorf("render %d does not come out twice the same: %v", i, err)
			}
		}
	})
}

// scene is one render that can be repeated with other values.
type scene struct {
	chart  *helmchart.Chart
	values map[string]any
	apis   []string
	plain  map[string]string
}

func scenesOf(t testing.TB, chart helm.Chart) []scene {
	t.Helper()
	var all []scene
	for _, one := range renderings(t, chart) {
		loaded, err := loader.Load(chart.Dir)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]any{}
		for _, file := range append([]string{filepath.Join(chart.Dir, "ci", "smoke-values.yaml")}, one.Options.Values...) {
			var laid map[string]any
			if err := yaml.Unmarshal([]byte(readFile(t, filepath.Dir(file), filepath.Base(file))), &laid); err != nil {
				t.Fatal(err)
			}
			values = chartutil.CoalesceTables(laid, values)
		}
		if err := chartutil.ProcessDependencies(loaded, values); err != nil {
			t.Fatal(err)
		}
		for _, dependency := range loaded.Dependencies() {
			dependency.Templates, dependency.Schema = nil, nil // only our own templates count
		}
		one := scene{chart: loaded, values: values, apis: one.Options.APIs}
		if one.plain, err = one.render(values); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// notices tells whether another value at the path makes a difference.
func (s scene) notices(value any, path []string) bool {
	if set := at(s.values, path...); set != nil {
		value = set
	}
	for _, other := range others(value) {
		changed, err := s.render(with(s.values, other, path...))
		if err != nil || !maps.Equal(changed, s.plain) {
			return true
		}
	}
	return false
}

// others are values of the same type, but for null, which may stand for any.
func others(value any) []any {
	switch v := value.(type) {
	case bool:
		return []any{!v}
	case float64:
		return []any{v + 1}
	case int64:
		return []any{v + 1}
	case string:
		return []any{v + "x"}
	case map[string]any:
		return []any{with(v, "x", "other")}
	case []any:
		return []any{append(v[:len(v):len(v)], "x"), append(v[:len(v):len(v)], map[string]any{"name": "x"})}
	default:
		return []any{"x", 7, true, map[string]any{"name": "x"}}
	}
}

// render returns the files that come out, without the notes.
func (s scene) render(values map[string]any) (files map[string]string, err error) {
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.APIVersions = append(capabilities.APIVersions, s.apis...)
	release := chartutil.ReleaseOptions{Name: s.chart.Name(), Namespace: "ai", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValuesWithSchemaValidation(s.chart, values, release, capabilities, true)
	if err != nil {
		return nil, err
	}
	if files, err = (engine.Engine{}).Render(s.chart, all); err != nil {
		return nil, err
	}
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasSuffix(name, "NOTES.txt") })
	for _, dependency := range s.chart.Dependencies() { // what our templates put into its values is read as well
		handed, _ := all.Table("Values." + dependency.Name())
		files[dependency.Name()] = fmt.Sprint(handed)
	}
	if len(files) == 0 {
		return nil, errors.New("nothing comes out")
	}
	return files, nil
}
