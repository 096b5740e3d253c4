package oci

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// versionVariable is what the commands answer --version with.
const versionVariable = "github.com/openova-io/llm-gateway/internal/version.commit"

// scratch makes a directory for binaries, where git does not see it.
func scratch(root string) (string, error) {
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o750); err != nil {
		return "", err
	}
	return os.MkdirTemp(bin, "image-")
}

// binaryDir is where compile puts the binaries of a platform.
func binaryDir(binaries string, p v1.Platform) string {
	return filepath.Join(binaries, p.OS+"-"+p.Architecture)
}

// compile builds the commands for a platform, without anything of this machine in them. tools/gobuild.sh tells how far it is.
func compile(ctx context.Context, root, binaries string, p v1.Platform, version string, progress io.Writer) error {
	out := binaryDir(binaries, p)
	if err := os.Mkdir(out, 0o750); err != nil {
		return err
	}
	relative, err := filepath.Rel(root, out)
	if err != nil {
		return err
	}
	args := []string{
		".", relative + "/",
		"-trimpath", "-buildvcs=false", "-tags=timetzdata", "-ldflags=-s -w -buildid= -X " + versionVariable + "=" + version,
	}
	for _, c := range commands() {
		args = append(args, "./cmd/"+c.Name)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "tools", "gobuild.sh"), args...) //nolint:gosec // of the repository that is built
	cmd.Dir, cmd.Env = root, environment(p)
	cmd.Stdout, cmd.Stderr = progress, progress
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // so that it takes its ticker with it
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("compile for %s: %w", p, err)
	}
	return nil
}

// environment is this process's, but for everything that would change the binaries.
func environment(p v1.Platform) []string {
	set := map[string]string{
		"CGO_ENABLED": "0", "GOOS": p.OS, "GOARCH": p.Architecture, "GOAMD64": "v1", "GOARM64": "v8.0", "GOEXPERIMENT": "", "GOFIPS140": "off",
		"GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOTOOLCHAIN": runtime.Version(),
	}
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool { //nolint:forbidigo // for the compiler: its cache, the module proxy
		name, _, _ := strings.Cut(variable, "=")
		_, ours := set[name]
		return ours
	})
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	return env
}
