package manifest_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

const deployment = `---
# Source: bp-x/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: x
spec:
  replicas: 2
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec:
      containers:
        - name: x
          image: x
          readinessProbe: {periodSeconds: 5, httpGet: {path: /ready, port: 8080}}
`

const externalSecret = `---
# Source: bp-x/templates/externalsecret.yaml
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: x}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: vault, kind: ClusterSecretStore}
  target: {name: x}
  data:
    - secretKey: token
      remoteRef: {key: a/b, property: token}
`

const route = `---
# Source: bp-x/templates/route.yaml
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: x}
spec:
  parentRefs: [{name: public}]
  rules:
    - timeouts: {request: 0s, backendRequest: 0s}
      backendRefs: [{name: x, port: 8000}]
`

const database = `---
# Source: bp-x/templates/database.yaml
apiVersion: postgresql.cnpg.io/v1
kind: Database
metadata: {name: x}
spec: {name: x, owner: x, cluster: {name: x}, databaseReclaimPolicy: retain}
`

const monitors = `---
# Source: bp-x/templates/servicemonitor.yaml
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: x}
spec:
  selector: {matchLabels: {app: x}}
  endpoints: [{port: metrics, interval: 30s}]
---
# Source: bp-x/templates/certificate.yaml
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: x}
spec: {secretName: x, dnsNames: [x], issuerRef: {name: ca, kind: Issuer}}
`

func parse(t *testing.T, stream string) manifest.Objects {
	t.Helper()
	objects, err := manifest.Parse([]byte(stream))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestWhatIsRightPasses(t *testing.T) {
	for _, o := range parse(t, deployment+externalSecret+route+database+monitors) {
		if err := manifest.Check(o); err != nil {
			t.Error(err)
		}
	}
}

func TestEachMistakeIsNamed(t *testing.T) {
	for _, test := range []struct{ name, from, old, with, says string }{
		{"a field that is not there", deployment, "replicas", "replica", `unknown field "spec.replica"`},
		{"a field in the wrong case", deployment, "readinessProbe", "readinessprobe", `unknown field "spec.template.spec.containers[0].readinessprobe"`},
		{"a field deep inside", deployment, "periodSeconds", "periodSecond", "readinessProbe.periodSecond"},
		{"a text for a number", deployment, "replicas: 2", "replicas: many", "cannot unmarshal string"},
		{"a label that is no text", deployment, "labels: {app: x}", "labels: {app: 1}", "cannot unmarshal number"},
		{"an unknown field of a custom kind", externalSecret, "refreshInterval", "refreshEvery", `unknown field "spec.refreshEvery"`},
		{"an unknown field in a list", externalSecret, "property", "field", `unknown field "spec.data[0].remoteRef.field"`},
		{"an unknown metadata field of a custom kind", externalSecret, "metadata: {name: x}", "metadata: {name: x, label: {}}", `unknown field "label"`},
		{"a version that is not served", externalSecret, "external-secrets.io/v1", "external-secrets.io/v1beta1", "does not serve"},
		{"a value outside of the enumeration", database, "retain", "keep", "supported values"},
		{"a required field left out", database, "owner: x, ", "", "owner"},
		{"a duration that is none", route, "request: 0s", "request: never", "request"},
		{"a rule in CEL", database, "name: x, owner", "name: postgres, owner", "reserved"},
		{"a group nobody knows", database, "postgresql.cnpg.io", "example.org", "crdmodules.go"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(test.from, test.old) {
				t.Fatalf("%q is not there to be replaced", test.old)
			}
			objects := parse(t, strings.Replace(test.from, test.old, test.with, 1))
			if err := manifest.Check(objects[0]); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("says %v, not %q", err, test.says)
			}
		})
	}
}

func TestADocumentThatIsNoObjectIsAnError(t *testing.T) {
	for _, stream := range []string{"---\nkind: Pod\n", "---\na: 1\na: 2\n", "---\n- a\n"} {
		if objects, err := manifest.Parse([]byte(stream)); err == nil {
			t.Errorf("%q is %s", stream, objects.IDs())
		}
	}
}

func TestObjectsAreFoundByKindAndName(t *testing.T) {
	objects := parse(t, "# a note\n---\n# Source: bp-x/charts/y/templates/pod.yaml\n\n---\n# nothing here\n"+deployment)
	if len(objects) != 1 || !objects[0].Ours() || !objects.Has("Deployment", "x") || objects.Has("Pod", "") {
		t.Fatalf("found %s", objects.IDs())
	}
	if got := manifest.Into[appsv1.Deployment](t, objects.Find(t, "Deployment", "x")); *got.Spec.Replicas != 2 {
		t.Errorf("replicas are %d", *got.Spec.Replicas)
	}
}

func TestEveryModuleHoldsItsDefinitions(t *testing.T) {
	files, err := manifest.DefinitionFiles()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d definitions", len(files))
}
