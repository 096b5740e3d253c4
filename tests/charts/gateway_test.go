package charts

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// gateway is the chart of this file.
const gateway = "bp-llm-gateway"

// eachGateway runs a test over every render of the gateway's chart.
func eachGateway(t *testing.T, test func(*testing.T, manifest.Objects)) {
	t.Helper()
	for _, one := range renderings(t, helm.Prepare(t, gateway)) {
		t.Run(one.Name, func(t *testing.T) {
			t.Parallel()
			test(t, one.objects(t))
		})
	}
}

// render renders the chart with values set over those of the smoke test.
func renderGateway(t *testing.T, set ...string) manifest.Objects {
	t.Helper()
	return helm.Prepare(t, gateway).Render(t, helm.Tools(t)[0], helm.Options{Set: set})
}

// process finds the pods of a component.
func process(t *testing.T, objects manifest.Objects, component string) workload {
	t.Helper()
	for _, w := range workloads(t, objects.Ours()) {
		if w.labels["app.kubernetes.io/component"] == component {
			return w
		}
	}
	t.Fatalf("there is no %s", component)
	return workload{}
}

// configOf is the configuration that a process runs on: the file that it is given, and its environment.
func configOf(t *testing.T, objects manifest.Objects, component string) *config.Config {
	t.Helper()
	w := process(t, objects, component)
	container := w.spec.Containers[0]
	environ := func() []string {
		var all []string
		for _, env := range container.Env {
			if env.ValueFrom != nil {
				env.Value = "secret"
			}
			all = append(all, env.Name+"="+env.Value)
		}
		return all
	}
	file := container.Args[slices.Index(container.Args, "--config")+1]
	cfg, err := config.Parse([]byte(mounted(t, objects, w, file)), environ)
	if err != nil {
		t.Fatalf("%s: %v", component, err)
	}
	return cfg
}

// mounted is what a file of a container's says, if it comes out of a ConfigMap.
func mounted(t *testing.T, objects manifest.Objects, w workload, file string) string {
	t.Helper()
	for _, mount := range w.spec.Containers[0].VolumeMounts {
		for _, volume := range w.spec.Volumes {
			if mount.MountPath == path.Dir(file) && mount.Name == volume.Name && volume.ConfigMap != nil {
				return manifest.Into[corev1.ConfigMap](t, objects.Find(t, "ConfigMap", volume.ConfigMap.Name)).Data[path.Base(file)]
			}
		}
	}
	t.Fatalf("%s has no %s", w.ID(), file)
	return ""
}

func TestTheProcessesRunOnWhatIsRendered(t *testing.T) {
	eachGateway(t, func(t *testing.T, objects manifest.Objects) {
		for component, check := range map[string]func(*config.Config) error{
			"frontend": (*config.Config).CheckFrontend, "worker": (*config.Config).CheckWorker, "migration": (*config.Config).CheckMigrate,
		} {
			if err := check(configOf(t, objects, component)); err != nil {
				t.Errorf("%s: %v", component, err)
			}
		}
	})
}

// A file that nothing mounts keeps a process from starting, or a backend from being called.
func TestEveryFileOfTheConfigurationIsMounted(t *testing.T) {
	eachGateway(t, func(t *testing.T, objects manifest.Objects) {
		for _, component := range []string{"frontend", "worker"} {
			w, cfg := process(t, objects, component), configOf(t, objects, component)
			files := []string{cfg.Batch.SubmissionKeyFile}
			for _, b := range cfg.Backends {
				files = append(files, b.Auth.TokenFile)
			}
			if component == "frontend" {
				for _, p := range cfg.OIDC.Providers() {
					files = append(files, p.Introspection.ClientSecretFile)
				}
			}
			_, authority, _ := strings.Cut(cfg.Database.URL, "sslrootcert=")
			files = append(files, authority)
			if component == "worker" {
				files = append(files, cfg.Audit.SealKeyFile, cfg.Temporal.TLS.CAFile, cfg.Temporal.TLS.CertFile, cfg.Temporal.TLS.KeyFile,
					cfg.Temporal.Auth.TokenFile, cfg.Temporal.Auth.ClientSecretFile)
			}
			for _, file := range files {
				if file != "" && !provides(w, file) {
					t.Errorf("%s needs %s, which is not mounted", w.ID(), file)
				}
			}
		}
	})
}

