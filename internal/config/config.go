// Package config is the one typed configuration of every binary of the gateway. It is loaded once, from a YAML
// file and the environment over the defaults, and it is strict: a key nobody reads is an error, and all errors
// are reported together.
package config

import (
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Config is everything an operator can choose. The defaults are in [Default].
type Config struct {
	HTTP     HTTP            `koanf:"http"`
	OIDC     OIDC            `koanf:"oidc"`
	Database Database        `koanf:"database"`
	Redis    Redis           `koanf:"redis"`
	Temporal Temporal        `koanf:"temporal"`
	Audit    Audit           `koanf:"audit"`
	Quota    Quota           `koanf:"quota"`
	Worker   Worker          `koanf:"worker"`
	Batch    Batch           `koanf:"batch"`
	Upstream Upstream        `koanf:"upstream"`
	Backends []Backend       `koanf:"backends"`
	Models   []Model         `koanf:"models"`
	Prices   []Price         `koanf:"prices"`
	Tiers    map[string]Tier `koanf:"tiers"`

	Classes   []Class    `koanf:"classes"`   // of models that have limits of their own
	Overrides []Override `koanf:"overrides"` // of the tiers' limits
	Log       Log        `koanf:"log"`

	ReloadInterval time.Duration `koanf:"reload_interval"` // between looks at the file for new backends, models, prices, tiers, classes and overrides; 0: only at SIGHUP
}

// HTTP is what the process listens on and how patient it is with its clients.
type HTTP struct {
	Listen        string        `koanf:"listen"`         // the clients' endpoint
	MetricsListen string        `koanf:"metrics_listen"` // /metrics, and the worker's /health and /ready; "" turns it off
	MaxBody       int64         `koanf:"max_body"`       // bytes of a request body; 413 above
	HeaderTimeout time.Duration `koanf:"header_timeout"` // to read a request's headers
	ReadTimeout   time.Duration `koanf:"read_timeout"`   // to read a whole request
	WriteTimeout  time.Duration `koanf:"write_timeout"`  // for one write to a client that does not read
	DrainDelay    time.Duration `koanf:"drain_delay"`    // between "not ready" and closing the listener
	DrainTimeout  time.Duration `koanf:"drain_timeout"`  // for running requests to end after SIGTERM
	PingInterval  time.Duration `koanf:"ping_interval"`  // of silence before a stream is sent a ping
}

// Database is the audit store. The frontend, the worker and the migration each use a role of their own.
type Database struct {
	URL             string        `koanf:"url"`
	AuditorURL      string        `koanf:"auditor_url"`      // with a login in the role llmgw_auditor, by which a frontend shows the record; "" shows none
	AuditorPassword string        `koanf:"auditor_password"` // in place of that URL's; LLMGW_DATABASE__AUDITOR_PASSWORD keeps it out of files
	MaxConns        int32         `koanf:"max_conns"`
	ConnectTimeout  time.Duration `koanf:"connect_timeout"`
}

// Redis is the quota's store.
type Redis struct {
	URL      string        `koanf:"url"`
	Username string        `koanf:"username"` // in place of the URL's
	Password string        `koanf:"password"` // in place of the URL's; LLMGW_REDIS__PASSWORD keeps it out of files
	Timeout  time.Duration `koanf:"timeout"`  // for one reservation or settlement
}

// Audit is how requests are put on record.
type Audit struct {
	Mode          string        `koanf:"mode"`            // "strict": on record before it leaves; "async": behind a bounded queue
	CommitTimeout time.Duration `koanf:"commit_timeout"`  // for one commit; then a request is refused, an outcome spooled
	Queue         int           `koanf:"queue"`           // records that may wait for a commit
	Writers       int           `koanf:"writers"`         // transactions in flight at once
	BatchRows     int           `koanf:"batch_rows"`      // records in one transaction
	SpoolDir      string        `koanf:"spool_dir"`       // where outcomes wait while the database is away
	SpoolMaxBytes int64         `koanf:"spool_max_bytes"` // new requests are refused when it is reached
	SpoolWait     time.Duration `koanf:"spool_wait"`      // that a frontend which leaves waits for the database to take the spool, where the directory goes with it; 0 leaves the records for the next start
	LeaseTTL      time.Duration `koanf:"lease_ttl"`       // without a heartbeat for this long a frontend counts as dead
	SealKeyFile   string        `koanf:"seal_key_file"`   // Ed25519, PKCS#8 in PEM: the worker signs the ledger's seals with it; "" does not
}

// Quota is how use is counted.
type Quota struct {
	Timezone string `koanf:"timezone"` // whose calendar day is the window
}

// Worker is how fast and how patiently the worker settles.
type Worker struct {
	RelayInterval       time.Duration `koanf:"relay_interval"`        // between looks at an empty outbox
	RelayConcurrency    int           `koanf:"relay_concurrency"`     // workflow starts in flight
	BacklogThreshold    int           `koanf:"backlog_threshold"`     // waiting outcomes above which many are settled at once
	BacklogChunk        int           `koanf:"backlog_chunk"`         // requests that one such workflow settles
	LongRunningAfter    time.Duration `koanf:"long_running_after"`    // when a running request becomes visible as a workflow
	LongRunningDeadline time.Duration `koanf:"long_running_deadline"` // the start delay of such a workflow
	SweepInterval       time.Duration `koanf:"sweep_interval"`
	SealInterval        time.Duration `koanf:"seal_interval"`      // between two seals of the ledger
	LeaseRecheck        time.Duration `koanf:"lease_recheck"`      // a frontend is found dead twice, this far apart
	LeakAge             time.Duration `koanf:"leak_age"`           // a reservation nobody has on record is released after this
	ReconcileInterval   time.Duration `koanf:"reconcile_interval"` // between two comparisons of Redis with the ledger
}

// Upstream is how patient the gateway is with backends.
type Upstream struct {
	ConnectTimeout   time.Duration `koanf:"connect_timeout"`
	FirstByteTimeout time.Duration `koanf:"first_byte_timeout"` // of a streamed answer, while there is another target to try
	HeaderTimeout    time.Duration `koanf:"header_timeout"`     // until the response begins; long non-streaming answers need minutes
	IdleTimeout      time.Duration `koanf:"idle_timeout"`       // between two bytes of a response
	RetryWait        time.Duration `koanf:"retry_wait"`         // that one request may wait, in all, before it is sent again
	EjectAfter       int           `koanf:"eject_after"`        // failures in a row after which a backend is left alone
	EjectFor         time.Duration `koanf:"eject_for"`          // the first time; twice as long after each failed probe
	EjectMax         time.Duration `koanf:"eject_max"`          // and no longer than this
}

// The kinds of backend.
const (
	KindHTTP    = "http"    // the Anthropic API, vLLM, any OpenAI-compatible service
	KindBedrock = "bedrock" // Claude on Amazon Bedrock
	KindVertex  = "vertex"  // Claude and Gemini on Google Vertex AI
)

// Backend is a service that answers prompts.
type Backend struct {
	Name          string            `koanf:"name"`
	Kind          string            `koanf:"kind"`            // "http" if empty
	Dialects      []string          `koanf:"dialects"`        // "anthropic", "openai": what it speaks
	BaseURL       string            `koanf:"base_url"`        // without /v1; for a cloud only in place of its own address
	Auth          Auth              `koanf:"auth"`            // of kind http; clouds use their default credential chains
	Region        string            `koanf:"region"`          // bedrock: "eu-central-1"; "" takes it from the environment
	Project       string            `koanf:"project"`         // vertex
	Location      string            `koanf:"location"`        // vertex: "europe-west1" or "global"
	Models        map[string]string `koanf:"models"`          // this backend's own names: model → name; "*" is for the rest, "{model}" in a name is the model
	Betas         Betas             `koanf:"betas"`           // Anthropic beta features that it refuses
	Threads       *bool             `koanf:"threads"`         // anthropic: it keeps message threads; if absent, true for auth modes operator and caller
	MaxTokens     int64             `koanf:"max_tokens"`      // to ask for where a client of the other dialect names no limit
	MaxTokensName string            `koanf:"max_tokens_name"` // openai: what it calls the limit, for Anthropic clients; max_tokens if empty, OpenAI's own models want max_completion_tokens
	Reasoning     bool              `koanf:"reasoning"`       // openai: it takes reasoning_effort, for Anthropic clients that ask for thinking
	StreamUsage   *bool             `koanf:"stream_usage"`    // openai: it takes stream_options.include_usage; true if absent
	MaxConcurrent int               `koanf:"max_concurrent"`  // requests at once; 0 is no limit
	QueueWait     time.Duration     `koanf:"queue_wait"`      // that a request waits for its turn; 5 s if 0
}

// Betas are what a backend is not sent of the Anthropic API's beta features: some refuse requests that name one they
// do not know. What a backend refuses by name is left out as well, from then on.
type Betas struct {
	Add    []string            `koanf:"add"`    // that every request is given, as some credentials want
	Drop   []string            `koanf:"drop"`   // values of the anthropic-beta header; "*" for all
	Keep   []string            `koanf:"keep"`   // that are sent although "*" is dropped
	Fields map[string][]string `koanf:"fields"` // beta → fields of the body that go with it, beside those the gateway knows
}

// Auth is the credential a backend is called with.
type Auth struct {
	Mode      string `koanf:"mode"`       // "operator" (ANTHROPIC_OAUTH_TOKEN or token_file), "bearer" (token_file), "caller" (the caller's own login) or "none"
	TokenFile string `koanf:"token_file"` // read again when it changes
}

// Model is a line of GET /v1/models.
type Model struct {
	ID          string `koanf:"id"`
	DisplayName string `koanf:"display_name"`
	OwnedBy     string `koanf:"owned_by"`
	CreatedAt   string `koanf:"created_at"` // RFC 3339
}

// Route sends the models it matches to one backend, or to the targets in turn.
type Route struct {
	Match    string   `koanf:"match"`    // a model id, a family ("haiku"), a vendor ("claude") or "*"
	Backend  string   `koanf:"backend"`  // short for one target
	Model    string   `koanf:"model"`    // of that target
	Targets  []Target `koanf:"targets"`  // in the order they are tried
	Attempts int      `koanf:"attempts"` // at most, before the client is told of a failure; 0: each target once
	Batch    string   `koanf:"batch"`    // "native": items of batches are handed to the batch API of the first target's backend; "" sends each by itself
}

// Target is one place that a route leads to.
type Target struct {
	Backend string `koanf:"backend"`
	Model   string `koanf:"model"`  // asked for instead of the requested one; "" leaves it
	Weight  int    `koanf:"weight"` // its share among the targets with a weight, which come before those without
}

// Price is what a model costs, in units of your currency per million tokens.
type Price struct {
	Match      string  `koanf:"match"` // a model id, a family, a vendor or "*"; the first that matches decides
	Input      float64 `koanf:"input"`
	Output     float64 `koanf:"output"`
	CacheRead  float64 `koanf:"cache_read"`
	CacheWrite float64 `koanf:"cache_write"`
}

// Log is what the process says of itself, as JSON lines on standard error.
type Log struct {
	Level string `koanf:"level"` // debug, info, warn, error
}

// Zone is the quota's time zone.
func (c *Config) Zone() (*time.Location, error) { return time.LoadLocation(c.Quota.Timezone) }

// Routes is the tier × model table in the gateway's own terms.
func (c *Config) Routes() gateway.Routes {
	routes := make(gateway.Routes, len(c.Tiers))
	for name, tier := range c.Tiers {
		plan := gateway.Plan{Limits: tier.limits()}
		for _, r := range tier.Routes {
			plan.Rules = append(plan.Rules, r.rule())
		}
		routes[gateway.Tier(name)] = plan
	}
	return routes
}

func (r Route) rule() gateway.Rule {
	rule := gateway.Rule{Match: r.Match, Attempts: r.Attempts, Native: r.Batch == BatchNative}
	for _, t := range r.targets() {
		rule.Choices = append(rule.Choices, gateway.Choice{Target: gateway.Target{Backend: t.Backend, Model: t.Model}, Weight: t.Weight})
	}
	if rule.Attempts == 0 {
		rule.Attempts = len(rule.Choices)
	}
	return rule
}

// targets are the route's targets, however they are written.
func (r Route) targets() []Target {
	if len(r.Targets) == 0 {
		return []Target{{Backend: r.Backend, Model: r.Model}}
	}
	return r.Targets
}

// PriceList is the price table in the gateway's own terms.
func (c *Config) PriceList() gateway.Prices {
	list := make(gateway.Prices, len(c.Prices))
	for i, p := range c.Prices {
		list[i] = gateway.Price(p)
	}
	return list
}
