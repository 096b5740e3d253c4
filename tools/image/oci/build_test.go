package oci

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestACommitGivesTheSameBytesWhereverItIsBuilt(t *testing.T) {
	first := built(t)
	dir := t.TempDir()
	var second *world
	withUmask(0o077, func() { // another path, other times, other modes
		second = build(t, clone(t, first.clone, filepath.Join(dir, "a", "much deeper", "path"), 0o600), filepath.Join(dir, "layout"))
	})
	if first.commit != second.commit {
		t.Fatalf("the clones are of different commits, %s and %s", first.commit, second.commit)
	}
	compare(t, first.layout, second.layout)
}

// compare compares two directories, file by file.
func compare(t *testing.T, a, b string) {
	t.Helper()
	files := map[string]string{}
	for _, dir := range []string{a, b} {
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			name := strings.TrimPrefix(path, dir)
			if dir == a {
				files[name] = string(text)
			} else if was, ok := files[name]; !ok || was != string(text) {
				t.Errorf("%s differs", name)
			} else {
				delete(files, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range files {
		t.Errorf("%s is missing", name)
	}
}

func TestALayoutIsComplete(t *testing.T) {
	w := built(t)
	all, err := layout.ImageIndexFromPath(w.layout)
	if err != nil {
		t.Fatal(err)
	}
	list, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var digests strings.Builder
	for _, c := range commands() {
		found := false
		for _, d := range list.Manifests {
			if d.Annotations["org.opencontainers.image.ref.name"] != c.Name+":"+w.commit {
				continue
			}
			found = true
			digests.WriteString(c.Name + " " + d.Digest.String() + "\n")
			image, err := all.ImageIndex(d.Digest)
			if err == nil {
				err = validate.Index(image)
			}
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
		if !found {
			t.Errorf("%s:%s is not there", c.Name, w.commit)
		}
	}
	text, err := os.ReadFile(filepath.Join(w.layout, digestsFile))
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != digests.String() {
		t.Errorf("%s has\n%s\nthe layout has\n%s", digestsFile, text, &digests)
	}
}

// What cannot be built is refused before anything is compiled.
func TestRefusals(t *testing.T) {
	clean := built(t).clone
	dirty := t.TempDir()
	run(t, dirty, "git", "init", "--quiet")
	run(t, dirty, "git", "commit", "--quiet", "--allow-empty", "--message", "empty")
	if err := os.WriteFile(filepath.Join(dirty, "new.go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir()) // a directory below a repository is a clone otherwise
	for name, c := range map[string]struct {
		options Options
		says    string
	}{
		"a tree with changes":        {Options{Root: dirty}, "commit them, or build with --dev"},
		"no clone":                   {Options{Root: t.TempDir()}, "build in a clone with git, or with --dev"},
		"publishing what is not":     {Options{Root: clean, Dev: true, Push: "registry.example.org"}, "leave out --dev"},
		"publishing a part":          {Options{Root: clean, Push: "registry.example.org", Platforms: []v1.Platform{here()}}, "leave out --platform"},
		"a time that is none":        {Options{Root: clean, Epoch: "yesterday"}, "seconds since 1970"},
		"an output that is not ours": {Options{Root: clean, Output: dirty}, "choose another --output"},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Progress = io.Discard
			err := Build(t.Context(), c.options)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v; it should say %q", err, c.says)
			}
		})
	}
}

func TestTheTimeIsTheCommitsUnlessItIsGiven(t *testing.T) {
	clean := built(t).clone
	for epoch, want := range map[string]int64{"": 1700000000, "86400": 86400} {
		src, err := identify(t.Context(), clean, false, epoch)
		if err != nil || src.Created.Unix() != want {
			t.Errorf("with SOURCE_DATE_EPOCH=%q: %v, %v", epoch, src.Created, err)
		}
	}
	if src, err := identify(t.Context(), clean, true, ""); err != nil || src.Tag != "dev" || src.Created.Unix() != 0 {
		t.Errorf("a development image: %v, %v", src, err)
	}
}
