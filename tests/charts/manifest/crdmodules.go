package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// module is a Go module whose zip holds CustomResourceDefinitions. Its code is never linked; the sum stands here for
// the reason it stands in a go.sum.
type module struct {
	path, version, sum string
	dir                string   // where its definitions lie, one file each: <group>_<plural>.yaml
	groups             []string // that they define
}

func modules() []module {
	return []module{
		{
			"github.com/external-secrets/external-secrets", "v1.3.2", "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
			"config/crds/bases",
			[]string{"external-secrets.io", "generators.external-secrets.io"},
		},
		{
			"github.com/prometheus-operator/prometheus-operator", "v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
			"example/prometheus-operator-crd",
			[]string{"monitoring.coreos.com"},
		},
		{
			"github.com/cert-manager/cert-manager", "v1.21.2", "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
			"deploy/crds",
			[]string{"cert-manager.io"},
		},
		{
			"sigs.k8s.io/gateway-api", "v1.4.0", "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=",
			"config/crd/standard",
			[]string{"gateway.networking.k8s.io"},
		},
		{
			"github.com/cloudnative-pg/cloudnative-pg", "v1.27.0", "h1:mp0zlYO4vKAJmQdArWORWKr1lmB4Hj8JeBQGX5RBnpg=",
			"config/crd/bases",
			[]string{"postgresql.cnpg.io"},
		},
	}
}

// DefinitionFiles lists the files that define the custom kinds of the charts' groups, one CustomResourceDefinition
// each.
func DefinitionFiles() ([]string, error) {
	var all []string
	for _, m := range modules() {
		dir, err := m.fetch()
		if err != nil {
			return nil, err
		}
		for _, group := range m.groups {
			files, err := filepath.Glob(filepath.Join(dir, m.dir, group+"_*.yaml"))
			if err != nil {
				return nil, err
			}
			if len(files) == 0 {
				return nil, fmt.Errorf("%s has no definition of the group %s in %s", m.path, group, m.dir)
			}
			all = append(all, files...)
		}
	}
	return all, nil
}

// fetched holds the directories of the modules by path.
var fetched sync.Map //nolint:gochecknoglobals // one look into the module cache for a process is enough

// fetch returns the directory of a module, from the module cache or the module proxy.
func (m module) fetch() (string, error) {
	if dir, ok := fetched.Load(m.path); ok {
		return dir.(string), nil
	}
	cmd := exec.Command("go", "mod", "download", "-json", m.path+"@"+m.version)
	cmd.Dir = os.TempDir() // outside of every module, so that no go.sum is written
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, failed := cmd.Output()
	var got struct{ Dir, Sum, Error string }
	if err := json.Unmarshal(out, &got); err != nil || failed != nil || got.Error != "" {
		return "", fmt.Errorf("the definitions of %v are not at hand: %s@%s: %s %s", m.groups, m.path, m.version, got.Error, &stderr)
	}
	if got.Sum != m.sum {
		return "", fmt.Errorf("%s@%s has the sum %s, not %s: it is not what was pinned", m.path, m.version, got.Sum, m.sum)
	}
	fetched.Store(m.path, got.Dir)
	return got.Dir, nil
}