// provides tells whether a Secret is mounted where the file is, and has it as far as the pod tells.
func provides(w workload, file string) bool {
	for _, mount := range w.spec.Containers[0].VolumeMounts {
		if mount.MountPath != path.Dir(file) {
			continue
		}
		for _, volume := range w.spec.Volumes {
			if volume.Name != mount.Name || volume.Secret == nil {
				continue
			}
			return len(volume.Secret.Items) == 0 ||
				slices.ContainsFunc(volume.Secret.Items, func(item corev1.KeyToPath) bool { return item.Path == path.Base(file) })
		}
	}
	return false
}

func TestAFrontendIsGivenTheTimeToDrain(t *testing.T) {
	eachGateway(t, func(t *testing.T, objects manifest.Objects) {
		cfg := configOf(t, objects, "frontend")
		grace := process(t, objects, "frontend").spec.TerminationGracePeriodSeconds
		need := cfg.HTTP.DrainDelay + cfg.HTTP.DrainTimeout + cfg.Audit.SpoolWait + 10*time.Second // to commit what waits
		if grace == nil || time.Duration(*grace)*time.Second <= need {
			t.Errorf("it is given %v s to leave, and may need %v", grace, need)
		}
		if lasting := objects.Has("StatefulSet", ""); lasting != (cfg.Audit.SpoolWait == 0) {
			t.Errorf("its spool lasts: %v, and it waits %v for the database to take it", lasting, cfg.Audit.SpoolWait)
		}
	})
}

// What a running process takes by itself must not restart it: a stream of an hour would be cut for a price.
func TestOnlyWhatNeedsItRollsThePods(t *testing.T) {
	plain := templatesOf(t, renderGateway(t))
	var elsewhere string // the default tiers, led to the backend "own"
	for i, tier := range slices.Sorted(maps.Keys(config.Default().Tiers)) {
		if i > 0 {
			elsewhere += ","
		}
		elsewhere += "config.tiers." + tier + ".routes[0].match=*,config.tiers." + tier + ".routes[0].backend=own"
	}
	for name, c := range map[string]struct {
		set   string
		rolls bool
	}{
		"a route":        {`config.tiers.team.routes[0].match=*,config.tiers.team.routes[0].backend=internal`, false},
		"a price":        {`config.prices[0].match=*,config.prices[0].input=1`, false},
		"a model":        {`config.models[0].id=m,config.models[0].created_at=2026-01-01T00:00:00Z`, false},
		"a class":        {`config.classes[0].name=dear,config.classes[0].match[0]=opus`, false},
		"an override":    {`config.overrides[0].group=/research,config.overrides[0].requests_per_day=5`, false},
		"a backend":      {`config.backends[0].name=own,config.backends[0].dialects[0]=openai,config.backends[0].base_url=http://own,config.backends[0].auth.mode=none,` + elsewhere, false},
		"the drain":      {`config.http.drain_timeout=5m`, true},
		"the time zone":  {`config.quota.timezone=Europe/Berlin`, true},
		"Redis' address": {`redis.address=other:6379`, true},
		"the issuer":     {`keycloak.issuer=https://other.example.org`, true},
	} {
		t.Run(name, func(t *testing.T) {
			objects := renderGateway(t, c.set)
			if rolls := !reflect.DeepEqual(templatesOf(t, objects), plain); rolls != c.rolls {
				t.Errorf("pods are replaced: %v", rolls)
			}
			before := renderGateway(t).Find(t, "ConfigMap", gateway+"-config")
			if reflect.DeepEqual(objects.Find(t, "ConfigMap", gateway+"-config").Object, before.Object) {
				t.Error("and the configuration file is the same")
			}
		})
	}
}

func templatesOf(t *testing.T, objects manifest.Objects) map[string]corev1.PodTemplateSpec {
	t.Helper()
	all := map[string]corev1.PodTemplateSpec{}
	for _, o := range objects.Kind("Deployment") {
		all[o.GetName()] = manifest.Into[appsv1.Deployment](t, o).Spec.Template
	}
	return all
}

// A Job cannot be changed; a change of it has to be another Job, and an upgrade without one must not migrate again.
func TestAMigrationIsAJobOfItsOwnForEachBuild(t *testing.T) {
	job := func(set ...string) string { return renderGateway(t, set...).Kind("Job")[0].GetName() }
	plain := job()
	for set, same := range map[string]bool{
		"worker.replicas=5": true, "config.http.drain_timeout=1h": true, "config.quota.timezone=Europe/Berlin": true,
		"image.tag=ffffffffffffffffffffffffffffffffffffffff": false, "migration.backoffLimit=3": false, "database.name=other": false,
	} {
		if got := job(set); (got == plain) != same {
			t.Errorf("with %s the Job is %s, without it %s", set, got, plain)
		}
	}
}

