package oci

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	billType    = "application/vnd.cyclonedx+json"
	emptyType   = "application/vnd.oci.empty.v1+json"
	billVersion = cdx.SpecVersion1_6
	rootsModule = "golang.org/x/crypto/x509roots/fallback"
)

// billOfMaterials lists what an image contains, in CycloneDX: the modules that the linker says are in the binary, Go's
// standard library with its time zones, and the certificates.
func billOfMaterials(c Command, src source, binary []byte) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, err
	}
	// Vulnerability scanners know the standard library as the module "std".
	components := []cdx.Component{module("std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		components = append(components, module(m.Path, m.Version))
	}
	certificates := module(rootsModule, src.Roots)
	certificates.Type, certificates.Description = cdx.ComponentTypeData, "the certificates in /etc/ssl/certs/ca-certificates.crt"
	components = append(components, certificates)
	slices.SortFunc(components, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	var refs []string
	for _, m := range components {
		refs = append(refs, m.BOMRef)
	}

	itself := module(info.Main.Path, src.Tag)
	itself.Type, itself.Name, itself.Description = cdx.ComponentTypeApplication, c.Name, c.Description
	itself.PackageURL += "#cmd/" + c.Name
	itself.BOMRef = itself.PackageURL
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: src.Created.Format(time.RFC3339), Component: &itself}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: itself.BOMRef, Dependencies: &refs}}
	var text bytes.Buffer
	err = cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, billVersion)
	return text.Bytes(), err
}

// module is a Go module as a component.
func module(path, version string) cdx.Component {
	url := "pkg:golang/" + path + "@" + version
	return cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: url, PackageURL: url, Name: path, Version: version}
}

// rootsVersion is the version of the module that has the certificates.
func rootsVersion(ctx context.Context, root string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", rootsModule)
	cmd.Dir = filepath.Join(root, "tools", "image")
	version, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", rootsModule, err)
	}
	return strings.TrimSpace(string(version)), nil
}

// attach makes the artifact by which a registry finds the bill of an image.
func attach(image v1.Image, text []byte, file string) (v1.Image, error) {
	subject, err := partial.Descriptor(image)
	if err != nil {
		return nil, err
	}
	layer := static.NewLayer(text, billType)
	described, err := partial.Descriptor(layer)
	if err != nil {
		return nil, err
	}
	described.Annotations = map[string]string{"org.opencontainers.image.title": file}
	a := artifact{layer: layer}
	config, size, err := v1.SHA256(bytes.NewReader(a.config()))
	if err != nil {
		return nil, err
	}
	a.manifest, err = json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: billType,
		Config: v1.Descriptor{MediaType: emptyType, Digest: config, Size: size}, Layers: []v1.Descriptor{*described},
		Subject: &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(a)
}

// artifact is a manifest with one layer that is no image.
type artifact struct {
	manifest []byte
	layer    v1.Layer
}

func (artifact) config() []byte                                           { return []byte("{}") }
func (a artifact) RawConfigFile() ([]byte, error)                         { return a.config(), nil }
func (a artifact) RawManifest() ([]byte, error)                           { return a.manifest, nil }
func (artifact) MediaType() (types.MediaType, error)                      { return types.OCIManifestSchema1, nil }
func (a artifact) LayerByDigest(v1.Hash) (partial.CompressedLayer, error) { return a.layer, nil }
