package manifest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// checker is what an API server has made of one version of a definition.
type checker struct {
	schema  *structural.Structural
	openAPI validation.SchemaValidator
	rules   *cel.Validator
}

// checkers holds them by GroupVersionKind, each with the error of making it.
var checkers sync.Map //nolint:gochecknoglobals // a definition is long, and many tests need the same

// checkCustom does what an API server does with an object of a custom kind: unknown fields, defaults, the OpenAPI
// schema, lists that are sets or maps, and the rules in CEL.
func checkCustom(o Object) error {
	kind := o.GroupVersionKind()
	made, _ := checkers.LoadOrStore(kind, sync.OnceValues(func() (*checker, error) { return newChecker(kind) }))
	check, err := made.(func() (*checker, error))()
	if err != nil {
		return err
	}
	if err := checkMeta(o); err != nil {
		return err
	}
	content := o.DeepCopy().Object
	unknown := pruning.PruneWithOptions(content, check.schema, true, structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	faults := []error{}
	for _, path := range unknown {
		faults = append(faults, fmt.Errorf("unknown field %q", path))
	}
	defaulting.Default(content, check.schema)
	for _, fault := range validation.ValidateCustomResource(nil, content, check.openAPI) {
		faults = append(faults, fault)
	}
	for _, fault := range listtype.ValidateListSetsAndMaps(nil, check.schema, content) {
		faults = append(faults, fault)
	}
	if len(faults) == 0 && check.rules != nil {
		broken, _ := check.rules.Validate(context.Background(), nil, check.schema, content, nil, celconfig.RuntimeCELCostBudget)
		for _, fault := range broken {
			faults = append(faults, fault)
		}
	}
	return errors.Join(faults...)
}

func checkMeta(o Object) error {
	data, err := json.Marshal(o.Object["metadata"])
	if err != nil {
		return err
	}
	return strictJSON(data, &metav1.ObjectMeta{})
}

func newChecker(kind schema.GroupVersionKind) (*checker, error) {
	definition, err := Definition(kind.GroupKind())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(definition.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name == kind.Version && v.Served
	})
	if i < 0 {
		return nil, fmt.Errorf("%s does not serve the version %s", definition.Name, kind.Version)
	}
	var props apiextensions.JSONSchemaProps
	from := definition.Spec.Versions[i].Schema.OpenAPIV3Schema
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(from, &props, nil); err != nil {
		return nil, err
	}
	check := &checker{}
	if check.schema, err = structural.NewStructural(&props); err != nil {
		return nil, err
	}
	if check.openAPI, _, err = validation.NewSchemaValidator(&props); err != nil {
		return nil, err
	}
	check.rules = cel.NewValidator(check.schema, true, celconfig.PerCallLimit)
	return check, nil
}

// Definition reads the CustomResourceDefinition of a kind.
func Definition(kind schema.GroupKind) (*apiextensionsv1.CustomResourceDefinition, error) {
	plural, _ := meta.UnsafeGuessKindToResource(kind.WithVersion(""))
	for _, m := range modules() {
		if !slices.Contains(m.groups, kind.Group) {
			continue
		}
		dir, err := m.fetch()
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(filepath.Join(dir, m.dir, kind.Group+"_"+plural.Resource+".yaml"))
		if err != nil {
			return nil, err
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		return definition, yaml.Unmarshal(data, definition)
	}
	return nil, fmt.Errorf("no module that defines the group %q is known: add it to crdmodules.go", kind.Group)
}
