package oci

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is a command's image for all platforms.
type Image struct {
	Command
	Index v1.ImageIndex
	Bills []bill // one per platform
}

// bill is a bill of materials.
type bill struct {
	File     string // its name where it is a file
	Text     []byte
	Referrer v1.Image // the artifact that attaches it to what it describes
}

// newImage puts a command's image together from its binaries.
func newImage(c Command, src source, base v1.Layer, binaries string, platforms []v1.Platform) (*Image, error) {
	image := &Image{Command: c, Index: mutate.IndexMediaType(empty.Index, types.OCIImageIndex)}
	for _, p := range platforms {
		binary, err := os.ReadFile(filepath.Join(binaryDir(binaries, p), c.Name))
		if err != nil {
			return nil, err
		}
		one, err := platformImage(c, src, base, binary, p)
		if err != nil {
			return nil, err
		}
		image.Index = mutate.AppendManifests(image.Index, mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &p}})
		text, err := billOfMaterials(c, src, binary)
		if err != nil {
			return nil, err
		}
		file := c.Name + "-" + p.OS + "-" + p.Architecture + ".cdx.json"
		referrer, err := attach(one, text, file)
		if err != nil {
			return nil, err
		}
		image.Bills = append(image.Bills, bill{File: file, Text: text, Referrer: referrer})
	}
	// Registries show the index's annotations; the labels of an image are for who has it already.
	image.Index = mutate.Annotations(image.Index, labels(c, src)).(v1.ImageIndex)
	return image, nil
}

// platformImage is a command's image for one platform.
func platformImage(c Command, src source, base v1.Layer, binary []byte, p v1.Platform) (v1.Image, error) {
	command, err := binaryLayer(c, binary)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.ConfigFile(image, configFile(c, src, p)); err != nil {
		return nil, err
	}
	return mutate.Append(image, addendum(base, "certificates, user, /tmp", src), addendum(command, c.Name, src))
}

func addendum(l v1.Layer, what string, src source) mutate.Addendum {
	return mutate.Addendum{Layer: l, MediaType: types.OCILayer, History: v1.History{CreatedBy: what, Created: v1.Time{Time: src.Created}}}
}

// configFile says how an image is run.
func configFile(c Command, src source, p v1.Platform) *v1.ConfigFile {
	user := strconv.Itoa(nonroot)
	ports := map[string]struct{}{}
	for _, port := range c.Ports {
		ports[port] = struct{}{}
	}
	return &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Created: v1.Time{Time: src.Created}, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User: user + ":" + user, Entrypoint: []string{"/" + c.binaryPath()}, Env: []string{"PATH=/usr/local/bin"}, WorkingDir: "/",
			ExposedPorts: ports, Labels: labels(c, src),
		},
	}
}

// labels are what https://specs.opencontainers.org/image-spec/annotations/ has names for.
func labels(c Command, src source) map[string]string {
	all := map[string]string{"version": src.Tag, "created": src.Created.Format(time.RFC3339)}
	maps.Copy(all, map[string]string{
		"title": c.Name, "description": c.Description, "licenses": "Apache-2.0", "vendor": "OpenOva",
		"source": "https://github.com/openova-io/llm-gateway", "base.name": "scratch",
	})
	if src.Tag != devTag {
		all["revision"] = src.Tag
	}
	named := make(map[string]string, len(all))
	for name, value := range all {
		named["org.opencontainers.image."+name] = value
	}
	return named
}

// digest is the digest of anything that has a manifest.
func digest(of partial.WithRawManifest) (string, error) {
	d, err := partial.Digest(of)
	return d.String(), err
}
