package routing

import (
	"errors"
	"slices"
	"strings"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Table is everything a request is routed by. It does not change; a new configuration makes a new one.
type Table struct {
	Routes    gateway.Routes
	Overrides []config.Override // of the routes' limits
	Classes   gateway.Classes
	Prices    gateway.Prices
	Models    []config.Model
	Backends  map[string]*Backend
}

// Backend is a backend with what the configuration says of it.
type Backend struct {
	backend.Backend

	Config config.Backend
	Gate   *Gate
}

// NewTable makes the table of a configuration, which must have been checked. A backend keeps its queue of the table
// before, if there is one and the limits are still the same.
func NewTable(cfg *config.Config, env backend.Environment, before *Table) (*Table, error) {
	t := &Table{
		Routes: cfg.Routes(), Overrides: cfg.Overrides, Classes: cfg.ModelClasses(), Prices: cfg.PriceList(), Models: cfg.Models,
		Backends: make(map[string]*Backend, len(cfg.Backends)),
	}
	var errs []error
	for _, c := range cfg.Backends {
		b, err := backend.New(c, env)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t.Backends[c.Name] = &Backend{Backend: b, Config: c, Gate: before.gate(c.Name).resized(c.MaxConcurrent, c.QueueWait)}
	}
	return t, errors.Join(errs...)
}

// Plan is what the caller's tier allows, with the limits that are the caller's own. An unknown tier is a Forbidden error.
func (t *Table) Plan(p gateway.Principal) (gateway.Plan, error) {
	plan, err := t.Routes.Plan(p.Tier)
	if err != nil {
		return plan, err
	}
	if i := slices.IndexFunc(t.Overrides, func(o config.Override) bool { return o.Of(p) }); i >= 0 {
		plan.Limits, plan.Override = t.Overrides[i].Apply(plan.Limits), t.Overrides[i].String()
	}
	return plan, nil
}

func (t *Table) gate(name string) *Gate {
	if t == nil || t.Backends[name] == nil {
		return nil
	}
	return t.Backends[name].Gate
}

// Speaks reports whether the backend speaks a dialect.
func (b *Backend) Speaks(d gateway.Dialect) bool {
	return slices.Contains(b.Config.Dialects, string(d))
}

// TellsUsage reports whether the backend can be asked to tell the usage of a streamed chat completion.
func (b *Backend) TellsUsage() bool { return b.Config.StreamUsage == nil || *b.Config.StreamUsage }

// KeepsThreads reports whether the backend keeps message threads, by which clients send only what is new of a
// conversation. Anthropic's own service does.
func (b *Backend) KeepsThreads() bool {
	if b.Config.Threads != nil {
		return *b.Config.Threads
	}
	return b.Config.Auth.Mode == config.AuthOperator || b.Config.Auth.Mode == config.AuthCaller
}

// WantsLogin reports whether the backend is called with the caller's own credential.
func (b *Backend) WantsLogin() bool { return b.Config.Auth.Mode == config.AuthCaller }

// Endpoint is where the backend takes a call of the client's endpoint: the same where it speaks its dialect, else the
// counterpart in the other dialect. ok is false where there is none.
func (b *Backend) Endpoint(asked gateway.Endpoint) (at gateway.Endpoint, ok bool) {
	for _, d := range []gateway.Dialect{asked.Dialect(), gateway.Anthropic, gateway.OpenAI} {
		if at, ok := asked.In(d); ok && b.Speaks(d) {
			return at, true
		}
	}
	return "", false
}

// ModelName is the backend's own name of a model.
func (b *Backend) ModelName(model string) string {
	name, ok := b.Config.Models[model]
	if !ok {
		name, ok = b.Config.Models["*"]
	}
	if !ok {
		return model
	}
	return strings.ReplaceAll(name, "{model}", model)
}

// Resolve fills in what a rule's target leaves open: the model, where it is the one that was asked for, and the
// backend's own name of it.
func (t *Table) Resolve(target gateway.Target, asked string) gateway.Target {
	if target.Model == "" {
		target.Model = asked
	}
	if b := t.Backends[target.Backend]; b != nil {
		target.Model = b.ModelName(target.Model)
	}
	return target
}

// First is the target that a request is sent to first if all is well, and the rule that says so; ok is false where the
// rules send it nowhere. The key is the one that its trip is made with.
func (t *Table) First(tier gateway.Tier, asked, key string) (rule gateway.Rule, target gateway.Target, ok bool) {
	plan, err := t.Routes.Plan(tier)
	if err != nil {
		return gateway.Rule{}, gateway.Target{}, false
	}
	wanted := gateway.ParseModel(gateway.Unalias(asked))
	if rule, err = plan.Rule(wanted); err != nil || len(rule.Choices) == 0 {
		return gateway.Rule{}, gateway.Target{}, false
	}
	return rule, t.Resolve(rule.Order(key)[0], wanted.ID), true
}
