package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// nonroot is the user that every image runs as.
const nonroot = 65532

// entry is a file of a layer, or a directory if its path ends in a slash. Root owns all of them.
type entry struct {
	path    string
	mode    int64
	content []byte
}

// baseLayer has what a static binary still wants of a system: certificates, a name for its user, and a place for its
// temporary files. The time zones are in the binary.
func baseLayer() (v1.Layer, error) {
	passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:%d:%[1]d:nonroot:/nonexistent:/sbin/nologin\n", nonroot)
	group := fmt.Sprintf("root:x:0:\nnonroot:x:%d:\n", nonroot)
	return layer(
		entry{path: "etc/", mode: 0o755},
		entry{path: "etc/group", mode: 0o644, content: []byte(group)},
		entry{path: "etc/passwd", mode: 0o644, content: []byte(passwd)},
		entry{path: "etc/ssl/", mode: 0o755},
		entry{path: "etc/ssl/certs/", mode: 0o755},
		entry{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: certificates()},
		entry{path: "tmp/", mode: 0o1777},
	)
}

// binaryLayer has one command.
func binaryLayer(c Command, binary []byte) (v1.Layer, error) {
	return layer(
		entry{path: "usr/", mode: 0o755},
		entry{path: "usr/local/", mode: 0o755},
		entry{path: "usr/local/bin/", mode: 0o755},
		entry{path: c.binaryPath(), mode: 0o755, content: binary},
	)
}

// certificates are the roots that Mozilla trusts, in PEM. Those that it trusts with reservations are left out: a file of
// certificates cannot say them.
func certificates() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return text.Bytes()
}

// layer packs the entries, in their order, without a time.
func layer(entries ...entry) (v1.Layer, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, e := range entries {
		h := &tar.Header{Name: e.path, Mode: e.mode, Size: int64(len(e.content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil { // a slash at the end makes it a directory
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
}
