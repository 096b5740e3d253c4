package adapter

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Config is everything that the operator of an adapter chooses. Each value but the token is a flag, and an environment
// variable of the same name: --default-model is DEFAULT_MODEL.
type Config struct {
	Listen   string
	LogLevel slog.Level

	Backend          gateway.Dialect // what the backend speaks
	AnthropicURL     string
	OpenAIURL        string
	AnthropicVersion string // for requests that name none

	AnthropicToken     string // the value of ANTHROPIC_OAUTH_TOKEN; never a flag, since others can read those
	AnthropicTokenFile string // goes before AnthropicToken
	OpenAITokenFile    string // "" calls the backend without a credential
	AdapterTokenFile   string // what callers must bring; "" lets everybody in who reaches the port

	// What not every OpenAI-compatible service takes.
	OpenAIMaxTokensField string
	OpenAIStreamUsage    bool
	OpenAIReasoning      bool

	ModelMapFile       string
	DefaultModel       string
	DefaultMaxTokens   int64
	DefaultTemperature *float64 // nil leaves it to the backend

	MaxBody        int64
	ReadTimeout    time.Duration
	ConnectTimeout time.Duration
	HeaderTimeout  time.Duration
	IdleTimeout    time.Duration
	WriteTimeout   time.Duration
	PingInterval   time.Duration
	DrainDelay     time.Duration
	DrainTimeout   time.Duration

	ignoredKey bool // an ANTHROPIC_API_KEY is set
}

// Settings is the configuration as the environment has it, and the flags that go before it. The error lists every
// variable that cannot be read; what the values must be, Check tells.
func Settings(getenv func(string) string) (*Config, *flag.FlagSet, error) {
	c := &Config{AnthropicToken: strings.TrimSpace(getenv("ANTHROPIC_OAUTH_TOKEN")), ignoredKey: getenv("ANTHROPIC_API_KEY") != ""}
	flags := c.flags()
	var wrong []error
	flags.VisitAll(func(f *flag.Flag) {
		name := variable(f.Name)
		if value := getenv(name); value != "" {
			if err := flags.Set(f.Name, value); err != nil {
				wrong = append(wrong, fmt.Errorf("%s is %q: %w", name, value, err))
			}
		}
	})
	return c, flags, errors.Join(wrong...)
}

// variable is the environment's name of a flag.
func variable(flag string) string { return strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }

// flags declares every setting, with its default.
func (c *Config) flags() *flag.FlagSet {
	f := flag.NewFlagSet("anthropic-adapter", flag.ContinueOnError)
	f.StringVar(&c.Listen, "listen", ":8080", "`address` to listen on")
	f.TextVar(&c.LogLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")

	f.StringVar((*string)(&c.Backend), "backend-type", string(gateway.Anthropic), "what the backend speaks: anthropic or openai")
	f.StringVar(&c.AnthropicURL, "anthropic-base-url", "https://api.anthropic.com", "`URL` of an anthropic backend")
	f.StringVar(&c.OpenAIURL, "openai-base-url", "", "`URL` of an openai backend")
	f.StringVar(&c.AnthropicVersion, "anthropic-version", "2023-06-01", "anthropic-version of requests that name none")

	f.StringVar(&c.AnthropicTokenFile, "anthropic-oauth-token-file", "", "`file` with the token of an anthropic backend, in place of ANTHROPIC_OAUTH_TOKEN")
	f.StringVar(&c.OpenAITokenFile, "openai-token-file", "", "`file` with the bearer token of an openai backend; none is sent without it")
	f.StringVar(&c.AdapterTokenFile, "adapter-token-file", "", "`file` with the token that callers must bring; everybody may call without it")

	f.StringVar(&c.OpenAIMaxTokensField, "openai-max-tokens-field", "max_tokens", "what an openai backend calls the limit: max_tokens or max_completion_tokens")
	f.BoolVar(&c.OpenAIStreamUsage, "openai-stream-usage", true, "an openai backend takes stream_options.include_usage")
	f.BoolVar(&c.OpenAIReasoning, "openai-reasoning", false, "an openai backend takes reasoning_effort")

	f.StringVar(&c.ModelMapFile, "model-map-file", "", "`file` with the models to ask for in place of those that clients name, YAML or JSON")
	f.StringVar(&c.DefaultModel, "default-model", "", "`model` of requests that name none")
	f.Int64Var(&c.DefaultMaxTokens, "default-max-tokens", 0, "max_tokens of requests that name none; 0 is 8192 for an anthropic backend, which needs one, and none for others")
	f.Func("default-temperature", "temperature of requests that name none; left to the backend without it", c.setTemperature)

	f.Int64Var(&c.MaxBody, "max-body", 32<<20, "greatest size of a request, in `bytes`")
	f.DurationVar(&c.ReadTimeout, "read-timeout", 5*time.Minute, "for a request to arrive")
	f.DurationVar(&c.ConnectTimeout, "connect-timeout", 5*time.Second, "to connect to the backend")
	f.DurationVar(&c.HeaderTimeout, "header-timeout", 10*time.Minute, "until the backend begins its answer")
	f.DurationVar(&c.IdleTimeout, "idle-timeout", 2*time.Minute, "between two bytes of an answer")
	f.DurationVar(&c.WriteTimeout, "write-timeout", time.Minute, "for one write to a client that does not read")
	f.DurationVar(&c.PingInterval, "ping-interval", 15*time.Second, "of silence after which a stream is sent a ping")
	f.DurationVar(&c.DrainDelay, "drain-delay", 2*time.Second, "between 'not ready' and the end of listening")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Minute, "for running requests to end after SIGTERM")
	return f
}

