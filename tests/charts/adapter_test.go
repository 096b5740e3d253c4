package charts

import (
	"flag"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openova-io/llm-gateway/internal/adapter"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

const adapterChart = "bp-anthropic-adapter"

// eachAdapter runs a test over the Deployment of every render of the adapter's chart.
func eachAdapter(t *testing.T, test func(*testing.T, manifest.Objects, *appsv1.Deployment)) {
	t.Helper()
	for _, one := range renderings(t, helm.Prepare(t, adapterChart)) {
		t.Run(one.Name, func(t *testing.T) {
			objects := one.objects(t)
			test(t, objects, adapterDeployment(t, objects))
		})
	}
}

func adapterDeployment(t testing.TB, objects manifest.Objects) *appsv1.Deployment {
	t.Helper()
	return manifest.Into[appsv1.Deployment](t, objects.Kind("Deployment")[0])
}

// adapterEnvironment is what the container of a Deployment is given. Secrets have tokens in them, and the model map is a file
// of the test's.
func adapterEnvironment(t testing.TB, objects manifest.Objects, d *appsv1.Deployment) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, e := range d.Spec.Template.Spec.Containers[0].Env {
		if env[e.Name] = e.Value; e.ValueFrom != nil {
			env[e.Name] = "token"
		}
	}
	if env["MODEL_MAP_FILE"] != "" {
		env["MODEL_MAP_FILE"] = filepath.Join(t.TempDir(), "models.yaml")
		text := manifest.Into[corev1.ConfigMap](t, objects.Find(t, "ConfigMap", d.Name+"-models")).Data["models.yaml"]
		if err := os.WriteFile(env["MODEL_MAP_FILE"], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

// adapterSettings is what the adapter makes of an environment, by the names of its variables.
func adapterSettings(t testing.TB, env map[string]string) (*adapter.Config, map[string]*flag.Flag) {
	t.Helper()
	cfg, flags, err := adapter.Settings(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*flag.Flag{}
	flags.VisitAll(func(f *flag.Flag) { all[strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))] = f })
	return cfg, all
}

func TestTheAdapterStartsOnWhatItsChartRenders(t *testing.T) {
	eachAdapter(t, func(t *testing.T, objects manifest.Objects, d *appsv1.Deployment) {
		cfg, _ := adapterSettings(t, adapterEnvironment(t, objects, d))
		if _, err := adapter.New(cfg, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
}

// What nobody sets is as in docs/anthropic-adapter.md. Only the drain is longer: a cluster needs a while to hear that a
// pod is leaving.
func TestTheAdapterChartHasTheAdaptersDefaults(t *testing.T) {
	objects := renderings(t, helm.Prepare(t, adapterChart))[0].objects(t)
	_, all := adapterSettings(t, adapterEnvironment(t, objects, adapterDeployment(t, objects)))
	for name, f := range all {
		if f.Value.String() != f.DefValue && name != "DRAIN_DELAY" {
			t.Errorf("%s is %s, the adapter's default is %s", name, f.Value, f.DefValue)
		}
	}
}

func TestEveryVariableOfTheAdapterHasAValue(t *testing.T) {
	_, missing := adapterSettings(t, nil)
	missing["ANTHROPIC_OAUTH_TOKEN"] = nil
	for _, one := range renderings(t, helm.Prepare(t, adapterChart)) {
		for _, e := range adapterDeployment(t, one.objects(t)).Spec.Template.Spec.Containers[0].Env {
			delete(missing, e.Name)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no render sets %v", slices.Sorted(maps.Keys(missing)))
	}
}

// Running pods read a changed model map and a rotated token from their directories. A file mounted by its subPath would
// stay as it was.
func TestAChangedModelMapReachesRunningPods(t *testing.T) {
	chart, tool := helm.Prepare(t, adapterChart), helm.Tools(t)[0]
	render := func(model string) (*appsv1.Deployment, string) {
		objects := chart.Render(t, tool, helm.Options{Set: []string{"configMap.modelMap.gpt-4=" + model}})
		d := adapterDeployment(t, objects)
		return d, manifest.Into[corev1.ConfigMap](t, objects.Find(t, "ConfigMap", d.Name+"-models")).Data["models.yaml"]
	}
	before, opus := render("claude-opus-5-5")
	after, haiku := render("claude-haiku-5-5")
	if opus == haiku {
		t.Error("the ConfigMap does not change")
	}
	if !reflect.DeepEqual(before.Spec.Template, after.Spec.Template) {
		t.Error("the pods are replaced")
	}
	eachAdapter(t, func(t *testing.T, _ manifest.Objects, d *appsv1.Deployment) {
		for _, mount := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
			if mount.SubPath != "" {
				t.Errorf("%s is mounted by a subPath", mount.MountPath)
			}
		}
	})
}

func TestAPodOfTheAdapterLivesAsLongAsItsRequests(t *testing.T) {
	eachAdapter(t, func(t *testing.T, objects manifest.Objects, d *appsv1.Deployment) {
		cfg, _ := adapterSettings(t, adapterEnvironment(t, objects, d))
		grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		if needed := cfg.DrainDelay + cfg.DrainTimeout; grace <= needed {
			t.Errorf("it is killed after %s, and drains for %s", grace, needed)
		}
	})
}
