package arch

// Rules is what a tree of Go files has to obey. Packages are named by their directory relative to the root,
// with slashes; a name that ends in "/*" stands for every directory directly below.
type Rules struct {
	// Module is the module path: imports below it are the repository's own.
	Module string
	// Layers, lowest first. A package imports only packages of lower layers. Every package under the
	// directories of Covered is named here, except those that serve tests: their names end in "test".
	Layers [][]string
	// Covered are the top directories whose packages the layers name.
	Covered []string
	// Sideways lists the imports allowed within one layer: importer to imported.
	Sideways map[string][]string
	// Sole maps an import path, with all below it, to the packages that may import it.
	Sole map[string][]string
	// Pure maps a package to everything that it may import beside the standard library and lower layers.
	Pure map[string][]string
	// Denied maps a package to import paths, each with all below it, that it may not import.
	Denied map[string][]string
	// MaxLines is the greatest length of a file that is no test; MaxMain that of a main.go.
	MaxLines, MaxMain int
	// Long lists the files that may exceed MaxLines, each with the reason.
	Long map[string]string
	// Skip lists directories that are not looked into.
	Skip []string
}

// Repository returns the rules of this repository.
func Repository() Rules {
	return Rules{
		Module: "github.com/openova-io/llm-gateway",
		Layers: [][]string{
			// Nouns, rules and leaf helpers: no I/O beyond reading what they are handed. docs has what is served of them.
			{"docs", "internal/gateway", "internal/sse", "internal/config", "internal/jsonscan", "internal/seal", "internal/version"},
			// The wire types of the two dialects, and of the gateway's own endpoints.
			{"internal/anthropic", "internal/openai", "internal/api"},
			{"internal/translate", "internal/wire"},
			// Adapters, each named after its technology, and the steps of the workflows.
			{
				"activities", "internal/backend", "internal/oidc", "internal/pace", "internal/postgres", "internal/record",
				"internal/redis", "internal/spool", "internal/submission", "internal/telemetry", "internal/temporal",
			},
			// Which backend to try next.
			{"internal/routing"},
			// One request and its answer, whatever server it came in by.
			{"internal/exchange"},
			// The items of batches, each an exchange.
			{"internal/batch"},
			{"workflows"},
			{"internal/adapter", "internal/cli", "internal/httpapi", "internal/relay"},
			// The only place that wires them together.
			{"internal/app"},
			{"cmd/*"},
		},
		Covered: []string{"activities", "cmd", "internal", "workflows"},
		Sideways: map[string][]string{
			"internal/config": {"internal/gateway"}, // it reads the tiers and routes in the terms of the rules
		},
		Sole: map[string][]string{
			"github.com/jackc/pgx":        {"internal/postgres"},
			"github.com/pressly/goose":    {"internal/postgres"},
			"database/sql":                {"internal/postgres"},
			"github.com/redis/go-redis":   {"internal/redis"},
			"github.com/coreos/go-oidc":   {"internal/oidc"},
			"github.com/gin-gonic/gin":    {"internal/httpapi", "internal/app"},
			"github.com/knadh/koanf":      {"internal/config"},
			"github.com/spf13/cobra":      {"cmd/*", "internal/app", "internal/cli"},
			"github.com/stretchr/testify": {},
		},
		Pure: map[string][]string{
			"internal/gateway": {"github.com/google/uuid"},
			"internal/sse":     {},
		},
		Denied: map[string][]string{
			"workflows": {
				"crypto/rand", "database/sql", "io/fs", "log", "math/rand", "net", "os", "syscall",
				"github.com/openova-io/llm-gateway/internal/backend",
				"github.com/openova-io/llm-gateway/internal/oidc",
				"github.com/openova-io/llm-gateway/internal/postgres",
				"github.com/openova-io/llm-gateway/internal/record",
				"github.com/openova-io/llm-gateway/internal/redis",
				"github.com/openova-io/llm-gateway/internal/spool",
			},
			"internal/gateway": {"database/sql", "log", "net", "os", "syscall"},
		},
		MaxLines: 300,
		MaxMain:  60,
		Long:     map[string]string{},
		Skip:     []string{".git", ".run", "bin", "node_modules", "testdata", "vendor"},
	}
}
