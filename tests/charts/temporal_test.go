package charts

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
	"github.com/openova-io/llm-gateway/workflows"
)

func TestTemporalHasTheNamespaceTheGatewayLooksFor(t *testing.T) {
	values, _ := valuesOf(t, helm.Prepare(t, "bp-temporal"))
	namespace := values["namespaces"].([]any)[0].(map[string]any)
	want := config.Default().Temporal
	if namespace["name"] != want.Namespace || want.Retention.String() != fmt.Sprint(namespace["retention"])+"0m0s" {
		t.Errorf("the chart makes %v with %v, the gateway %s with %s", namespace["name"], namespace["retention"], want.Namespace, want.Retention)
	}
	attributes := namespace["searchAttributes"].(map[string]any)
	if got, want := slices.Sorted(maps.Keys(attributes)), slices.Sorted(slices.Values(workflows.Keywords())); !slices.Equal(got, want) {
		t.Errorf("the chart makes the search attributes %v, the gateway uses %v", got, want)
	}
	for name, kind := range attributes {
		if kind != "Keyword" {
			t.Errorf("%s is a %v", name, kind)
		}
	}
}

// What the upstream chart is given follows the release and the switches of this one.
func TestTheUpstreamChartIsWired(t *testing.T) {
	of := func(name, release string) map[string]any {
		o := optionsOf(t, name)
		o.Release = release
		return upstreamSees(t, o)
	}
	plain, tls, set := of("closed-plain", "one"), of("tls", "two"), of("set-up", "three")
	signed := of("auth", "four")
	for _, c := range []struct {
		of   map[string]any
		path string
		want any
	}{
		{plain, "fullnameOverride", "one-bp-temporal"},
		{plain, "server.config.persistence.datastores.default.sql.connectAddr", "one-bp-temporal-pg-rw:5432"},
		{plain, "server.config.persistence.datastores.default.sql.databaseName", "temporal"},
		{plain, "server.config.persistence.datastores.visibility.sql.databaseName", "temporal_visibility"},
		{plain, "server.config.persistence.datastores.visibility.sql.existingSecret", "one-bp-temporal-pg-app"},
		{plain, "server.config.persistence.datastores.visibility.sql.tls.enableHostVerification", true},
		{plain, "server.config.authorization", nil},
		{plain, "server.config.tls", nil},
		{plain, "server.frontend.readinessProbe", nil},
		{plain, "server.additionalVolumes.0.secret.secretName", "one-bp-temporal-pg-ca"},
		{plain, "server.additionalVolumes.0.secret.items.0.key", "ca.crt"},
		{plain, "server.additionalVolumes.0.secret.items.1", nil},
		{plain, "admintools.additionalVolumes.0.secret.secretName", "one-bp-temporal-pg-ca"},
		{tls, "server.additionalVolumes.0.secret.secretName", "two-bp-temporal-pg-server-tls"},
		{tls, "server.additionalVolumes.1.secret.secretName", "two-bp-temporal-frontend-tls"},
		{tls, "server.frontend.readinessProbe", map[string]any{"tcpSocket": map[string]any{"port": "rpc"}}},
		{tls, "web.additionalVolumes.0.secret.items.0.key", "ca.crt"},
		{tls, "web.additionalVolumes.1.name", "scratch"},
		{tls, "web.additionalVolumeMounts.1.name", "scratch"},
		{set, "imagePullSecrets.0.name", "registry"},
		{set, "server.additionalVolumes.1.name", "id-ca"},
		{set, "server.additionalVolumeMounts.1.name", "id-ca"},
		{set, "admintools.additionalVolumes.1.name", "scratch"},
		{set, "admintools.additionalVolumeMounts.1.name", "scratch"},
		{set, "web.additionalEnv.0.value", "llm-gateway"},
		{set, "web.additionalEnv.1.name", "TEMPORAL_CORS_ORIGINS"},
		{signed, "server.config.authorization.authorizer", "default"},
		{signed, "server.config.authorization.claimMapper", "default"},
		{signed, "server.config.authorization.audience", "temporal"},
		{signed, "server.config.authorization.jwtKeyProvider.keySourceURIs.0", "https://id.example.org/realms/main/protocol/openid-connect/certs"},
	} {
		if got := within(c.of, strings.Split(c.path, ".")...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s is %v, not %v", c.path, got, c.want)
		}
	}
	env := map[string]string{}
	for _, one := range within(signed, "web", "additionalEnv").([]any) {
		one := one.(map[string]any)
		env[one["name"].(string)] = fmt.Sprint(one["value"])
	}
	for name, want := range map[string]string{
		"TEMPORAL_AUTH_ENABLED": "true", "TEMPORAL_AUTH_CLIENT_ID": "temporal-ui", "TEMPORAL_AUTH_CLIENT_SECRET": "<nil>",
		"TEMPORAL_AUTH_PROVIDER_URL": "https://id.example.org/realms/main", "TEMPORAL_AUTH_SCOPES": "openid,profile,email",
		"TEMPORAL_AUTH_CALLBACK_URL": "https://temporal.example.org/auth/sso/callback",
	} {
		if got, ok := env[name]; !ok || got != want {
			t.Errorf("the Web UI has %s=%q, not %q", name, got, want)
		}
	}
}

