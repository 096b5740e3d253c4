package gateway

import "fmt"

// Dialect is a wire format that clients and backends speak.
type Dialect string

// The two dialects. There is no third, canonical one.
const (
	Anthropic Dialect = "anthropic"
	OpenAI    Dialect = "openai"
)

// Rule sends the models it matches to a backend.
type Rule struct {
	Match   string // a model id, a family ("haiku"), a vendor ("claude"), or "*" for everything
	Backend string // the backend's name
	Model   string // the model to ask the backend for; "" leaves the requested one as it is
}

// Matches reports whether the rule speaks of the model.
func (r Rule) Matches(m Model) bool {
	return r.Match == "*" || r.Match == m.ID || r.Match == m.Family || r.Match == m.Vendor
}

// Limits is what a tier may use in one window. A negative limit means no limit.
type Limits struct {
	Requests int64
	Tokens   int64
}

// Unlimited is the value of a limit that never refuses.
const Unlimited = -1

// Plan is what a subscription tier allows: how much, and which model goes where.
type Plan struct {
	Limits Limits
	Rules  []Rule // the first that matches decides
}

// Target is where one request goes.
type Target struct {
	Backend string
	Model   string // the model the backend is asked for
}

// Routes is the whole table: tier × model → target.
type Routes map[Tier]Plan

// Plan returns the plan of a tier. An unknown tier is a Forbidden error.
func (r Routes) Plan(t Tier) (Plan, error) {
	plan, ok := r[t]
	if !ok {
		return Plan{}, &Error{Code: Forbidden, NoRetry: true, Message: fmt.Sprintf(
			"Your subscription tier %q is not known to this gateway. Ask its operator to add the tier or to correct your account.", t)}
	}
	return plan, nil
}

// Target chooses where a model goes. A model that no rule matches is a NotFound error.
func (p Plan) Target(m Model) (Target, error) {
	for _, rule := range p.Rules {
		if !rule.Matches(m) {
			continue
		}
		target := Target{Backend: rule.Backend, Model: rule.Model}
		if target.Model == "" {
			target.Model = m.ID
		}
		return target, nil
	}
	return Target{}, &Error{Code: NotFound, NoRetry: true, Message: fmt.Sprintf(
		"model: %s is not available to your subscription. GET /v1/models lists the models that are.", m.ID)}
}

// Serves reports whether the plan gives the caller this very model, not another in its place.
func (p Plan) Serves(m Model) bool {
	target, err := p.Target(m)
	return err == nil && target.Model == m.ID
}
