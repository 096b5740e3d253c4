package apiserver_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/openova-io/llm-gateway/tests/charts/apiserver"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// kept are the kinds that have to outlive a release, by chart: a database, and what its passwords come from.
func kept() map[string][]string {
	return map[string][]string{
		"bp-temporal":          {"Cluster", "Database"},
		"bp-llm-gateway":       {"Cluster", "ExternalSecret"},
		"bp-anthropic-adapter": nil,
	}
}

func TestTheLifeOfARelease(t *testing.T) {
	for _, name := range helm.Names() {
		for _, tool := range helm.Tools(t) {
			t.Run(name+"/"+tool.Name, func(t *testing.T) {
				t.Parallel()
				r := release{tool: tool, chart: helm.Prepare(t, name), name: "one", namespace: namespaced(t)}
				r.install(t)
				installed := r.objects(t)
				r.upgradeUnchanged(t, installed)
				r.upgradeChanged(t, installed)
				left := r.uninstallKeeps(t)
				r.installOverKept(t, left)
			})
		}
	}
}

// upgradeUnchanged upgrades with the same values, which restarts nothing and runs nothing twice.
func (r release) upgradeUnchanged(t *testing.T, installed map[apiserver.ID]apiserver.Found) {
	t.Helper()
	r.upgrade(t)
	now := r.objects(t)
	for id, found := range now {
		before, there := installed[id]
		switch {
		case ofRevision(id):
		case !there:
			t.Errorf("an upgrade that changes nothing made %s", id)
		case found != before:
			t.Errorf("an upgrade that changes nothing changed %s", id)
		}
	}
	for id := range installed {
		if _, there := now[id]; !there && !ofRevision(id) {
			t.Errorf("an upgrade that changes nothing removed %s", id)
		}
	}
}

// ofRevision tells what each revision makes anew: helm's own record of it, and the Job by which upstream's chart has
// the schema of Temporal looked at again.
func ofRevision(id apiserver.ID) bool {
	return id.Kind == "Secret" && strings.HasPrefix(id.Name, "sh.helm.release.") ||
		id.Kind == "Job" && strings.Contains(id.Name, "-schema-")
}

// upgradeChanged upgrades to the values of testdata/changes, as one does with a new version; and once more when the Jobs
// have completed and their time to live is over.
func (r release) upgradeChanged(t *testing.T, installed map[apiserver.ID]apiserver.Found) {
	t.Helper()
	r.upgrade(t, r.changes())
	changed := 0
	for id, now := range r.objects(t) {
		if before := installed[id]; now.UID == before.UID && now.Generation > before.Generation {
			changed++
		}
	}
	if changed == 0 {
		t.Error("an upgrade with other values changed no object")
	}
	for id := range r.objects(t) {
		if id.Kind == "Job" {
			if err := server.Client.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.upgrade(t, r.changes())
}

// changes is the file of the other values.
func (r release) changes() string { return filepath.Join("testdata", "changes", r.chart.Name+".yaml") }

// uninstallKeeps uninstalls, and returns what is still there: what says that it is to be kept, and nothing else.
func (r release) uninstallKeeps(t *testing.T) map[apiserver.ID]apiserver.Found {
	t.Helper()
	objects := r.chart.Render(t, r.tool, r.options([]string{r.changes()}))
	keep := slices.DeleteFunc(objects, func(o manifest.Object) bool {
		return o.GetAnnotations()["helm.sh/resource-policy"] != "keep"
	})
	var want []string
	for _, o := range keep {
		want = append(want, apiserver.ID{GroupKind: o.GroupVersionKind().GroupKind(), Namespace: r.namespace, Name: o.GetName()}.String())
	}
	slices.Sort(want)
	r.uninstall(t)
	left := r.objects(t)
	if got := sorted(left); !slices.Equal(got, want) {
		t.Errorf("after uninstall there are\n  %s\nnot\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	for _, kind := range kept()[r.chart.Name] {
		if !keep.Has(kind, "") {
			t.Errorf("no %s is left", kind)
		}
	}
	checkPasswords(t, keep)
	return left
}

// checkPasswords has every password of a kept database be kept, or nobody could sign in to it again: the operator would
// find no Secret, and a new ExternalSecret would make up another password.
func checkPasswords(t *testing.T, keep manifest.Objects) {
	t.Helper()
	from := map[string]bool{}
	for _, o := range keep.Kind("ExternalSecret") {
		target, _, _ := unstructured.NestedString(o.Object, "spec", "target", "name")
		from[target] = true
	}
	for _, cluster := range keep.Kind("Cluster") {
		roles, _, _ := unstructured.NestedSlice(cluster.Object, "spec", "managed", "roles")
		for _, role := range roles {
			secret, _, _ := unstructured.NestedString(role.(map[string]any), "passwordSecret", "name")
			if secret != "" && !from[secret] && !keep.Has("Secret", secret) {
				t.Errorf("%s is kept without the Secret %s of a role", cluster.ID(), secret)
			}
		}
	}
}

// installOverKept installs the release again, which takes over the database that is still there, and keeps it again.
func (r release) installOverKept(t *testing.T, left map[apiserver.ID]apiserver.Found) {
	t.Helper()
	r.install(t)
	now := r.objects(t)
	for id, before := range left {
		if now[id].UID != before.UID {
			t.Errorf("%s is not the one that was kept", id)
		}
	}
	r.uninstall(t)
	if got, want := sorted(r.objects(t)), sorted(left); !slices.Equal(got, want) {
		t.Errorf("after the second uninstall there are %v, not %v", got, want)
	}
}