func (c *Config) setTemperature(text string) error {
	value, err := strconv.ParseFloat(text, 64)
	c.DefaultTemperature = &value
	return err
}

// Check returns every reason why an adapter cannot run on this configuration. A missing credential is none: one that
// is mounted later makes the adapter ready.
func (c *Config) Check() error {
	var wrong []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	switch c.Backend {
	case gateway.Anthropic, gateway.OpenAI:
		name := variable(string(c.Backend) + "-base-url")
		base, err := url.Parse(c.baseURL())
		refuse(err != nil || base.Host == "" || base.User != nil || base.Scheme != "http" && base.Scheme != "https", "%s must be an http or https URL, without a password", name)
	default:
		refuse(true, "BACKEND_TYPE is %q; it must be anthropic or openai", c.Backend)
	}
	refuse(c.AnthropicVersion == "", "ANTHROPIC_VERSION is empty")
	refuse(c.maxTokensField() != "max_tokens" && c.maxTokensField() != "max_completion_tokens",
		"OPENAI_MAX_TOKENS_FIELD is %q; it must be max_tokens or max_completion_tokens", c.OpenAIMaxTokensField)
	refuse(c.DefaultMaxTokens < 0, "DEFAULT_MAX_TOKENS is %d; it must not be negative", c.DefaultMaxTokens)
	if t := c.DefaultTemperature; t != nil {
		refuse(!(*t >= 0 && *t <= c.maxTemperature()), "DEFAULT_TEMPERATURE is %v; it must be from 0 to %v", *t, c.maxTemperature())
	}
	refuse(c.MaxBody <= 0, "MAX_BODY is %d; it must be greater than zero", c.MaxBody)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"READ_TIMEOUT", c.ReadTimeout},
		{"CONNECT_TIMEOUT", c.ConnectTimeout},
		{"HEADER_TIMEOUT", c.HeaderTimeout},
		{"IDLE_TIMEOUT", c.IdleTimeout},
		{"WRITE_TIMEOUT", c.WriteTimeout},
		{"PING_INTERVAL", c.PingInterval},
		{"DRAIN_TIMEOUT", c.DrainTimeout},
	} {
		refuse(d.value <= 0, "%s is %s; it must be greater than zero", d.name, d.value)
	}
	_, err := c.models()
	return errors.Join(append(wrong, err)...)
}

// baseURL is the backend's address without /v1, which the paths begin with.
func (c *Config) baseURL() string {
	base := c.AnthropicURL
	if c.Backend == gateway.OpenAI {
		base = c.OpenAIURL
	}
	return strings.TrimSuffix(strings.TrimRight(base, "/"), "/v1")
}

func (c *Config) maxTemperature() float64 {
	if c.Backend == gateway.OpenAI {
		return 2
	}
	return 1
}

// maxTokens is the limit for requests that name none; 0 leaves it to the backend.
func (c *Config) maxTokens() int64 {
	if c.DefaultMaxTokens == 0 && c.Backend == gateway.Anthropic {
		return 8192
	}
	return c.DefaultMaxTokens
}

// maxTokensField is what the backend calls the limit.
func (c *Config) maxTokensField() string {
	if c.Backend == gateway.OpenAI {
		return c.OpenAIMaxTokensField
	}
	return "max_tokens"
}
