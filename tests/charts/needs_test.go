package charts

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// A pod that mounts what nobody makes waits for ever, and nothing says so at the install.
func TestWhatPodsNeedIsThere(t *testing.T) {
	eachRendering(t, func(t *testing.T, one rendering, objects manifest.Objects) {
		made := secrets(objects)
		for _, w := range workloads(t, objects) {
			for _, need := range needs(w) {
				there := objects.Has(need.kind, need.name) || need.kind == "Secret" && slices.Contains(made, need.name)
				if !there && !one.chosen(t, need.name) {
					t.Errorf("%s needs %s/%s, which nothing makes and no value names", w.ID(), need.kind, need.name)
				}
			}
		}
	})
}

type need struct{ kind, name string }

// needs lists the ConfigMaps, Secrets, claims and the ServiceAccount of a pod, but for the optional ones.
func needs(w workload) []need {
	all := []need{}
	add := func(kind, name string, optional *bool) {
		if name != "" && (optional == nil || !*optional) {
			all = append(all, need{kind, name})
		}
	}
	if w.spec.ServiceAccountName != "default" {
		add("ServiceAccount", w.spec.ServiceAccountName, nil)
	}
	for _, v := range w.spec.Volumes {
		if v.ConfigMap != nil {
			add("ConfigMap", v.ConfigMap.Name, v.ConfigMap.Optional)
		}
		if v.Secret != nil {
			add("Secret", v.Secret.SecretName, v.Secret.Optional)
		}
		if v.PersistentVolumeClaim != nil {
			add("PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName, nil)
		}
		if v.Projected != nil {
			for _, s := range v.Projected.Sources {
				if s.ConfigMap != nil {
					add("ConfigMap", s.ConfigMap.Name, s.ConfigMap.Optional)
				}
				if s.Secret != nil {
					add("Secret", s.Secret.Name, s.Secret.Optional)
				}
			}
		}
	}
	for _, c := range w.containers() {
		for _, from := range c.EnvFrom {
			if from.ConfigMapRef != nil {
				add("ConfigMap", from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
			}
			if from.SecretRef != nil {
				add("Secret", from.SecretRef.Name, from.SecretRef.Optional)
			}
		}
		for _, env := range c.Env {
			if env.ValueFrom != nil && env.ValueFrom.ConfigMapKeyRef != nil {
				add("ConfigMap", env.ValueFrom.ConfigMapKeyRef.Name, env.ValueFrom.ConfigMapKeyRef.Optional)
			}
			if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
				add("Secret", env.ValueFrom.SecretKeyRef.Name, env.ValueFrom.SecretKeyRef.Optional)
			}
		}
	}
	return all
}

// secrets lists the Secrets that operators will make from the objects.
func secrets(objects manifest.Objects) []string {
	var all []string
	add := func(o manifest.Object, path ...string) {
		if name, _, _ := unstructured.NestedString(o.Object, path...); name != "" {
			all = append(all, name)
		}
	}
	for _, o := range objects {
		switch o.GetKind() {
		case "ExternalSecret":
			if !slices.Contains(all, o.GetName()) {
				all = append(all, o.GetName()) // unless it has a target
			}
			add(o, "spec", "target", "name")
		case "Certificate":
			add(o, "spec", "secretName")
		case "Cluster":
			for _, suffix := range []string{"-app", "-superuser", "-ca", "-server", "-replication"} {
				all = append(all, o.GetName()+suffix)
			}
		}
	}
	return all
}