// optionsOf are those of a file of testdata/renders/bp-temporal.
func optionsOf(t testing.TB, name string) helm.Options {
	t.Helper()
	for _, one := range helm.Cases(t, ".", "renders", "bp-temporal") {
		if one.Name == name {
			return one.Options
		}
	}
	t.Fatalf("there is no testdata/renders/bp-temporal/%s.yaml", name)
	return helm.Options{}
}

// within is at, with numbers for the places in lists.
func within(value any, path ...string) any {
	for _, key := range path {
		switch now := value.(type) {
		case map[string]any:
			value = now[key]
		case []any:
			i := int(key[0] - '0')
			if i >= len(now) {
				return nil
			}
			value = now[i]
		default:
			return nil
		}
	}
	return value
}

// Were the wiring too late, the upstream chart would have no address for its store, which it refuses.
func TestAWiringThatComesTooLateIsNotSeen(t *testing.T) {
	chart := helm.Prepare(t, "bp-temporal").Copy(t)
	templates := filepath.Join(chart.Dir, "templates")
	if err := os.Rename(filepath.Join(templates, "first", "of", "all", "guards.yaml"), filepath.Join(templates, "guards.yaml")); err != nil {
		t.Fatal(err)
	}
	if chart.Upstream {
		for _, tool := range helm.Tools(t) {
			if got := chart.Refused(t, tool, helm.Options{}); !strings.Contains(got, "Please specify connectAddr") {
				t.Errorf("%s says %s", tool.Name, got)
			}
		}
		return
	}
	seen := upstreamValues(t, chart, helm.Options{})
	if got := within(seen, "server", "config", "persistence", "datastores", "default", "sql", "connectAddr"); got != nil {
		t.Errorf("the upstream chart sees the address %v after all", got)
	}
}

func TestTheAuthConfigMapShowsWhatTheServerReads(t *testing.T) {
	o := optionsOf(t, "auth")
	shown := helm.Prepare(t, "bp-temporal").Render(t, helm.Tools(t)[0], o).Find(t, "ConfigMap", "bp-temporal-auth")
	var file map[string]any
	if err := yaml.Unmarshal([]byte(within(shown.Object, "data", "auth.yaml").(string)), &file); err != nil {
		t.Fatal(err)
	}
	read := filled(t, serverConfig(t, upstreamSees(t, o)))
	if got, want := within(file, "global", "authorization"), within(read, "global", "authorization"); want == nil || !reflect.DeepEqual(got, want) {
		t.Errorf("shown is %v, read is %v", got, want)
	}
}

func TestTheSetupJobHasAnotherNameOnlyIfItIsAnother(t *testing.T) {
	chart := helm.Prepare(t, "bp-temporal")
	name := func(set ...string) string {
		return chart.Render(t, helm.Tools(t)[0], helm.Options{Set: set}).Ours().Kind("Job")[0].GetName()
	}
	plain := name()
	if other := name("database.instances=3"); other != plain {
		t.Errorf("a value that does not concern it changes the name from %s to %s", plain, other)
	}
	for _, set := range []string{"namespaces[0].name=other,namespaces[0].retention=10d", "setup.backoffLimit=3", "temporal.admintools.image.tag=1.31.1"} {
		if name(set) == plain {
			t.Errorf("%s leaves the name, and the API server would refuse the changed Job", set)
		}
	}
}

// With ci/smoke-values.yaml each of the five kinds has one pod, and one more during an upgrade: 10 pods, 30 connections
// each, and 20.
func TestTheConnectionsAreCounted(t *testing.T) {
	chart := helm.Prepare(t, "bp-temporal")
	chart.Render(t, helm.Tools(t)[0], helm.Options{Set: []string{"database.maxConnections=320"}})
	got := chart.Refused(t, helm.Tools(t)[0], helm.Options{Set: []string{"database.maxConnections=319"}})
	if !strings.Contains(got, "Temporal may need 320: 10 pods during an upgrade with 30 connections each") {
		t.Error(got)
	}
}

// With tokens on, nobody but the server's own pods and the Jobs may reach the ports that ask for none.
func TestWhatAsksForNoTokenIsClosed(t *testing.T) {
	for _, name := range []string{"auth", "closed"} {
		objects := helm.Prepare(t, "bp-temporal").Render(t, helm.Tools(t)[0], optionsOf(t, name))
		policy := manifest.Into[networkingv1.NetworkPolicy](t, objects.Find(t, "NetworkPolicy", "bp-temporal-server"))
		for i, rule := range policy.Spec.Ingress {
			if len(rule.Ports) == 0 {
				own := rule.From[0].PodSelector
				if len(rule.From) != 1 || own.MatchLabels["app.kubernetes.io/instance"] != "bp-temporal" || rule.From[0].NamespaceSelector != nil ||
					own.MatchExpressions[0].Operator != "NotIn" || !slices.Equal(own.MatchExpressions[0].Values, []string{"web"}) {
					t.Errorf("%s: rule %d opens every port to %v", name, i, rule.From)
				}
			}
			for _, port := range rule.Ports {
				if n := port.Port.IntValue(); !slices.Contains([]int{7233, 7243, 9090}, n) {
					t.Errorf("%s: rule %d opens the port %d", name, i, n)
				}
			}
		}
	}
}
