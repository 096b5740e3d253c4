package charts

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// The schema of `config` is made of the product's own types, so that a key which the product does not know is refused
// before anything is installed. UPDATE=1 writes it.
func TestTheSchemaOfConfigIsTheProducts(t *testing.T) {
	file := filepath.Join(helm.Root(), "charts", gateway, "values.schema.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.MarshalIndent(schemaFor(t, reflect.TypeFor[config.Config]()), "    ", "  ")
	if err != nil {
		t.Fatal(err)
	}
	// The definition is indented by four spaces, and nothing in it by as few.
	head, tail := []byte("  \"definitions\": {\n    \"config\": "), []byte("\n    }")
	before, rest, found := bytes.Cut(data, head)
	is, after, closed := bytes.Cut(rest, tail)
	if !found || !closed {
		t.Fatalf("%s does not begin its definitions with config", file)
	}
	if bytes.Equal(append(is, tail...), want) {
		return
	}
	if os.Getenv("UPDATE") != "1" {
		t.Fatalf("%s does not say what internal/config does: run this test with UPDATE=1", file)
	}
	if err := os.WriteFile(file, bytes.Join([][]byte{before, head, want, after}, nil), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shape is the JSON schema of a value in the configuration file.
type shape struct {
	Type       string `json:"type"`
	Pattern    string `json:"pattern,omitempty"`
	Items      *shape `json:"items,omitempty"`
	Additional any    `json:"additionalProperties,omitempty"`
	Properties fields `json:"properties,omitempty"`
}

// fields are the properties of an object, in the order of the Go type.
type fields []field

type field struct {
	name string
	shape
}

func (f fields) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, one := range f {
		if i > 0 {
			b = append(b, ',')
		}
		value, err := json.Marshal(one.shape)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `"`+one.name+`":`...), value...)
	}
	return append(b, '}'), nil
}

// schemaFor is what a value of the type looks like in a file.
func schemaFor(t *testing.T, of reflect.Type) shape {
	t.Helper()
	if of == reflect.TypeFor[time.Duration]() {
		return shape{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}
	}
	switch of.Kind() {
	case reflect.String:
		return shape{Type: "string"}
	case reflect.Bool:
		return shape{Type: "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return shape{Type: "integer"}
	case reflect.Float64:
		return shape{Type: "number"}
	case reflect.Pointer:
		return schemaFor(t, of.Elem())
	case reflect.Slice:
		items := schemaFor(t, of.Elem())
		return shape{Type: "array", Items: &items}
	case reflect.Map:
		return shape{Type: "object", Additional: schemaFor(t, of.Elem())}
	case reflect.Struct:
		s := shape{Type: "object", Additional: false}
		for i := range of.NumField() {
			f := of.Field(i)
			value := schemaFor(t, f.Type)
			if f.Tag.Get("koanf") == ",squash" { // its fields stand among the others
				s.Properties = append(s.Properties, value.Properties...)
				continue
			}
			s.Properties = append(s.Properties, field{f.Tag.Get("koanf"), value})
		}
		return s
	}
	t.Fatalf("nobody says how a %s is written in a file", of)
	return shape{}
}
