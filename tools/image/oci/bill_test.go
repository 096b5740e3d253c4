package oci

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// billOf reads the bill of a command, which is a file of the layout.
func billOf(t *testing.T, c Command) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(built(t).layout, c.Name+"-linux-"+runtime.GOARCH+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestABillListsWhatIsLinked(t *testing.T) {
	w := built(t)
	for _, c := range commands() {
		t.Run(c.Name, func(t *testing.T) {
			bom := new(cdx.BOM)
			if err := cdx.NewBOMDecoder(bytes.NewReader(billOf(t, c)), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
				t.Fatal(err)
			}
			if got, want := bom.Metadata.Component.PackageURL, "pkg:golang/github.com/openova-io/llm-gateway@"+w.commit+"#cmd/"+c.Name; got != want {
				t.Errorf("it is of %s, not %s", got, want)
			}
			var got []string
			for _, component := range *bom.Components {
				got = append(got, component.PackageURL)
			}
			roots, err := rootsVersion(t.Context(), w.clone)
			if err != nil {
				t.Fatal(err)
			}
			want := append(linked(t, w.clone, c), "pkg:golang/std@"+strings.TrimPrefix(runtime.Version(), "go"), "pkg:golang/"+rootsModule+"@"+roots)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("it lists\n%s\nand these are linked:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// linked asks the go command for the modules whose packages a command imports.
func linked(t *testing.T, root string, c Command) []string {
	t.Helper()
	for _, variable := range environment(here()) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	modules := run(t, root, "go", "list", "-deps", "-tags=timetzdata", "-f",
		"{{with .Module}}{{if not .Main}}pkg:golang/{{.Path}}@{{.Version}}{{end}}{{end}}", "./cmd/"+c.Name)
	all := strings.Fields(modules)
	slices.Sort(all)
	return slices.Compact(all)
}

// The schemas come with the module that writes the bills.
func TestABillObeysItsSchema(t *testing.T) {
	dir := run(t, ".", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go")
	compiler := jsonschema.NewCompiler()
	for _, name := range []string{"bom-1.6.schema.json", "spdx.schema.json", "jsf-0.82.schemax.json"} {
		text, err := os.ReadFile(filepath.Join(dir, "schema", name))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		public := strings.Replace(name, ".schemax.", ".schema.", 1)
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+public, document); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands() {
		bill, err := jsonschema.UnmarshalJSON(bytes.NewReader(billOf(t, c)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(bill); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		bill.(map[string]any)["componets"] = nil
		if schema.Validate(bill) == nil {
			t.Error("the schema takes anything")
		}
	}
}

// Whoever has an image finds its bill by the image's digest.
func TestABillIsAttachedToItsImage(t *testing.T) {
	all, err := layout.ImageIndexFromPath(built(t).layout)
	if err != nil {
		t.Fatal(err)
	}
	list, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	attached := map[v1.Hash][]byte{}
	for _, d := range list.Manifests {
		if d.ArtifactType != billType {
			continue
		}
		artifact, err := all.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := artifact.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		blob, err := artifact.LayerByDigest(manifest.Layers[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		r, err := blob.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || !json.Valid(text) {
			t.Fatal(err)
		}
		attached[manifest.Subject.Digest] = text
	}
	for _, c := range commands() {
		d, err := image(t, c.Name).Digest()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(attached[d], billOf(t, c)) {
			t.Errorf("%s: what is attached to %s is not its bill", c.Name, d)
		}
	}
}
