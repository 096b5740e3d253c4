package charts

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yaml "go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// valuesOf reads the values.yaml of a chart, as data and as text with its comments.
func valuesOf(t testing.TB, chart helm.Chart) (map[string]any, string) {
	t.Helper()
	text := readFile(t, chart.Dir, "values.yaml")
	data, err := kyaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := json.Unmarshal(data, &values); err != nil {
		t.Fatal(err)
	}
	return values, text
}

// schemaOf compiles the values.schema.json of a chart with the library that helm uses.
func schemaOf(t testing.TB, chart helm.Chart) *jsonschema.Schema {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile(filepath.Join(chart.Dir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// foreign tells whether a value is the tree of a dependency, which that chart's values describe.
func foreign(t testing.TB, chart helm.Chart, key string) bool {
	t.Helper()
	read, err := helm.ReadMetadata(chart.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return key == "global" || slices.ContainsFunc(read.Dependencies, func(d helm.Dependency) bool { return key == d.Name || key == d.Alias })
}

// kubernetes names the values that go as they are into a field of Kubernetes' own, whose documentation tells of what
// is in them: the schema may leave those open.
var kubernetes = regexp.MustCompile(`(?i)(labels|annotations|selector|resources|affinity|strategy|securityContext|parameters|probe|liveness|readiness|startup)$`)

// deref follows the references of a schema.
func deref(s *jsonschema.Schema) *jsonschema.Schema {
	for s != nil && s.Ref != nil {
		s = s.Ref
	}
	return s
}

// property is the schema of a key of an object's, nil if the object is open.
func property(s *jsonschema.Schema, key string) *jsonschema.Schema {
	if s = deref(s); s == nil {
		return nil
	}
	return deref(s.Properties[key])
}

// closed tells whether a schema names every key that an object may have.
func closed(s *jsonschema.Schema) bool {
	s = deref(s)
	return s != nil && s.AdditionalProperties == false
}

// described tells whether a map may have any keys on purpose: the schema tells what their values are.
func described(s *jsonschema.Schema, path []string) bool {
	for _, key := range path {
		s = property(s, key)
	}
	if s == nil {
		return false
	}
	_, ok := s.AdditionalProperties.(*jsonschema.Schema)
	return ok || len(s.PatternProperties) > 0
}

// walk visits every value that the chart itself describes, outer ones first. Maps that the schema leaves open, and
// the trees of dependencies, are one value each: a leaf.
func walk(t testing.TB, chart helm.Chart, visit func(path []string, value any, leaf bool)) {
	t.Helper()
	var down func([]string, map[string]any, *jsonschema.Schema)
	down = func(path []string, values map[string]any, schema *jsonschema.Schema) {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			at := append(slices.Clone(path), key)
			below, _ := values[key].(map[string]any)
			inner := property(schema, key)
			leaf := len(below) == 0 || !closed(inner) || kubernetes.MatchString(key) || len(at) == 1 && foreign(t, chart, key)
			visit(at, values[key], leaf)
			if !leaf {
				down(at, below, inner)
			}
		}
	}
	values, _ := valuesOf(t, chart)
	down(nil, values, schemaOf(t, chart))
}

func TestEveryValueIsExplainedAboveIt(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		_, text := valuesOf(t, chart)
		lines := strings.Split(text, "\n")
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(text), &document); err != nil {
			t.Fatal(err)
		}
		walk(t, chart, func(path []string, _ any, _ bool) {
			line := lineOf(document.Content[0], path)
			if line < 2 || !strings.HasPrefix(strings.TrimSpace(lines[line-2]), "#") {
				t.Errorf("%s (line %d) has no comment on the line above it", strings.Join(path, "."), line)
			}
		})
	})
}

// lineOf is the line of a key, counted from 1.
func lineOf(node *yaml.Node, path []string) int {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value != path[0] {
			continue
		}
		if len(path) == 1 {
			return node.Content[i].Line
		}
		return lineOf(node.Content[i+1], path[1:])
	}
	return 0
}

// product is the value that holds the gateway's own configuration: values.yaml has what the chart sets in it, and the
// schema, which a test of its own compares with the gateway, has everything.
const product = "config"

func TestTheSchemaKnowsExactlyTheValues(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		values, _ := valuesOf(t, chart)
		var compare func(string, map[string]any, *jsonschema.Schema)
		compare = func(at string, values map[string]any, schema *jsonschema.Schema) {
			for key, value := range values {
				below := property(schema, key)
				if below == nil {
					t.Errorf("%s%s is not in values.schema.json", at, key)
					continue
				}
				inner, _ := value.(map[string]any)
				if len(inner) > 0 && closed(below) && !kubernetes.MatchString(key) && at+key != product {
					compare(at+key+".", inner, below)
				}
			}
			for key := range deref(schema).Properties {
				if _, ok := values[key]; !ok && (at != "" || key != "global") {
					t.Errorf("%s%s is in values.schema.json and not in values.yaml", at, key)
				}
			}
		}
		compare("", values, schemaOf(t, chart))
	})
}

// helm takes an unknown value without a word; the schema is what makes a typo an error, at any depth.
func TestATypoOrAWrongTypeAnywhereIsRefused(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		schema := schemaOf(t, chart)
		values, _ := valuesOf(t, chart)
		if schema.Validate(with(values, "x", "typo")) == nil {
			t.Error("a value that does not exist passes the schema")
		}
		walk(t, chart, func(path []string, value any, leaf bool) {
			at := strings.Join(path, ".")
			key := path[len(path)-1]
			if _, isMap := value.(map[string]any); isMap {
				if !kubernetes.MatchString(key) && !described(schema, path) && (len(path) > 1 || !foreign(t, chart, key)) {
					if schema.Validate(with(values, "x", append(path, "typo")...)) == nil {
						t.Errorf("%s.typo passes the schema", at)
					}
				}
			}
			if leaf && schema.Validate(with(values, wrongFor(value), path...)) == nil {
				t.Errorf("%s: %v passes the schema", at, wrongFor(value))
			}
		})
	})
}

// wrongFor is a value of another type.
func wrongFor(value any) any {
	if _, isMap := value.(map[string]any); isMap {
		return "text"
	}
	return map[string]any{"typo": "x"}
}

func TestTheReadmeNamesEveryValue(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		readme := readFile(t, chart.Dir, "README.md")
		values, _ := valuesOf(t, chart)
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if !regexp.MustCompile("`" + key + "[`.\\[{]").MatchString(readme) {
				t.Errorf("README.md does not mention `%s`", key)
			}
		}
	})
}

var (
	literalNamespace = regexp.MustCompile(`(?m)^\s*namespace: +["a-z].*$`)
	hiddenDefault    = regexp.MustCompile(`\bdefault +("[^"]+"|[1-9][0-9]*|true)[^\n]*`)
	literalVersion   = regexp.MustCompile(`(?m)^\s*(image|tag): +["a-z0-9].*$`)
)

// What a template decides by itself nobody can change, and values.yaml does not tell of it.
func TestTemplatesDecideNothingByThemselves(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		for _, file := range templates(t, chart) {
			text := readFile(t, chart.Dir, file)
			for _, rule := range []*regexp.Regexp{literalNamespace, hiddenDefault, literalVersion} {
				for _, found := range rule.FindAllString(text, -1) {
					t.Errorf("%s: %q belongs into values.yaml", file, strings.TrimSpace(found))
				}
			}
		}
	})
}
