package charts

import (
	"fmt"
	"slices"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// A selector that selects nothing is a typo that no schema sees.
func TestSelectorsSelectSomething(t *testing.T) {
	eachRendering(t, func(t *testing.T, one rendering, objects manifest.Objects) {
		if one.Chart.Name == "bp-temporal" && !one.Chart.Upstream {
			t.Skip("what it selects is of the upstream chart, which is stubbed")
		}
		pods := workloads(t, objects)
		for _, o := range objects.Ours() {
			switch o.GetKind() {
			case "Service":
				checkService(t, o, pods)
			case "PodDisruptionBudget":
				budget := manifest.Into[policyv1.PodDisruptionBudget](t, o)
				checkSelects(t, o, budget.Spec.Selector.MatchLabels, pods)
			case "NetworkPolicy":
				// The pods of a database are the operator's, not the render's.
				policy := manifest.Into[networkingv1.NetworkPolicy](t, o)
				if _, database := policy.Spec.PodSelector.MatchLabels["cnpg.io/cluster"]; !database {
					checkSelects(t, o, policy.Spec.PodSelector.MatchLabels, pods)
				}
			case "HorizontalPodAutoscaler":
				target := manifest.Into[autoscalingv2.HorizontalPodAutoscaler](t, o).Spec.ScaleTargetRef
				if !objects.Has(target.Kind, target.Name) {
					t.Errorf("%s scales %s/%s, which is not there", o.ID(), target.Kind, target.Name)
				} else if _, set, _ := unstructured.NestedFieldNoCopy(objects.Find(t, target.Kind, target.Name).Object, "spec", "replicas"); set {
					t.Errorf("%s and its target both set the replicas", o.ID())
				}
			case "ServiceMonitor":
				checkMonitor(t, o, objects.Kind("Service"))
			case "HTTPRoute":
				checkRoute(t, o, objects.Kind("Service"))
			}
		}
	})
}

func checkSelects(t *testing.T, o manifest.Object, selector map[string]string, pods []workload) {
	t.Helper()
	if !slices.ContainsFunc(pods, func(w workload) bool { return matches(selector, w.labels) }) {
		t.Errorf("%s selects %v, which no pod has", o.ID(), selector)
	}
}

func checkService(t *testing.T, o manifest.Object, pods []workload) {
	t.Helper()
	service := manifest.Into[corev1.Service](t, o)
	if service.Spec.Selector == nil {
		return
	}
	checkSelects(t, o, service.Spec.Selector, pods)
	for _, w := range pods {
		if !matches(service.Spec.Selector, w.labels) {
			continue
		}
		for _, port := range service.Spec.Ports {
			if !listens(w, port.TargetPort) {
				t.Errorf("%s sends %s to %s of %s, which has no such port", o.ID(), port.Name, port.TargetPort.String(), w.ID())
			}
		}
	}
}

func listens(w workload, target intstr.IntOrString) bool {
	for _, c := range w.spec.Containers {
		for _, port := range c.Ports {
			if port.Name == target.StrVal && target.StrVal != "" || port.ContainerPort == target.IntVal && target.IntVal != 0 {
				return true
			}
		}
	}
	return false
}

func checkMonitor(t *testing.T, o manifest.Object, services manifest.Objects) {
	t.Helper()
	selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector", "matchLabels")
	endpoints, _, _ := unstructured.NestedSlice(o.Object, "spec", "endpoints")
	for _, endpoint := range endpoints {
		port := fmt.Sprint(endpoint.(map[string]any)["port"])
		if !slices.ContainsFunc(services, func(s manifest.Object) bool {
			service := manifest.Into[corev1.Service](t, s)
			return matches(selector, service.Labels) && slices.ContainsFunc(service.Spec.Ports,
				func(p corev1.ServicePort) bool { return p.Name == port })
		}) {
			t.Errorf("%s looks at the port %s of Services with %v, which there are not", o.ID(), port, selector)
		}
	}
}

func checkRoute(t *testing.T, o manifest.Object, services manifest.Objects) {
	t.Helper()
	rules, _, _ := unstructured.NestedSlice(o.Object, "spec", "rules")
	for _, rule := range rules {
		refs, _, _ := unstructured.NestedSlice(rule.(map[string]any), "backendRefs")
		for _, ref := range refs {
			name, port := fmt.Sprint(ref.(map[string]any)["name"]), fmt.Sprint(ref.(map[string]any)["port"])
			if !slices.ContainsFunc(services, func(s manifest.Object) bool {
				service := manifest.Into[corev1.Service](t, s)
				return service.Name == name && slices.ContainsFunc(service.Spec.Ports,
					func(p corev1.ServicePort) bool { return fmt.Sprint(p.Port) == port })
			}) {
				t.Errorf("%s sends to %s:%s, and there is no such Service", o.ID(), name, port)
			}
		}
	}
}
