package oci

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// sample makes a command's image for every platform, of a binary that is no gateway: this test itself.
func sample(t *testing.T, src source) *Image {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binaries := t.TempDir()
	for _, p := range platforms() {
		if err := os.Mkdir(binaryDir(binaries, p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(program, filepath.Join(binaryDir(binaries, p), "worker")); err != nil {
			t.Fatal(err)
		}
	}
	base, err := baseLayer()
	if err != nil {
		t.Fatal(err)
	}
	image, err := newImage(commands()[1], src, base, binaries, platforms())
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestWhatIsPublishedCanBePulled(t *testing.T) {
	src := source{Tag: strings.Repeat("5f", 20), Created: time.Unix(1700000000, 0).UTC()}
	image := sample(t, src)
	for kind, options := range map[string][]registry.Option{
		"a registry that knows referrers":    {registry.WithReferrersSupport(true)},
		"a registry that knows no referrers": {registry.WithReferrersSupport(false)},
	} {
		t.Run(kind, func(t *testing.T) {
			var stored []string
			handler := registry.New(append(options, registry.Logger(log.New(io.Discard, "", 0)))...)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut || r.Method == http.MethodPatch {
					stored = append(stored, r.Method+" "+r.URL.Path)
				}
				handler.ServeHTTP(w, r)
			}))
			defer server.Close()
			prefix := strings.TrimPrefix(server.URL, "http://") + "/openova-io/llm-gateway"
			if err := publish(t.Context(), prefix, src.Tag, image); err != nil {
				t.Fatal(err)
			}
			pull(t, prefix+"/worker:"+src.Tag, image)

			stored = nil
			if err := publish(t.Context(), prefix, src.Tag, image); err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(stored, func(s string) bool { return strings.Contains(s, "/blobs/") }) {
				t.Errorf("publishing again sent what was there: %q", stored)
			}
			pull(t, prefix+"/worker:"+src.Tag, image)

			other := sample(t, source{Tag: src.Tag, Created: src.Created.Add(time.Second)})
			if err := publish(t.Context(), prefix, src.Tag, other); err == nil || !strings.Contains(err.Error(), "must give the same image") {
				t.Errorf("a tag was moved: %v", err)
			}
		})
	}
}

// pull checks that a registry has an image as it was built, for both platforms, each with its bill.
func pull(t *testing.T, tag string, built *Image) {
	t.Helper()
	ref, err := name.NewTag(tag)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != len(built.Bills) {
		t.Fatalf("%d platforms, and %d bills", len(manifest.Manifests), len(built.Bills))
	}
	for i, one := range manifest.Manifests {
		found, err := remote.Referrers(ref.Context().Digest(one.Digest.String()), remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		referrers, err := found.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		want, err := digest(built.Bills[i].Referrer)
		if err != nil {
			t.Fatal(err)
		}
		if len(referrers.Manifests) != 1 || referrers.Manifests[0].Digest.String() != want {
			t.Fatalf("%s: referrers are %v, not its bill %s", one.Platform, referrers.Manifests, want)
		}
		bill, err := remote.Image(ref.Context().Digest(want), remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		if stored, err := bill.Manifest(); err != nil || stored.ArtifactType != billType || stored.Subject.Digest != one.Digest {
			t.Errorf("%s: the bill's manifest is %+v, %v", one.Platform, stored, err)
		}
	}
}

func TestARegistryThatFailsIsAnError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	src := source{Tag: strings.Repeat("5f", 20)}
	if err := publish(ctx, strings.TrimPrefix(server.URL, "http://"), src.Tag, sample(t, src)); err == nil {
		t.Error("no error from a registry that lets nobody in")
	}
}
