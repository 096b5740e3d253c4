package charts

import (
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// The checks of this package, held against charts that are wrong: each mistake is planted in a copy, and the check
// that is there for it has to see it.
func TestTheChecksCanFail(t *testing.T) {
	const adapter = "bp-anthropic-adapter"
	for _, test := range []struct {
		name  string
		plant func(*testing.T, helm.Chart)
		check func(*testing.T, manifest.Objects) string
		says  string
	}{
		{
			"a misspelled field in a Deployment",
			func(t *testing.T, c helm.Chart) {
				c.Replace(t, "templates/deployment.yaml", "terminationGracePeriodSeconds:", "terminationGraceSeconds:")
			},
			strictly, `unknown field "spec.template.spec.terminationGraceSeconds"`,
		},
		{
			"an unknown field in an ExternalSecret",
			func(t *testing.T, c helm.Chart) {
				c.Replace(t, "templates/externalsecrets.yaml", "refreshInterval:", "refreshEvery:")
			},
			strictly, `unknown field "spec.refreshEvery"`,
		},
		{
			"a root file system that can be written to",
			func(t *testing.T, c helm.Chart) {
				setDefault(t, c, false, "adapter", "containerSecurityContext", "readOnlyRootFilesystem")
			},
			lockedDown, "readOnlyRootFilesystem is not true",
		},
		{
			"a pod that runs as root",
			func(t *testing.T, c helm.Chart) { setDefault(t, c, 0, "adapter", "podSecurityContext", "runAsUser") },
			lockedDown, "runAsUser is not 65532",
		},
		{
			"a value that nothing reads",
			func(t *testing.T, c helm.Chart) { setDefault(t, c, "x", "unread") },
			nil, "unread",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			chart := helm.Prepare(t, adapter).Copy(t)
			one := helm.Cases(t, ".", "renders", adapter)
			test.plant(t, chart)
			said := ""
			for _, scene := range one {
				if test.check == nil {
					break
				}
				said += test.check(t, chart.Render(t, helm.Tools(t)[0], scene.Options))
			}
			if test.check == nil && !scenesOf(t, chart)[0].notices("x", []string{"unread"}) {
				said = "unread"
			}
			if !strings.Contains(said, test.says) {
				t.Errorf("nobody says %q, only %q", test.says, said)
			}
		})
	}
}

func strictly(_ *testing.T, objects manifest.Objects) string {
	said := ""
	for _, o := range objects {
		if err := manifest.Check(o); err != nil {
			said += err.Error() + "\n"
		}
	}
	return said
}

func lockedDown(t *testing.T, objects manifest.Objects) string {
	said := ""
	for _, w := range workloads(t, objects.Ours()) {
		said += strings.Join(podFaults(w), "\n")
	}
	return said
}
