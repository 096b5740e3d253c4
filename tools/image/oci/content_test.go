package oci

import (
	"archive/tar"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/openova-io/llm-gateway/tools/image/imagetest"
)

// golden compares a text with a file of testdata; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has\n%s\nand this has\n%s\n(UPDATE=1 writes it)", file, want, got)
	}
}

func image(t *testing.T, name string) v1.Image {
	t.Helper()
	found, err := imagetest.Find(built(t).layout, name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Nothing else is in the images: no shell, no libraries, nothing of this machine.
func TestFilesOfTheImages(t *testing.T) {
	var text strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&text, "%s:\n", c.Name)
		files := mutate.Extract(image(t, c.Name))
		defer files.Close()
		var lines []string
		for r := tar.NewReader(files); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.ModTime.Unix() != 0 {
				t.Errorf("%s: %s has a time", c.Name, h.Name)
			}
			lines = append(lines, fmt.Sprintf("  %-36s %s %d:%d\n", h.Name, h.FileInfo().Mode(), h.Uid, h.Gid))
		}
		slices.Sort(lines)
		text.WriteString(strings.Join(lines, ""))
	}
	golden(t, "files.txt", text.String())
}

func TestConfigurationOfTheImages(t *testing.T) {
	var text strings.Builder
	for _, c := range commands() {
		file, err := image(t, c.Name).ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		file.RootFS.DiffIDs = nil // of every binary its own
		pretty, err := json.MarshalIndent(file, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s\n", pretty)
	}
	said := strings.NewReplacer(built(t).commit, "COMMIT", `"`+here().Architecture+`"`, `"ARCHITECTURE"`).Replace(text.String())
	golden(t, "config.json", said)
}

func TestTheImagesShareALayer(t *testing.T) {
	shared := map[v1.Hash]bool{}
	for _, c := range commands() {
		layers, err := image(t, c.Name).Layers()
		if err != nil || len(layers) != 2 {
			t.Fatalf("%s: %d layers, %v", c.Name, len(layers), err)
		}
		d, err := layers[0].Digest()
		if err != nil {
			t.Fatal(err)
		}
		shared[d] = true
	}
	if len(shared) != 1 {
		t.Errorf("the first layers differ: %v", slices.Collect(maps.Keys(shared)))
	}
}

func TestTheCertificatesCanBeRead(t *testing.T) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificates())
	roots := strings.Count(string(certificates()), "BEGIN CERTIFICATE")
	if roots < 80 {
		t.Errorf("there are only %d certificates", roots)
	}
	isrg := false                             // its subject says so in every certificate of Let's Encrypt's root
	for _, subject := range pool.Subjects() { //nolint:staticcheck // the pool is ours, not the system's
		isrg = isrg || strings.Contains(string(subject), "ISRG Root X1")
	}
	if !isrg {
		t.Error("the root of Let's Encrypt is not among the certificates")
	}
}
