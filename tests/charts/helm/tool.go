package helm

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Tool is a helm binary.
type Tool struct {
	Name string // "helm 3.22.0"
	Path string
}

// Tools returns both helms, which `make helm` builds.
func Tools(t testing.TB) []Tool {
	t.Helper()
	var all []Tool
	for _, name := range []string{"helm3", "helm4"} {
		path := filepath.Join(Root(), "bin", "tools", name)
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: run `make helm`", err)
		}
		all = append(all, Tool{Name: "helm " + strings.TrimPrefix(info.Main.Version, "v"), Path: path})
	}
	return all
}

// Root is the directory of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(file))))
}

// Command is a run of the tool that sees nothing of its user: no repositories, no plugins, no cluster. To give it a
// cluster, append KUBECONFIG=… to the environment.
func (tool Tool) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(tool.Path, args...)
	for _, kept := range os.Environ() {
		if !strings.HasPrefix(kept, "HELM_") && !strings.HasPrefix(kept, "KUBE") {
			cmd.Env = append(cmd.Env, kept)
		}
	}
	home := filepath.Join(scratch(), strings.ReplaceAll(tool.Name, " ", "-"))
	cmd.Env = append(cmd.Env,
		"HELM_CACHE_HOME="+filepath.Join(home, "cache"), "HELM_CONFIG_HOME="+filepath.Join(home, "config"),
		"HELM_DATA_HOME="+filepath.Join(home, "data"), "KUBECONFIG="+filepath.Join(home, "no-cluster"))
	return cmd
}

// scratch is the temporary directory of the process, which Main removes.
//
//nolint:gochecknoglobals // it outlives the tests that share it
var scratch = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "llmgw-charts-")
	if err != nil {
		panic(err)
	}
	return dir
})
