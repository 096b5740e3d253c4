package apiserver_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

func TestTheServerAcceptsEveryRender(t *testing.T) {
	var accepted sync.Map // kinds
	t.Cleanup(func() {
		for _, kind := range []string{
			"Certificate", "Cluster", "Database", "Deployment", "ExternalSecret", "HTTPRoute", "HorizontalPodAutoscaler", "Job",
			"NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "PrometheusRule", "ScheduledBackup", "ServiceMonitor", "StatefulSet",
		} {
			if _, seen := accepted.Load(kind); !seen {
				t.Errorf("no render has a %s", kind)
			}
		}
	})
	for _, name := range helm.Names() {
		cases := append([]helm.Case{{Name: "smoke"}}, helm.Cases(t, "..", "renders", name)...)
		for _, c := range cases {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				c.Options.Namespace = namespaced(t)
				for _, o := range helm.Prepare(t, name).Render(t, helm.Tools(t)[0], c.Options) {
					accept(t, o, c.Options.Namespace)
					accepted.Store(o.GetKind(), true)
				}
			})
		}
	}
}

// accept has the server take an object; what it warns of is a fault if the object is one of ours.
func accept(t *testing.T, o manifest.Object, namespace string) {
	t.Helper()
	said, err := server.Client.Apply(t.Context(), o.Unstructured, o.YAML, namespace, true)
	if err != nil {
		t.Errorf("%s of %s: %v", o.ID(), o.Source, err)
	}
	if len(said) > 0 && o.Ours() {
		t.Errorf("%s of %s is taken with a warning: %s", o.ID(), o.Source, strings.Join(said, "; "))
	}
}

// A check that cannot fail is none. Nothing is wrong with the types and schemas of these objects, so the tests that only
// render do not see the mistakes.
func TestTheServerSeesWhatTheSchemasDoNot(t *testing.T) {
	namespace := namespaced(t)
	for _, c := range helm.Cases(t, ".", "planted", "") {
		t.Run(c.Name, func(t *testing.T) {
			objects, err := manifest.Parse([]byte(c.Text))
			if err != nil || len(objects) != 1 {
				t.Fatalf("%d objects: %v", len(objects), err)
			}
			o := objects[0]
			if err := manifest.Check(o); err != nil {
				t.Fatalf("the schema shows it: %v", err)
			}
			said, err := server.Client.Apply(t.Context(), o.Unstructured, o.YAML, namespace, true)
			if got := fmt.Sprint(said, err); !strings.Contains(got, c.Says) {
				t.Errorf("the server says %q, not %q", got, c.Says)
			}
		})
	}
}
