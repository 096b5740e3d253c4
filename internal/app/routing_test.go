package app

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

const running = `
oidc: {issuer: "https://id.example.org/realms/x"}
database: {url: "postgres://f@db/llmgw"}
redis: {url: "redis://r:6379/0"}
backends:
  - {name: anthropic, dialects: [anthropic], base_url: "https://a.example.org", auth: {mode: none}, max_concurrent: 7}
  - {name: internal, dialects: [openai], base_url: "http://vllm:8000", auth: {mode: none}}
`

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func TestAChangedFileIsPutInForceWholeOrNotAtAll(t *testing.T) {
	file := filepath.Join(t.TempDir(), "frontend.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(running)
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ReloadInterval = time.Millisecond
	registry, said := prometheus.NewRegistry(), &journal{}
	r, err := newRoutes(cfg, backend.Environment{Transport: http.DefaultTransport}, telemetry.NewReloads(registry), slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	first := r.table.Load()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.watch(ctx, file, cfg) }()
	defer func() { stop(); <-ended }()
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not yet: %s\n%s", what, said)
			}
		}
	}
	refused := func(want float64) func() bool {
		return func() bool {
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "gateway_config_refused" })
			return families[i].GetMetric()[0].GetGauge().GetValue() == want
		}
	}

	write(running + "tiers: {gold: {routes: [{match: \"*\", backend: internal}]}, lead: {routes: [{match: \"*\", backend: nowhere}]}}\n")
	until("refused", refused(1))
	if r.table.Load() != first || !strings.Contains(said.String(), `no backend \"nowhere\"`) {
		t.Fatalf("a half of a file came into force, or nobody was told why:\n%s", said)
	}

	write(running + "http: {listen: \":1\"}\ntiers: {gold: {routes: [{match: \"*\", backend: internal}]}}\n")
	until("in force", func() bool { return r.table.Load() != first })
	until("no longer refused", refused(0))
	if _, err := r.table.Load().Routes.Plan("gold"); err != nil {
		t.Error(err)
	}
	if r.table.Load().Backends["anthropic"].Gate != first.Backends["anthropic"].Gate {
		t.Error("the requests at a backend are no longer counted together")
	}
	until("what needs a restart is named", func() bool { return strings.Contains(said.String(), `sections="http`) })
}
