package adapter

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// recheck is how often the file with the models is looked at again.
const recheck = time.Second

//go:embed models.yaml
var builtin []byte

// models tell which model the backend is asked for in place of the one that a client names. A name that ends in *
// stands for all that begin so.
type models map[string]string

// models are the configured ones.
func (c *Config) models() (models, error) {
	switch {
	case c.ModelMapFile != "":
		text, err := os.ReadFile(c.ModelMapFile)
		if err != nil {
			return nil, fmt.Errorf("MODEL_MAP_FILE: %w", err)
		}
		m, err := parseModels(text)
		if err != nil {
			return nil, fmt.Errorf("MODEL_MAP_FILE %s: %w", c.ModelMapFile, err)
		}
		return m, nil
	case c.Backend == gateway.Anthropic:
		return parseModels(builtin)
	}
	return nil, nil
}

// parseModels reads a map from YAML, of which JSON is a part.
func parseModels(text []byte) (models, error) {
	var m models
	if err := yaml.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	if len(m) == 0 {
		return nil, errors.New("there is no model in it")
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch {
		case strings.Contains(strings.TrimSuffix(name, "*"), "*"):
			wrong = append(wrong, fmt.Errorf("%s: a * stands at the end of a name only", name))
		case m[name] == "" || strings.Contains(m[name], "*"):
			wrong = append(wrong, fmt.Errorf("%s: %q is no model to ask for", name, m[name]))
		}
	}
	return m, errors.Join(wrong...)
}

// resolve is the model to ask for. A name that nothing is said of stands for itself.
func (m models) resolve(name string) (model string, known bool) {
	if model, known = m[name]; known {
		return model, true
	}
	for end := len(name); end >= 0; end-- {
		if model, known = m[name[:end]+"*"]; known {
			return model, true
		}
	}
	return name, false
}

// names are those of the clients and of the backend, for the list of models.
func (m models) names() []string {
	var all []string
	for name, model := range m {
		if all = append(all, model); !strings.HasSuffix(name, "*") {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// modelFile keeps the models as their file has them. A file that cannot be used leaves the last ones in force.
type modelFile struct {
	path    string
	log     *slog.Logger
	refused prometheus.Gauge // 1 while the file is not what is in force

	current atomic.Pointer[models]
	text    []byte // of the file as last read
	trouble string // why it is refused; "" if it is not
}

// follow looks at the file until ctx ends.
func (f *modelFile) follow(ctx context.Context) {
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.look()
		}
	}
}

// look takes over what the file says, if it has changed. Each trouble is logged once.
func (f *modelFile) look() {
	text, err := os.ReadFile(f.path)
	if err == nil && f.text != nil && bytes.Equal(text, f.text) {
		return
	}
	var m models
	if f.text = text; err == nil {
		m, err = parseModels(text)
	}
	if err != nil {
		f.refused.Set(1)
		if f.trouble != err.Error() {
			f.log.Error("the model map is refused; the last good one stays in force", "file", f.path, "error", err)
		}
		f.trouble = err.Error()
		return
	}
	f.refused.Set(0)
	f.trouble = ""
	f.current.Store(&m)
	f.log.Info("the model map was read", "file", f.path, "models", len(m))
}
