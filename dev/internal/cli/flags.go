package cli

import (
	"github.com/spf13/pflag"

	"github.com/openova-io/llm-gateway/dev/internal/stack"
)

// addFlags binds the options to flags; what they hold is the default.
func addFlags(flags *pflag.FlagSet, o *stack.Options) {
	flags.SortFlags = false
	flags.StringVar(&o.Dir, "dir", o.Dir, "state `directory`; everything the stack writes is in there")
	flags.BoolVar(&o.Fresh, "fresh", o.Fresh, "delete the state first")
	flags.BoolVar(&o.Ephemeral, "ephemeral", o.Ephemeral, "delete the state at the end")

	flags.IntVar(&o.Ports.Gateway, "port", o.Ports.Gateway, "`port` of the gateway")
	flags.IntVar(&o.Ports.UI, "ui-port", o.Ports.UI, "`port` of the Temporal Web UI")
	flags.IntVar(&o.Ports.Temporal, "temporal-port", o.Ports.Temporal, "`port` of Temporal; 1, 2 and 6 above it are taken too")
	flags.IntVar(&o.Ports.Postgres, "postgres-port", o.Ports.Postgres, "`port` of PostgreSQL")
	flags.IntVar(&o.Ports.Redis, "redis-port", o.Ports.Redis, "`port` of Redis")
	flags.IntVar(&o.Ports.Issuer, "issuer-port", o.Ports.Issuer, "`port` of the OIDC issuer")
	flags.IntVar(&o.Ports.Model, "model-port", o.Ports.Model, "`port` of the mock model")
	flags.IntVar(&o.Ports.Control, "control-port", o.Ports.Control, "`port` of the control API")
	flags.IntVar(&o.Ports.GatewayMetrics, "metrics-port", o.Ports.GatewayMetrics, "`port` of the frontend's metrics")
	flags.IntVar(&o.Ports.WorkerMetrics, "worker-metrics-port", o.Ports.WorkerMetrics, "`port` of the worker's metrics")
	flags.IntVar(&o.Ports.TemporalMetrics, "temporal-metrics-port", o.Ports.TemporalMetrics, "`port` of Temporal's metrics")
	flags.BoolVar(&o.RandomPorts, "random-ports", o.RandomPorts, "take free ports in place of all of the above")

	flags.BoolVar(&o.EmbeddedRedis, "embedded-redis", o.EmbeddedRedis, "run the embedded Redis though there is a redis-server in PATH, or in tools beside this binary")
	flags.IntVar(&o.Shards, "shards", o.Shards, "history shards of Temporal; only the first start decides")

	flags.BoolVar(&o.Keycloak, "keycloak", o.Keycloak, "run a real Keycloak, which wants Java, in place of the issuer; it is fetched once")

	flags.StringVar(&o.FrontendBinary, "frontend", o.FrontendBinary, "`path` of the frontend (default: beside this binary)")
	flags.StringVar(&o.WorkerBinary, "worker", o.WorkerBinary, "`path` of the worker (default: beside this binary)")
	flags.IntVar(&o.Frontends, "frontends", o.Frontends, "`number` of frontends; all but the first get free ports")
	flags.BoolVar(&o.NoGateway, "no-gateway", o.NoGateway, "start only what the gateway needs")
	flags.StringVar(&o.AuditMode, "audit-mode", o.AuditMode, "audit.mode of the frontends: strict or async")
	flags.StringArrayVar(&o.Set, "set", nil, "`key=value` put into the configuration of frontends and worker; frontend:key=value or worker:key=value for one of them; repeatable")
	flags.DurationVar(&o.Grace, "grace", o.Grace, "how long frontends and worker may take to stop")

	flags.StringVar(&o.AnthropicURL, "anthropic-url", "", "base `URL` of the anthropic backend in place of the mock; its token comes from ANTHROPIC_OAUTH_TOKEN")
	flags.StringVar(&o.OpenAIURL, "openai-url", "", "base `URL` of the internal backend in place of the mock")
	flags.StringVar(&o.OpenAITokenFile, "openai-token-file", "", "`file` with the token of the internal backend")
}
