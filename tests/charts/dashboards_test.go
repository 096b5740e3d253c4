package charts

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// dashboard is what these tests read of a Grafana dashboard.
type dashboard struct {
	UID, Title, Description string
	SchemaVersion           int
	Templating              struct {
		List []struct{ Name, Type string }
	}
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	Datasource  struct{ UID string }
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct {
		RefID, Expr, LegendFormat string
		Datasource                struct{ UID string }
	}
}

// dashboardsOf reads files/dashboard-*.json of a chart, by the name of the file.
func dashboardsOf(t testing.TB, chart helm.Chart) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart.Dir, "files", "dashboard-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no dashboards", err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		var read dashboard
		if err := json.Unmarshal([]byte(readFile(t, filepath.Dir(file), filepath.Base(file))), &read); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = read
	}
	return all
}

var legend = regexp.MustCompile(`{{(\w+)}}`)

func TestDashboardsShowWhatIsMeasured(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		known := measures(t, chart.Name)
		for file, board := range dashboardsOf(t, chart) {
			for _, p := range board.Panels {
				for _, target := range p.Targets {
					expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
					for _, fault := range faults(expr, known) {
						t.Errorf("%s, %s: %s", file, p.Title, fault)
					}
					for _, label := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
						if !regexp.MustCompile(`by \([^)]*\b` + label[1] + `\b`).MatchString(expr) {
							t.Errorf("%s, %s: the legend shows %s, which the expression drops", file, p.Title, label[1])
						}
					}
				}
			}
		}
	})
}

// Grafana imports nearly anything, and shows empty or overlapping panels then.
func TestDashboardsAreWellFormed(t *testing.T) {
	const source = "${datasource}"
	seen := map[string]string{}
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for file, board := range dashboardsOf(t, chart) {
			if seen[board.UID] != "" || board.UID == "" || len(board.UID) > 40 {
				t.Errorf("%s: the uid is %q, which %s has", file, board.UID, seen[board.UID])
			}
			seen[board.UID] = file
			if board.Title == "" || board.Description == "" || board.SchemaVersion == 0 {
				t.Errorf("%s: it has no title, description or schemaVersion", file)
			}
			variables := map[string]string{}
			for _, v := range board.Templating.List {
				variables[v.Name] = v.Type
			}
			if !reflect.DeepEqual(variables, map[string]string{"datasource": "datasource", "namespace": "query"}) {
				t.Errorf("%s: its variables are %v", file, variables)
			}
			ids := map[int]bool{}
			taken := map[[2]int]string{}
			for _, p := range board.Panels {
				if p.ID == 0 || ids[p.ID] || p.Title == "" {
					t.Errorf("%s: panel %d %q has no id or title, or another's", file, p.ID, p.Title)
				}
				ids[p.ID] = true
				if p.GridPos.X+p.GridPos.W > 24 {
					t.Errorf("%s, %s: it is beyond the edge", file, p.Title)
				}
				for x := range p.GridPos.W {
					for y := range p.GridPos.H {
						at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
						if other := taken[at]; other != "" {
							t.Fatalf("%s: %s and %s overlap", file, p.Title, other)
						}
						taken[at] = p.Title
					}
				}
				if p.Type == "row" {
					continue
				}
				if len(p.Targets) == 0 || p.Datasource.UID != source {
					t.Errorf("%s, %s: it has no target, or a data source of its own", file, p.Title)
				}
				refs := map[string]bool{}
				for _, target := range p.Targets {
					if target.RefID == "" || refs[target.RefID] || target.Datasource.UID != source {
						t.Errorf("%s, %s: target %q has no letter of its own, or a data source of its own", file, p.Title, target.RefID)
					}
					refs[target.RefID] = true
					if strings.Count(target.Expr, "{") != strings.Count(target.Expr, `namespace=~"$namespace"`) {
						t.Errorf("%s, %s: it shows other namespaces than the chosen ones: %s", file, p.Title, target.Expr)
					}
				}
			}
		}
	})
}

// Both languages have their own {{ }}: the files have to pass through helm as they are.
func TestAlertsAndDashboardsPassThroughHelmUnchanged(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		var groups map[string]any
		if err := yaml.Unmarshal([]byte(readFile(t, chart.Dir, "files/alerts.yaml")), &groups); err != nil {
			t.Fatal(err)
		}
		boards := dashboardsOf(t, chart)
		shipped := map[string]bool{}
		for _, one := range renderings(t, chart) {
			objects := one.objects(t).Ours()
			for _, rule := range objects.Kind("PrometheusRule") {
				shipped["alerts"] = true
				if !reflect.DeepEqual(rule.Object["spec"], groups) {
					t.Errorf("%s: the spec of %s is not files/alerts.yaml", one.Name, rule.ID())
				}
			}
			for _, o := range objects.Kind("ConfigMap") {
				for name, text := range manifest.Into[corev1.ConfigMap](t, o).Data {
					if _, ours := boards[name]; !ours {
						continue
					}
					shipped[name] = true
					if text != readFile(t, chart.Dir, "files/"+name) && text+"\n" != readFile(t, chart.Dir, "files/"+name) {
						t.Errorf("%s: %s in %s is not the file", one.Name, name, o.ID())
					}
				}
			}
		}
		for name := range boards {
			if !shipped[name] {
				t.Errorf("no render has files/%s", name)
			}
		}
		if !shipped["alerts"] {
			t.Error("no render has the alerts")
		}
	})
}
