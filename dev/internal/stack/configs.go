package stack

// The configuration files of the gateway's processes, as far as the stack has a
// say in them; the rest has defaults.

type frontendConfig struct {
	HTTP     httpConfig       `yaml:"http"`
	OIDC     oidcConfig       `yaml:"oidc"`
	Database frontendDatabase `yaml:"database"`
	Redis    urlConfig        `yaml:"redis"`
	Audit    auditConfig      `yaml:"audit"`
	Batch    batchConfig      `yaml:"batch"`
	Backends []backendConfig  `yaml:"backends"`
}

type workerConfig struct {
	Temporal temporalConfig  `yaml:"temporal"`
	Database urlConfig       `yaml:"database"`
	Redis    urlConfig       `yaml:"redis"`
	HTTP     httpConfig      `yaml:"http"`
	Batch    batchConfig     `yaml:"batch"`
	Backends []backendConfig `yaml:"backends"`
}

type migrateConfig struct {
	Database urlConfig `yaml:"database"`
}

type httpConfig struct {
	Listen        string `yaml:"listen,omitempty"`
	MetricsListen string `yaml:"metrics_listen"`
}

type oidcConfig struct {
	Issuer    string `yaml:"issuer"`
	Audience  string `yaml:"audience"`
	TierClaim string `yaml:"tier_claim"`
	UserClaim string `yaml:"user_claim"`

	Introspection *introspectionConfig `yaml:"introspection,omitempty"`
}

type introspectionConfig struct {
	Mode             string `yaml:"mode"`
	ClientID         string `yaml:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file"`
}

type urlConfig struct {
	URL string `yaml:"url"`
}

type frontendDatabase struct {
	URL        string `yaml:"url"`
	AuditorURL string `yaml:"auditor_url"`
}

type auditConfig struct {
	Mode     string `yaml:"mode"`
	SpoolDir string `yaml:"spool_dir"`
}

type batchConfig struct {
	SubmissionKeyFile string `yaml:"submission_key_file"`
}

type backendConfig struct {
	Name     string            `yaml:"name"`
	Kind     string            `yaml:"kind,omitempty"`
	Dialects []string          `yaml:"dialects,flow"`
	BaseURL  string            `yaml:"base_url"`
	Auth     authConfig        `yaml:"auth,flow,omitempty"`
	Region   string            `yaml:"region,omitempty"`
	Project  string            `yaml:"project,omitempty"`
	Location string            `yaml:"location,omitempty"`
	Models   map[string]string `yaml:"models,flow,omitempty"`
}

type authConfig struct {
	Mode      string `yaml:"mode"`
	TokenFile string `yaml:"token_file,omitempty"`
}

type temporalConfig struct {
	Address         string `yaml:"address"`
	Namespace       string `yaml:"namespace"`
	CreateNamespace bool   `yaml:"create_namespace"`
}
