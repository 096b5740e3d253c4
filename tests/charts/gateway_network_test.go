package charts

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// Each process reaches what it needs, and nothing else. The ports are those of testdata/renders/…/closed-network.yaml.
func TestProcessesReachWhatTheyNeedAndNothingElse(t *testing.T) {
	objects := closedNetwork(t)
	const dns, database, redis, temporal, keycloak, adapter, litellm = "5353", "5432", "6379", "7233", "8443", "8080", "4000"
	backends := []string{"443", "8000", "8001"}
	for component, want := range map[string][]string{
		"frontend":  append([]string{dns, database, redis, keycloak, adapter, litellm}, backends...),
		"worker":    append([]string{dns, database, redis, temporal, keycloak, adapter, litellm}, backends...), // it gets its token for Temporal at Keycloak
		"migration": {dns, database},
	} {
		policy := policyOf(t, objects, component)
		if !slices.Equal(policy.PolicyTypes, []networkingv1.PolicyType{"Ingress", "Egress"}) {
			t.Errorf("the policy of the %s is about %v", component, policy.PolicyTypes)
		}
		var got []string
		for _, rule := range policy.Egress {
			if len(rule.To) == 0 || len(rule.Ports) == 0 {
				t.Errorf("the %s may reach everything: %v", component, rule)
			}
			got = append(got, portsOf(rule.Ports)...)
		}
		slices.Sort(want)
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("the %s reaches the ports %v, not %v", component, got, want)
		}
	}
}

func TestOnlyClientsReachFrontendsAndOnlyPrometheusTheMetrics(t *testing.T) {
	objects := closedNetwork(t)
	for component, want := range map[string]map[string]string{ // namespace → port
		"frontend":  {"envoy-gateway": "http", "monitoring": "metrics"},
		"worker":    {"monitoring": "metrics"},
		"migration": {},
	} {
		got := map[string]string{}
		for _, rule := range policyOf(t, objects, component).Ingress {
			if len(rule.From) != 1 || len(rule.Ports) != 1 {
				t.Fatalf("the %s lets in %v", component, rule)
			}
			got[rule.From[0].NamespaceSelector.MatchLabels[corev1.LabelMetadataName]] = portsOf(rule.Ports)[0]
		}
		if !maps.Equal(got, want) {
			t.Errorf("the %s lets in %v, not %v", component, got, want)
		}
	}
}

// LiteLLM and the database run in the same namespace; a selector that is too wide would open it.
func TestThePodsOfTheReleaseAreToldApart(t *testing.T) {
	for _, rule := range policyOf(t, closedNetwork(t), "database").Ingress {
		for _, peer := range rule.From {
			if peer.PodSelector == nil && peer.NamespaceSelector == nil || peer.PodSelector != nil && len(peer.PodSelector.MatchLabels) == 0 {
				t.Errorf("the database lets in everybody of the namespace: %v", peer)
			}
		}
	}
}

func closedNetwork(t *testing.T) manifest.Objects {
	t.Helper()
	file := filepath.Join("testdata", "renders", gateway, "closed-network.yaml")
	return helm.Prepare(t, gateway).Render(t, helm.Tools(t)[0], helm.Options{Values: []string{file}, APIs: []string{"monitoring.coreos.com/v1"}})
}

func policyOf(t *testing.T, objects manifest.Objects, component string) networkingv1.NetworkPolicySpec {
	t.Helper()
	return manifest.Into[networkingv1.NetworkPolicy](t, objects.Find(t, "NetworkPolicy", gateway+"-"+component)).Spec
}

func portsOf(ports []networkingv1.NetworkPolicyPort) []string {
	var all []string
	for _, p := range ports {
		all = append(all, p.Port.String())
	}
	return all
}
