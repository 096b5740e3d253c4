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
	complain := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(at+": "+format, args...))
		}
	}
	speaksOpenAI := slices.Contains(b.Dialects, string(gateway.OpenAI))
	complain(b.Kind != KindBedrock && b.Region != "", "region is for kind bedrock; remove it, or set kind: bedrock")
	complain(b.Kind != KindVertex && b.Project+b.Location != "", "project and location are for kind vertex; remove them, or set kind: vertex")
	switch b.Kind {
	case "", KindHTTP:
		return errors.Join(append(errs, b.checkAuth(at), absoluteURL(at+": base_url", b.BaseURL))...)
	case KindBedrock:
		complain(speaksOpenAI, "bedrock is reached in the anthropic dialect only")
	case KindVertex:
		errs = append(errs, required(at+": project", b.Project), required(at+": location", b.Location))
		complain(len(b.Dialects) > 1, "vertex speaks anthropic for Claude and openai for Gemini; make a backend of each")
	default:
		return errors.Join(append(errs, oneOf(at+": kind", b.Kind, KindHTTP, KindBedrock, KindVertex))...)
	}
	complain(b.Auth != (Auth{}), "%s takes its credential from the cloud's default chain; remove auth", b.Kind)
	if b.BaseURL != "" {
		errs = append(errs, absoluteURL(at+": base_url", b.BaseURL))
	}
	return errors.Join(errs...)
}

// checkAuth checks the credential of a backend that is no cloud.
func (b Backend) checkAuth(at string) error {
	errs := []error{oneOf(at+": auth.mode", b.Auth.Mode, AuthOperator, AuthBearer, AuthCaller, AuthNone)}
	speaksAnthropic := slices.Contains(b.Dialects, string(gateway.Anthropic))
	if (b.Auth.Mode == AuthOperator || b.Auth.Mode == AuthCaller) && !speaksAnthropic {
		errs = append(errs, fmt.Errorf("%s: auth.mode %s is a Claude login, for backends of the anthropic dialect; use bearer with a token_file", at, b.Auth.Mode))
	}
	if b.Auth.Mode == AuthBearer {
		errs = append(errs, required(at+": auth.token_file", b.Auth.TokenFile))
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
	errs = append(errs, c.checkNative(at, r))
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

// checkNative checks the way of a route's batches.
func (c *Config) checkNative(at string, r Route) error {
	if r.Batch == "" {
		return nil
	}
	first := r.targets()[0].Backend
	if i := slices.IndexFunc(c.Backends, func(b Backend) bool { return b.Name == first }); i >= 0 {
		switch b := c.Backends[i]; {
		case b.Kind != "" && b.Kind != KindHTTP:
			return fmt.Errorf("%s: batch: %s has no batch API that the gateway knows; leave batch out", at, first)
		case b.Auth.Mode == AuthCaller:
			return fmt.Errorf("%s: batch: %s is called with its callers' own logins, and nobody is there when a batch runs; leave batch out", at, first)
		}
	}
	return oneOf(at+": batch", r.Batch, BatchNative)
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
