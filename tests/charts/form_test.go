package charts

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// A form that offers what the chart then refuses, or another default than the chart has, misleads whoever fills it in.
func TestTheFormOffersWhatTheChartTakes(t *testing.T) {
	eachChart(t, func(t *testing.T, chart helm.Chart) {
		values, _ := valuesOf(t, chart)
		var schema map[string]any
		if err := json.Unmarshal([]byte(readFile(t, chart.Dir, "values.schema.json")), &schema); err != nil {
			t.Fatal(err)
		}
		fields := 0
		var compare func(path []string, form, below map[string]any)
		compare = func(path []string, form, below map[string]any) {
			below = resolve(schema, below)
			here := strings.Join(path, ".")
			if inner, ok := form["properties"].(map[string]any); ok {
				known, _ := below["properties"].(map[string]any)
				for _, key := range slices.Sorted(maps.Keys(inner)) {
					property, ok := known[key].(map[string]any)
					if !ok {
						t.Errorf("%s.%s is no value of the chart", here, key)
						continue
					}
					compare(append(slices.Clone(path), key), inner[key].(map[string]any), property)
				}
				return
			}
			fields++
			for _, word := range []string{"type", "enum", "pattern", "minimum", "maximum", "format"} {
				if got, ok := form[word]; (ok || word == "type" || word == "enum") && !agrees(word, got, below[word]) {
					t.Errorf("%s: the form has %s %v, values.schema.json %v", here, word, got, below[word])
				}
			}
			if description, _ := form["description"].(string); description == "" {
				t.Errorf("%s has no description", here)
			}
			value := at(values, path...)
			if fallback, ok := form["default"]; (ok || !empty(value)) && !reflect.DeepEqual(fallback, value) {
				t.Errorf("%s: the form's default is %v, that of values.yaml %v", here, fallback, value)
			}
		}
		compare(nil, blueprintOf(t, chart).Spec.ConfigSchema, schema)
		if fields < 3 {
			t.Errorf("the form has %d fields", fields)
		}
	})
}

// agrees tells whether a form says the same as the schema; it may leave out the "null" of a type.
func agrees(word string, form, schema any) bool {
	if reflect.DeepEqual(form, schema) {
		return true
	}
	types, ok := schema.([]any)
	return word == "type" && ok && slices.Contains(types, form)
}

// resolve follows a reference within a schema.
func resolve(root, schema map[string]any) map[string]any {
	for {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		next, _ := at(root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(map[string]any)
		schema = next
	}
}

// at is the value at a path, nil if there is none.
func at(values map[string]any, path ...string) any {
	var now any = values
	for _, key := range path {
		below, _ := now.(map[string]any)
		now = below[key]
	}
	return now
}

func empty(value any) bool {
	return value == nil || value == "" || reflect.ValueOf(value).Kind() == reflect.Map && len(value.(map[string]any)) == 0 ||
		reflect.ValueOf(value).Kind() == reflect.Slice && len(value.([]any)) == 0
}
