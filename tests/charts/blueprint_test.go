package charts

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// blueprint is a blueprint.yaml as the platform reads it; a field that is not here is a mistake.
type blueprint struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name    string            `json:"name"`
		Version string            `json:"version"`
		Labels  map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Version string `json:"version"`
		Card    struct {
			Title, Summary, Tagline, Description, Category, Family, Icon, License, Documentation string

			Tags, Screenshots []string
		} `json:"card"`
		Visibility string `json:"visibility"`
		Owner      struct{ Team, Contact string }
		// ConfigSchema makes the form that people fill in.
		ConfigSchema    map[string]any `json:"configSchema"`
		PlacementSchema struct {
			Modes      []string
			MinRegions int `json:"minRegions"`
			MaxRegions int `json:"maxRegions"`
		} `json:"placementSchema"`
		Depends []struct {
			Blueprint, Version, Alias, When string
			Values                          map[string]any
		} `json:"depends"`
		Manifests struct {
			Source   struct{ Kind, Ref string }
			Chart    string
			Overlays map[string]map[string]any
		} `json:"manifests"`
		Upgrades struct {
			From   []string
			Blocks []string
		} `json:"upgrades"`
		Rotation      []struct{ Kind, Name, TTL string } `json:"rotation"`
		Observability struct{ Metrics, Logs, Traces string }
	} `json:"spec"`
}

func blueprintOf(t testing.TB, chart helm.Chart) blueprint {
	t.Helper()
	var read blueprint
	if err := yaml.UnmarshalStrict([]byte(readFile(t, chart.Dir, "blueprint.yaml")), &read); err != nil {
		t.Fatalf("%s: %v", chart.Name, err)
	}
	return read
}

func TestAVersionIsTheSameWhereverItStands(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		read, err := helm.ReadMetadata(chart.Dir)
		if err != nil {
			t.Fatal(err)
		}
		b := blueprintOf(t, chart)
		if b.APIVersion != "catalyst.openova.io/v1alpha1" || b.Kind != "Blueprint" || b.Metadata.Name != chart.Name || read.Name != chart.Name {
			t.Errorf("the blueprint is %s %s %s, the chart %s", b.APIVersion, b.Kind, b.Metadata.Name, read.Name)
		}
		if b.Metadata.Version != read.Version || b.Spec.Version != read.Version {
			t.Errorf("Chart.yaml says %s, blueprint.yaml %s and %s", read.Version, b.Metadata.Version, b.Spec.Version)
		}
		source := b.Spec.Manifests.Source
		if want := "oci://ghcr.io/openova-io/" + chart.Name + ":" + read.Version; source.Kind != "HelmChart" || source.Ref != want {
			t.Errorf("the manifests are the %s %s, not %s", source.Kind, source.Ref, want)
		}
		if !semver.MatchString(read.Version) {
			t.Errorf("%q is no version", read.Version)
		}
	})
}

var semver = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

func TestTheUpstreamChartIsTheSameWhereverItStands(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		read, err := helm.ReadMetadata(chart.Dir)
		if err != nil || len(read.Dependencies) == 0 {
			t.Fatalf("it declares no dependency (%v): the platform takes no hollow charts", err)
		}
		for _, dependency := range read.Dependencies {
			if !semver.MatchString(dependency.Version) {
				t.Errorf("%s is pinned to %q, which is no single version", dependency.Name, dependency.Version)
			}
		}
		values, _ := valuesOf(t, chart)
		first := read.Dependencies[0]
		want := map[string]any{"chart": first.Name, "version": first.Version, "repo": first.Repository}
		if got := at(values, "catalystBlueprint", "upstream"); !reflect.DeepEqual(got, want) {
			t.Errorf("catalystBlueprint.upstream is %v, Chart.yaml declares %v", got, want)
		}
	})
}

func TestBlueprintsDependOnWhatTheyNeed(t *testing.T) {
	for name, want := range map[string][]string{
		"bp-temporal":          {"bp-cert-manager", "bp-cnpg"},
		"bp-llm-gateway":       {"bp-cnpg", "bp-external-secrets", "bp-keycloak", "bp-temporal"},
		"bp-anthropic-adapter": {"bp-external-secrets"},
	} {
		var got []string
		for _, d := range blueprintOf(t, helm.Prepare(t, name)).Spec.Depends {
			got = append(got, d.Blueprint)
			if d.Version == "" || d.Alias == "" {
				t.Errorf("%s: the dependency on %s has no version or no alias", name, d.Blueprint)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s depends on %v, not %v", name, got, want)
		}
	}
}

func TestBlueprintsTellWhatThePlatformAsks(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		spec := blueprintOf(t, chart).Spec
		for what, value := range map[string]string{
			"card.title": spec.Card.Title, "card.category": spec.Card.Category, "card.license": spec.Card.License,
			"card.documentation": spec.Card.Documentation, "owner.team": spec.Owner.Team, "owner.contact": spec.Owner.Contact,
			"observability.metrics": spec.Observability.Metrics, "observability.logs": spec.Observability.Logs,
		} {
			if value == "" {
				t.Errorf("spec.%s is empty", what)
			}
		}
		if !slices.Contains([]string{"listed", "unlisted", "private"}, spec.Visibility) {
			t.Errorf("the visibility is %q", spec.Visibility)
		}
		if len(spec.PlacementSchema.Modes) == 0 || spec.PlacementSchema.MinRegions < 1 {
			t.Error("spec.placementSchema is incomplete")
		}
	})
}

func TestChartsHaveTheFilesOfABlueprint(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for _, file := range []string{"README.md", ".helmignore", "tests/observability-toggle.sh", "ci/smoke-values.yaml"} {
			readFile(t, filepath.Join(helm.Root(), "charts", chart.Name), file)
		}
	})
}
