package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// envPrefix begins the variables that override the file: LLMGW_HTTP__LISTEN is http.listen.
const envPrefix = "LLMGW_"

// delimiter separates levels inside koanf. It is no dot, since model names contain dots.
const delimiter = "/"

// Load reads the YAML file at path ("" reads none) and the environment over the defaults. The error lists every
// unknown key and every value of the wrong type. What a value must be for a given binary, Check tells.
func Load(path string) (*Config, error) {
	var text []byte
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
	}
	cfg, err := Parse(text, os.Environ)
	if err != nil {
		return nil, fmt.Errorf("config %s:\n%w", path, err)
	}
	return cfg, nil
}

// Parse is Load without the file system. environ returns KEY=value pairs, as os.Environ does.
func Parse(text []byte, environ func() []string) (*Config, error) {
	k := koanf.New(delimiter)
	if err := k.Load(rawbytes.Provider(text), yaml.Parser()); err != nil {
		return nil, err
	}
	variables := env.Provider(delimiter, env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: environ,
		TransformFunc: func(key, value string) (string, any) {
			key = strings.ToLower(strings.TrimPrefix(key, envPrefix))
			return strings.ReplaceAll(key, "__", delimiter), value
		},
	})
	if err := k.Load(variables, nil); err != nil {
		return nil, err
	}
	cfg := Default()
	if err := decode(k.Raw(), &cfg); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// decode lays the raw tree over the defaults. Maps merge, so a file may change one limit of one tier; lists replace.
func decode(raw map[string]any, cfg *Config) error {
	names := make(map[string]Tier, len(cfg.Tiers))
	for name, tier := range cfg.Tiers {
		names[name] = tier
	}
	tiers, _ := raw["tiers"].(map[string]any)
	delete(raw, "tiers")

	err := strictly(raw, cfg)
	for name, fields := range tiers {
		tier, known := names[name]
		if !known {
			tier = Tier{RequestsPerDay: gateway.Unlimited, TokensPerDay: gateway.Unlimited}
		}
		err = errors.Join(err, strictly(fields, &tier))
		names[name] = tier
	}
	cfg.Tiers = names
	return err
}

func strictly(raw, into any) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: into, TagName: "koanf", ErrorUnused: true, WeaklyTypedInput: true, ZeroFields: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	})
	if err != nil {
		return err
	}
	return d.Decode(raw)
}
