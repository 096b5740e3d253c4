package manifest

import (
	"errors"
	"fmt"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Into decodes an object into a type such as appsv1.Deployment. An unknown or doubled field is an error, and so is
// one in the wrong case.
func Into[T any](t testing.TB, o Object) *T {
	t.Helper()
	into := new(T)
	if err := strict(o.YAML, into); err != nil {
		t.Fatalf("%s of %s: %v\n%s", o.ID(), o.Source, err, o.YAML)
	}
	return into
}

// Check holds an object against the type or the schema of its kind.
func Check(o Object) error {
	kind := o.GroupVersionKind()
	var err error
	if scheme.Scheme.Recognizes(kind) {
		err = checkTyped(o)
	} else {
		err = checkCustom(o)
	}
	if err != nil {
		return fmt.Errorf("%s of %s: %w", o.ID(), o.Source, err)
	}
	return nil
}

func checkTyped(o Object) error {
	into, err := scheme.Scheme.New(o.GroupVersionKind())
	if err != nil {
		return err
	}
	return strict(o.YAML, into)
}

// strict decodes one YAML document as an API server does with strict field validation: names are told apart by case.
func strict(doc []byte, into any) error {
	data, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	return strictJSON(data, into)
}

func strictJSON(data []byte, into any) error {
	faults, err := kjson.UnmarshalStrict(data, into)
	if err != nil {
		return err
	}
	return errors.Join(faults...)
}
