package charts

import (
	"regexp"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// refusal is how helm begins when the schema or a guard refused the values. All else is a template that fell over them.
var refusal = regexp.MustCompile(`values don't meet the specifications of the schema|execution error at \(`)

// leastRefused is the number of mistakes that the charts promise to refuse.
const leastRefused = 20

func TestEveryMistakeIsRefusedWithASentence(t *testing.T) {
	total := 0
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		cases := helm.Cases(t, ".", "refused", chart.Name)
		if len(cases) == 0 {
			t.Errorf("no mistakes are in testdata/refused/%s", chart.Name)
		}
		total += len(cases)
		for _, one := range cases {
			for _, tool := range helm.Tools(t) {
				t.Run(one.Name+"/"+tool.Name, func(t *testing.T) {
					t.Parallel()
					if one.Says == "" {
						t.Fatal("the file does not tell what the refusal says: add a line `# says: …`")
					}
					said := chart.Refused(t, tool, one.Options)
					if !strings.Contains(said, one.Says) {
						t.Errorf("says\n%s\nand not %q", said, one.Says)
					}
					if !refusal.MatchString(said) || strings.Contains(said, "%!") {
						t.Errorf("no schema and no guard refuses it, a template falls over it:\n%s", said)
					}
				})
			}
		}
	})
	if total < leastRefused {
		t.Errorf("%d mistakes are planted, of at least %d", total, leastRefused)
	}
}

// Nobody can guess which build to run; that is the first thing that has to be said.
func TestWithoutAnImageTagNothingIsRendered(t *testing.T) {
	for _, name := range []string{"bp-llm-gateway", "bp-anthropic-adapter"} {
		for _, tool := range helm.Tools(t) {
			if said := helm.Prepare(t, name).Refused(t, tool, helm.Options{Bare: true}); !strings.Contains(said, "image.tag") {
				t.Errorf("%s, %s: says\n%s\nand not image.tag", name, tool.Name, said)
			}
		}
	}
}
