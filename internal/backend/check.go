package backend

import (
	"errors"
	"fmt"
	"slices"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// check refuses what does not go together, in a sentence that says what to change.
func check(cfg config.Backend) error {
	speaksOpenAI := slices.Contains(cfg.Dialects, string(gateway.OpenAI))
	cloud := cfg.Kind == config.KindBedrock || cfg.Kind == config.KindVertex
	switch {
	case !cloud && cfg.Kind != "" && cfg.Kind != config.KindHTTP:
		return fmt.Errorf("kind is %q; it must be %q, %q or %q", cfg.Kind, config.KindHTTP, config.KindBedrock, config.KindVertex)
	case cloud && (cfg.Auth.TokenFile != "" || cfg.Auth.Mode != "" && cfg.Auth.Mode != config.AuthNone):
		return fmt.Errorf("kind %s finds its credentials as the cloud's own tools do; remove auth", cfg.Kind)
	case cfg.Kind != config.KindBedrock && cfg.Region != "":
		return errors.New("region is for kind bedrock; remove it, or set kind: bedrock")
	case cfg.Kind != config.KindVertex && (cfg.Project != "" || cfg.Location != ""):
		return errors.New("project and location are for kind vertex; remove them, or set kind: vertex")
	case cfg.Kind == config.KindBedrock && speaksOpenAI:
		return errors.New(`kind bedrock speaks the anthropic dialect only; remove "openai" from its dialects`)
	case cfg.Kind == config.KindVertex && (cfg.Project == "" || cfg.Location == ""):
		return errors.New("kind vertex needs project and location")
	case !cloud && cfg.BaseURL == "":
		return errors.New("base_url is not set")
	}
	return nil
}
