package charts

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// upstreamSees returns the values that the upstream chart of Temporal is rendered with: a stub in its place tells them,
// at the moment at which the real one would use them. It shows too that the wiring of the umbrella comes first.
func upstreamSees(t testing.TB, o helm.Options) map[string]any {
	t.Helper()
	return upstreamValues(t, helm.Prepare(t, "bp-temporal").Copy(t), o)
}

func upstreamValues(t testing.TB, chart helm.Chart, o helm.Options) map[string]any {
	t.Helper()
	stub := filepath.Join(chart.Dir, "charts", "temporal")
	if err := os.RemoveAll(filepath.Dir(stub)); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"Chart.yaml":          "apiVersion: v2\nname: temporal\nversion: 1.2.0\n",
		"templates/seen.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seen}\ndata: {values: {{ toJson .Values | quote }}}\n",
	} {
		path := filepath.Join(stub, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen := chart.Render(t, helm.Tools(t)[0], o).Find(t, "ConfigMap", "seen")
	var values map[string]any
	if err := yaml.Unmarshal([]byte(at(seen.Object, "data", "values").(string)), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// upstreamPorts are the upstream chart's own.
var upstreamPorts = map[string]map[string]int{
	"frontend":          {"port": 7233, "httpPort": 7243, "membershipPort": 6933},
	"internal-frontend": {"port": 7236, "httpPort": 7246, "membershipPort": 6936},
	"history":           {"port": 7234, "membershipPort": 6934},
	"matching":          {"port": 7235, "membershipPort": 6935},
	"worker":            {"membershipPort": 6939},
}

// serverConfig is the configuration file of the server that the upstream chart makes of its values, as far as
// bp-temporal uses it. TestTheServersConfigurationIsThatOfTheUpstreamChart holds it against the real one.
func serverConfig(t testing.TB, values map[string]any) string {
	t.Helper()
	server := values["server"].(map[string]any)
	port := func(service, name string) int {
		if set, ok := at(server, service, "service", name).(float64); ok {
			return int(set)
		}
		return upstreamPorts[service][name]
	}
	services := map[string]any{}
	for name, ports := range upstreamPorts {
		rpc := map[string]any{"bindOnIP": "0.0.0.0"}
		for key := range ports {
			rpc[strings.Replace(key, "port", "grpcPort", 1)] = port(name, key)
		}
		services[name] = map[string]any{"rpc": rpc}
	}
	metrics := map[string]any{
		"tags":       map[string]any{"type": "ENV(TEMPORAL_SERVICES)"},
		"prometheus": map[string]any{"timerType": "histogram", "listenAddress": "0.0.0.0:9090"},
	}
	if set, ok := at(server, "config", "metrics", "prometheus").(map[string]any); ok {
		maps.Copy(metrics["prometheus"].(map[string]any), set)
	}
	global := map[string]any{
		"membership": map[string]any{"name": "temporal", "maxJoinDuration": "30s", "broadcastAddress": "ENV(POD_IP)"},
		"pprof":      map[string]any{"port": 7936},
		"metrics":    metrics,
	}
	for _, key := range []string{"tls", "authorization"} {
		if set := at(server, "config", key); set != nil {
			global[key] = set
		}
	}
	text, err := yaml.Marshal(map[string]any{
		"log":         map[string]any{"stdout": true, "level": at(server, "config", "logLevel")},
		"persistence": stores(at(server, "config", "persistence").(map[string]any)),
		"global":      global,
		"services":    services,
		"clusterMetadata": map[string]any{
			"enableGlobalNamespace": false, "failoverVersionIncrement": 10, "masterClusterName": "active", "currentClusterName": "active",
			"clusterInformation": map[string]any{"active": map[string]any{
				"enabled": true, "initialFailoverVersion": 1, "rpcName": "temporal-frontend",
				"rpcAddress":  "127.0.0.1:" + strconv.Itoa(port("frontend", "port")),
				"httpAddress": "127.0.0.1:" + strconv.Itoa(port("frontend", "httpPort")),
			}},
		},
		"dcRedirectionPolicy": map[string]any{"policy": "noop", "toDC": ""},
		"archival":            map[string]any{"status": "disabled"},
		"dynamicConfigClient": map[string]any{"filepath": "/etc/temporal/dynamic_config/dynamic_config.yaml", "pollInterval": "10s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return "# enable-template\n" + placeholder.ReplaceAllString(string(text), `{{ env "$1" | quote }}`)
}

var placeholder = regexp.MustCompile(`ENV\((\w+)\)`)

// stores is how the server reaches its databases: passwords come from the environment, and what only Jobs need is left out.
func stores(persistence map[string]any) map[string]any {
	all := map[string]any{}
	for name, store := range persistence["datastores"].(map[string]any) {
		sql := maps.Clone(store.(map[string]any)["sql"].(map[string]any))
		for _, key := range []string{"existingSecret", "secretKey", "createDatabase", "manageSchema"} {
			delete(sql, key)
		}
		sql["password"] = "ENV(TEMPORAL_" + strings.ToUpper(name) + "_STORE_PASSWORD)"
		all[name] = map[string]any{"sql": sql}
	}
	persistence = maps.Clone(persistence)
	persistence["datastores"] = all
	return persistence
}

func TestTheServersConfigurationIsThatOfTheUpstreamChart(t *testing.T) {
	chart := helm.Prepare(t, "bp-temporal")
	if !chart.Upstream {
		helm.Skip(t, "the upstream chart is not at hand")
	}
	for _, one := range append(helm.Cases(t, ".", "renders", chart.Name), helm.Case{Name: "smoke"}) {
		t.Run(one.Name, func(t *testing.T) {
			for _, o := range chart.Render(t, helm.Tools(t)[0], one.Options).Kind("ConfigMap") {
				text, ok := at(o.Object, "data", "config_template.yaml").(string)
				if !ok {
					continue
				}
				got, want := filled(t, serverConfig(t, upstreamSees(t, one.Options))), filled(t, text)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("ours is\n%v\nthe upstream chart's is\n%v", got, want)
				}
				return
			}
			t.Fatal("the upstream chart made no configuration")
		})
	}
}

// filled is a configuration file as the server reads it, with the names of variables for their values.
func filled(t testing.TB, text string) map[string]any {
	t.Helper()
	parsed, err := template.New("").Funcs(template.FuncMap{"env": strings.ToLower, "quote": strconv.Quote}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, nil); err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(out.Bytes(), &config); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return config
}
