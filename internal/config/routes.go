package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func (c *Config) checkBackends() error {
	var errs []error
	seen := map[string]bool{}
	for i, b := range c.Backends {
		at := fmt.Sprintf("backends[%d] %s", i, b.Name)
		errs = append(errs, required(at+": name", b.Name), notEmpty(at+": dialects", len(b.Dialects)),
			notNegative(at+": max_concurrent", b.MaxConcurrent), notNegative(at+": max_tokens", int(b.MaxTokens)))
		for _, d := range b.Dialects {
			errs = append(errs, oneOf(at+": dialects", d, string(gateway.Anthropic), string(gateway.OpenAI)))
		}
		errs = append(errs, b.checkKind(at))
		if seen[b.Name] {
			errs = append(errs, fmt.Errorf("%s: the name is used twice", at))
		}
		seen[b.Name] = true
	}
	return errors.Join(errs...)
}

// checkKind checks what only some kinds of backend have.
func (b Backend) checkKind(at string) error {
	var errs []error
	switch b.Kind {
	case "", KindHTTP:
		errs = append(errs, absoluteURL(at+": base_url", b.BaseURL),
			oneOf(at+": auth.mode", b.Auth.Mode, AuthOperator, AuthBearer, AuthCaller, AuthNone))
		if b.Auth.Mode == AuthBearer {
			errs = append(errs, required(at+": auth.token_file", b.Auth.TokenFile))
		}
		return errors.Join(errs...)
	case KindBedrock:
		if slices.Contains(b.Dialects, string(gateway.OpenAI)) {
			errs = append(errs, fmt.Errorf("%s: bedrock is reached in the anthropic dialect only", at))
		}
	case KindVertex:
		errs = append(errs, required(at+": project", b.Project), required(at+": location", b.Location))
		if len(b.Dialects) > 1 {
			errs = append(errs, fmt.Errorf("%s: vertex speaks anthropic for Claude and openai for Gemini; make a backend of each", at))
		}
	default:
		return oneOf(at+": kind", b.Kind, KindHTTP, KindBedrock, KindVertex)
	}
	if b.Auth != (Auth{}) {
		errs = append(errs, fmt.Errorf("%s: auth: %s takes its credential from the cloud's default chain", at, b.Kind))
	}
	if b.BaseURL != "" {
		errs = append(errs, absoluteURL(at+": base_url", b.BaseURL))
	}
	return errors.Join(errs...)
}

func (c *Config) checkRoutes() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Tiers)) {
		tier := c.Tiers[name]
		errs = append(errs, notEmpty("tiers."+name+".routes", len(tier.Routes)))
		for i, r := range tier.Routes {
			errs = append(errs, c.checkRoute(fmt.Sprintf("tiers.%s.routes[%d]", name, i), r))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkRoute(at string, r Route) error {
	errs := []error{required(at+": match", r.Match), notNegative(at+": attempts", r.Attempts)}
	if len(r.Targets) > 0 && (r.Backend != "" || r.Model != "") {
		errs = append(errs, fmt.Errorf("%s: use either backend and model, or targets", at))
	}
	var seen []gateway.Target
	for _, t := range r.targets() {
		errs = append(errs, notNegative(at+": weight", t.Weight))
		if !slices.ContainsFunc(c.Backends, func(b Backend) bool { return b.Name == t.Backend }) {
			errs = append(errs, fmt.Errorf("%s: there is no backend %q under backends", at, t.Backend))
		}
		target := gateway.Target{Backend: t.Backend, Model: t.Model}
		if slices.Contains(seen, target) {
			errs = append(errs, fmt.Errorf("%s: target %s is named twice; attempts says how often a request may be sent", at, t.Backend))
		}
		seen = append(seen, target)
	}
	return errors.Join(errs...)
}

func (c *Config) checkModels() error {
	var errs []error
	for i, m := range c.Models {
		at := fmt.Sprintf("models[%d]", i)
		errs = append(errs, required(at+": id", m.ID))
		if _, err := time.Parse(time.RFC3339, m.CreatedAt); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: created_at: %w", at, m.ID, err))
		}
	}
	return errors.Join(errs...)
}

// checkPrices refuses a list by which something would be free unnoticed.
func (c *Config) checkPrices() error {
	errs := []error{notEmpty("prices", len(c.Prices))}
	for i, p := range c.Prices {
		at := fmt.Sprintf("prices[%d]", i)
		errs = append(errs, required(at+": match", p.Match))
		if p.Input < 0 || p.Output < 0 || p.CacheRead < 0 || p.CacheWrite < 0 {
			errs = append(errs, fmt.Errorf("%s %s: a price is negative", at, p.Match))
		}
	}
	return errors.Join(errs...)
}

func notNegative(key string, n int) error {
	if n < 0 {
		return fmt.Errorf("%s must not be negative", key)
	}
	return nil
}
