package charts

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// workload is an object that makes pods.
type workload struct {
	manifest.Object
	spec     corev1.PodSpec
	labels   map[string]string // of its pods
	selector map[string]string
	endless  bool // its containers run until they are stopped
}

// workloads finds them.
func workloads(t testing.TB, objects manifest.Objects) []workload {
	t.Helper()
	var all []workload
	for _, o := range objects {
		switch o.GetKind() {
		case "Deployment":
			d := manifest.Into[appsv1.Deployment](t, o)
			all = append(all, workload{o, d.Spec.Template.Spec, d.Spec.Template.Labels, d.Spec.Selector.MatchLabels, true})
		case "StatefulSet":
			s := manifest.Into[appsv1.StatefulSet](t, o)
			all = append(all, workload{o, s.Spec.Template.Spec, s.Spec.Template.Labels, s.Spec.Selector.MatchLabels, true})
		case "DaemonSet":
			d := manifest.Into[appsv1.DaemonSet](t, o)
			all = append(all, workload{o, d.Spec.Template.Spec, d.Spec.Template.Labels, d.Spec.Selector.MatchLabels, true})
		case "Job":
			j := manifest.Into[batchv1.Job](t, o)
			all = append(all, workload{o, j.Spec.Template.Spec, j.Spec.Template.Labels, nil, false})
		case "CronJob":
			c := manifest.Into[batchv1.CronJob](t, o)
			template := c.Spec.JobTemplate.Spec.Template
			all = append(all, workload{o, template.Spec, template.Labels, nil, false})
		case "Pod":
			p := manifest.Into[corev1.Pod](t, o)
			all = append(all, workload{o, p.Spec, p.Labels, nil, false})
		}
	}
	return all
}

// containers lists all of them, those that run first included.
func (w workload) containers() []corev1.Container {
	return slices.Concat(w.spec.InitContainers, w.spec.Containers)
}

// matches tells whether an object with the labels is selected.
func matches(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// readFile reads a file of a chart.
func readFile(t testing.TB, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// setDefault changes a value in the values.yaml of a copy.
func setDefault(t testing.TB, chart helm.Chart, value any, path ...string) {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal([]byte(readFile(t, chart.Dir, "values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	data, err := yaml.Marshal(with(values, value, path...))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(chart.Dir, "values.yaml"), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// with returns the values with one more or another one at a path; the values handed in stay as they are.
func with(values map[string]any, value any, path ...string) map[string]any {
	changed := maps.Clone(values)
	if changed == nil {
		changed = map[string]any{}
	}
	if len(path) > 1 {
		below, _ := changed[path[0]].(map[string]any)
		value = with(below, value, path[1:]...)
	}
	changed[path[0]] = value
	return changed
}
