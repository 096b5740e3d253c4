package oci

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/openova-io/llm-gateway/tools/image/imagetest"
)

// repository is the working tree that is tested.
const repository = "../../.."

// here is the platform whose images can be run here.
func here() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// world is the images of the working tree, as a commit of it would have them.
type world struct {
	clone, layout, commit string
}

var once struct {
	sync.Mutex
	tried bool
	dir   string
	world *world
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(once.dir)
	if err := imagetest.Impossible(); err != nil {
		fmt.Println("images: the run SKIPPED:", err)
	}
	os.Exit(code)
}

// built returns the world, which is built once for all tests.
func built(t *testing.T) *world {
	t.Helper()
	once.Lock()
	defer once.Unlock()
	if !once.tried {
		once.tried = true
		dir, err := os.MkdirTemp("", "images-")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil { // the images' user has to get in
			t.Fatal(err)
		}
		once.dir = dir
		once.world = build(t, clone(t, repository, filepath.Join(dir, "clone"), 0o644), filepath.Join(dir, "layout"))
	}
	if once.world == nil {
		t.Fatal("the images could not be built; another test tells why")
	}
	return once.world
}

// build builds a clone's images for this machine.
func build(t *testing.T, clone, layout string) *world {
	t.Helper()
	begin := time.Now()
	var said bytes.Buffer
	err := Build(t.Context(), Options{Root: clone, Output: layout, Platforms: []v1.Platform{here()}, Progress: &said})
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	t.Logf("images built in %s", time.Since(begin).Round(time.Second))
	return &world{clone: clone, layout: layout, commit: run(t, clone, "git", "rev-parse", "HEAD")}
}

// clone copies a working tree, with what is in no commit yet, and commits it: the same files give the same commit.
func clone(t *testing.T, from, dir string, mode fs.FileMode) string {
	t.Helper()
	for name := range strings.SplitSeq(run(t, from, "git", "ls-files", "-co", "--exclude-standard", "-z"), "\x00") {
		info, err := os.Lstat(filepath.Join(from, name))
		if err != nil || !info.Mode().IsRegular() {
			continue // deleted, or the end of the list
		}
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, text, mode|info.Mode()&0o100); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "git", "init", "--quiet")
	run(t, dir, "git", "add", "--all")
	run(t, dir, "git", "commit", "--quiet", "--message", "as it is")
	return dir
}

// run runs a command and returns what it says. Git makes the same commit of the same files, whoever the user is.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org", "GIT_COMMITTER_DATE=1700000000 +0000")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, &said)
	}
	return strings.TrimSpace(string(out))
}

// withUmask runs f with another umask.
func withUmask(mask int, f func()) {
	old := syscall.Umask(mask)
	defer syscall.Umask(old)
	f()
}
