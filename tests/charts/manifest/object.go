package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Object is one rendered object.
type Object struct {
	*unstructured.Unstructured
	// YAML is the document as helm wrote it.
	YAML []byte
	// Source is the template that made it, such as "bp-temporal/templates/cluster.yaml".
	Source string
}

// ID names an object in messages: "Deployment/frontend".
func (o Object) ID() string { return o.GetKind() + "/" + o.GetName() }

// Ours tells whether a template of the chart itself made the object, and not one of a dependency.
func (o Object) Ours() bool { return !strings.Contains(o.Source, "/charts/") }

// Objects are those of one render, in the order of helm.
type Objects []Object

var (
	separator = regexp.MustCompile(`(?m)^---[ \t]*$`)
	source    = regexp.MustCompile(`(?m)^# Source: (\S+)$`)
	comment   = regexp.MustCompile(`(?m)^\s*(#.*)?$`)
)

// Parse splits what `helm template` writes. Documents without content are left out.
func Parse(stream []byte) (Objects, error) {
	var all Objects
	from := ""
	for _, doc := range separator.Split(string(stream), -1) {
		if m := source.FindStringSubmatch(doc); m != nil {
			from = m[1]
		}
		if strings.TrimSpace(comment.ReplaceAllString(doc, "")) == "" {
			continue
		}
		o := Object{YAML: []byte(doc), Source: from, Unstructured: &unstructured.Unstructured{}}
		if err := strict(o.YAML, &o.Object); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", from, err, doc)
		}
		if o.GetKind() == "" || o.GetAPIVersion() == "" || o.GetName() == "" {
			return nil, fmt.Errorf("%s: a document without kind, apiVersion or metadata.name\n%s", from, doc)
		}
		all = append(all, o)
	}
	return all, nil
}

// Kind returns the objects of a kind.
func (o Objects) Kind(kind string) Objects {
	return slices.DeleteFunc(slices.Clone(o), func(x Object) bool { return x.GetKind() != kind })
}

// Ours returns what the chart's own templates made.
func (o Objects) Ours() Objects {
	return slices.DeleteFunc(slices.Clone(o), func(x Object) bool { return !x.Ours() })
}

// Has tells whether there is an object of the kind and name; any name if that is "".
func (o Objects) Has(kind, name string) bool {
	return slices.ContainsFunc(o, func(x Object) bool {
		return x.GetKind() == kind && (name == "" || x.GetName() == name)
	})
}

// IDs lists the objects for a message.
func (o Objects) IDs() string {
	ids := make([]string, len(o))
	for i, x := range o {
		ids[i] = x.ID()
	}
	return strings.Join(ids, " ")
}

// YAML is the whole render, for tests that look for a text.
func (o Objects) YAML() string {
	var all bytes.Buffer
	for _, x := range o {
		all.WriteString("---")
		all.Write(x.YAML)
	}
	return all.String()
}

// Find returns the one object of the kind and name.
func (o Objects) Find(t testing.TB, kind, name string) Object {
	t.Helper()
	var found Objects
	for _, x := range o.Kind(kind) {
		if x.GetName() == name {
			found = append(found, x)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects are %s/%s; there are %s", len(found), kind, name, o.IDs())
	}
	return found[0]
}