func TestAnUninstallKeepsTheRecordAndItsKeys(t *testing.T) {
	eachGateway(t, func(t *testing.T, objects manifest.Objects) {
		for _, o := range objects.Ours() {
			record := o.GetKind() == "Cluster" || o.GetKind() == "Password" ||
				o.GetKind() == "ExternalSecret" && o.GetLabels()["app.kubernetes.io/component"] == "database"
			if kept := o.GetAnnotations()["helm.sh/resource-policy"] == "keep"; kept != record {
				t.Errorf("%s is kept: %v", o.ID(), kept)
			}
			for key := range maps.Keys(o.GetAnnotations()) {
				if strings.HasPrefix(key, "helm.sh/hook") {
					t.Errorf("%s is a hook, which would wait for what the release makes later", o.ID())
				}
			}
		}
	})
}

// CloudNativePG keeps the authority's key beside its certificate; whoever had it could pose as the database.
func TestPodsSeeTheDatabasesCertificateAndNotItsKey(t *testing.T) {
	seen := 0
	for _, w := range workloads(t, renderGateway(t)) {
		for _, volume := range w.spec.Volumes {
			if volume.Secret == nil || volume.Secret.SecretName != gateway+"-db-ca" {
				continue
			}
			seen++
			if len(volume.Secret.Items) != 1 || volume.Secret.Items[0].Key != "ca.crt" {
				t.Errorf("%s is given %v of the authority", w.ID(), volume.Secret.Items)
			}
		}
	}
	if seen != 3 {
		t.Errorf("%d of three processes can verify the database", seen)
	}
}

func TestNothingSecretIsWrittenDown(t *testing.T) {
	eachGateway(t, func(t *testing.T, objects manifest.Objects) {
		if len(objects.Ours().Kind("Secret")) > 0 {
			t.Error("the release holds a Secret, and its storage would, too")
		}
		if strings.Contains(objects.YAML(), "ANTHROPIC_API_KEY") {
			t.Error("ANTHROPIC_API_KEY is mentioned")
		}
		for _, w := range workloads(t, objects.Ours()) {
			for _, env := range w.spec.Containers[0].Env {
				if plain := env.ValueFrom == nil; plain && (strings.Contains(env.Name, "PASSWORD") || strings.Contains(env.Name, "SECRET")) {
					t.Errorf("%s has %s in plain text", w.ID(), env.Name)
				}
			}
		}
	})
}

// The chart says which backends the default tiers lead to, so that their absence is refused; the product decides it.
func TestTheChartKnowsTheDefaultTiers(t *testing.T) {
	guards := readFile(t, helm.Prepare(t, gateway).Dir, "templates/guards.yaml")
	for name, tier := range config.Default().Tiers {
		needed := map[string]bool{}
		for _, route := range tier.Routes {
			needed[route.Backend] = true
		}
		want := `"` + name + `" (list "` + strings.Join(slices.Sorted(maps.Keys(needed)), `" "`) + `")`
		if !strings.Contains(guards, want) {
			t.Errorf("guards.yaml does not have %s", want)
		}
	}
}

// The gateway finds LiteLLM by the rule by which that chart names its Service.
func TestLiteLLMIsWhereTheGatewayLooks(t *testing.T) {
	chart := helm.Prepare(t, gateway)
	if !chart.Upstream {
		helm.Skip(t, "litellm-helm is stubbed")
	}
	file := filepath.Join("testdata", "renders", gateway, "backends-of-the-chart.yaml")
	objects := chart.Render(t, helm.Tools(t)[0], helm.Options{Values: []string{file}})
	service := manifest.Into[corev1.Service](t, objects.Find(t, "Service", "proxy"))
	backends := configOf(t, objects, "frontend").Backends
	if got, want := backends[len(backends)-1].BaseURL, fmt.Sprintf("http://%s:%d", service.Name, service.Spec.Ports[0].Port); got != want {
		t.Errorf("the gateway looks at %s, LiteLLM is at %s", got, want)
	}
	for _, o := range objects {
		if !o.Ours() && slices.Contains([]string{"StatefulSet", "Job", "Secret"}, o.GetKind()) {
			t.Errorf("LiteLLM brings %s", o.ID())
		}
	}
}
