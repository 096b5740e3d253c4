package charts

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// alerts is a file files/alerts.yaml.
type alerts struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

func alertsOf(t testing.TB, chart helm.Chart) alerts {
	t.Helper()
	var read alerts
	if err := yaml.UnmarshalStrict([]byte(readFile(t, chart.Dir, "files/alerts.yaml")), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestAlertsAskForWhatIsMeasured(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		known := measures(t, chart.Name)
		for _, group := range alertsOf(t, chart).Groups {
			for _, rule := range group.Rules {
				for _, fault := range faults(rule.Expr, known) {
					t.Errorf("%s: %s", rule.Alert, fault)
				}
			}
		}
	})
}

// Whoever is woken at night is told what it is and what to do about it.
func TestAlertsSayWhatToDo(t *testing.T) {
	seen := map[string]bool{}
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for _, group := range alertsOf(t, chart).Groups {
			for _, rule := range group.Rules {
				if seen[rule.Alert] {
					t.Errorf("there are two alerts %s", rule.Alert)
				}
				seen[rule.Alert] = true
				if severity := rule.Labels["severity"]; !slices.Contains([]string{"critical", "warning", "info"}, severity) {
					t.Errorf("%s: the severity is %q", rule.Alert, severity)
				}
				for _, key := range []string{"summary", "description"} {
					if !strings.HasSuffix(strings.TrimSpace(rule.Annotations[key]), ".") {
						t.Errorf("%s: the %s is no sentence: %q", rule.Alert, key, rule.Annotations[key])
					}
				}
				if fault := deadLink(rule.Annotations["runbook_url"]); fault != "" {
					t.Errorf("%s: %s", rule.Alert, fault)
				}
				for _, label := range usedLabels.FindAllStringSubmatch(rule.Annotations["summary"]+rule.Annotations["description"], -1) {
					if !strings.Contains(rule.Expr, label[1]) {
						t.Errorf("%s tells $labels.%s, which its expression drops", rule.Alert, label[1])
					}
				}
			}
		}
	})
}

var (
	usedLabels = regexp.MustCompile(`\$labels\.(\w+)`)
	notInLinks = regexp.MustCompile(`[^a-z0-9 -]`)
)

// deadLink tells what is wrong with a link into the documentation of this repository.
func deadLink(link string) string {
	page, anchor, ok := strings.Cut(strings.TrimPrefix(link, "https://github.com/openova-io/llm-gateway/blob/main/"), "#")
	if !ok || strings.Contains(page, "://") {
		return "runbook_url is no section of the documentation: " + link
	}
	text, err := os.ReadFile(filepath.Join(helm.Root(), page))
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(line, "## "); ok &&
			strings.ReplaceAll(notInLinks.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-") == anchor {
			return ""
		}
	}
	return "there is no such section: " + link
}

// faults tells why an expression would never be true, or never be taken.
func faults(expr string, known map[string][]string) []string {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return []string{err.Error()}
	}
	var all []string
	parser.Inspect(tree, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		allowed, ok := known[selector.Name]
		if !ok {
			all = append(all, "nothing measures "+selector.Name)
			return nil
		}
		var asked []string
		for _, m := range selector.LabelMatchers {
			asked = append(asked, m.Name)
		}
		for _, above := range path {
			if by, ok := above.(*parser.AggregateExpr); ok && !by.Without {
				asked = append(asked, by.Grouping...)
			}
		}
		for _, label := range asked {
			if label != "__name__" && !slices.Contains(allowed, label) && !slices.Contains(ofTheScrape, label) {
				all = append(all, selector.Name+" has no label "+label)
			}
		}
		return nil
	})
	return all
}

// ofTheScrape are the labels that Prometheus adds, and the one of histograms.
var ofTheScrape = []string{"namespace", "pod", "job", "le"}

func TestFaultsAreFound(t *testing.T) {
	known := map[string][]string{"adapter_requests_total": {"path", "status"}}
	for expr, want := range map[string]string{
		`rate(adapter_requests_total[5m]) > `:                    "parse error",
		`rate(adapter_request_total[5m]) > 0`:                    "nothing measures adapter_request_total",
		`adapter_requests_total{code="500"}`:                     "adapter_requests_total has no label code",
		`sum by (reason) (rate(adapter_requests_total[5m])) > 0`: "adapter_requests_total has no label reason",
		`sum by (path) (rate(adapter_requests_total[5m])) > 0`:   "",
		`absent(adapter_requests_total{status=~"5..", pod="a"})`: "",
	} {
		if got := strings.Join(faults(expr, known), "; "); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

func TestDeadLinksAreFound(t *testing.T) {
	const docs = "https://github.com/openova-io/llm-gateway/blob/main/docs/"
	for link, dead := range map[string]bool{
		docs + "operations.md#the-spool": false, docs + "operations.md#the-spools": true, docs + "operations.md": true,
		docs + "nothing.md#the-spool": true, "https://example.org/#the-spool": true,
	} {
		if fault := deadLink(link); (fault != "") != dead {
			t.Errorf("%s: %q", link, fault)
		}
	}
}
