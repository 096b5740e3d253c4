package gateway

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"slices"
)

// Dialect is a wire format that clients and backends speak.
type Dialect string

// The two dialects. There is no third, canonical one.
const (
	Anthropic Dialect = "anthropic"
	OpenAI    Dialect = "openai"
)

// Rule sends the models it matches to backends.
type Rule struct {
	Match    string   // a model id, a family ("haiku"), a vendor ("claude"), or "*" for everything
	Choices  []Choice // where to
	Attempts int      // how often a request may be sent before its client is told of a failure
	Native   bool     // items of batches are handed to the first target's own batch API
}

// Choice is one target of a rule.
type Choice struct {
	Target Target
	Weight int // its share among the choices with a weight; 0 stands by until those have failed
}

// Matches reports whether the rule speaks of the model.
func (r Rule) Matches(m Model) bool {
	return r.Match == "*" || r.Match == m.ID || r.Match == m.Family || r.Match == m.Vendor
}

// Order is the order in which the rule's targets are tried. Choices with a weight come first, in an order that is
// drawn by the key: over many keys each comes first as often as its weight says, and the same key always draws the
// same order. The others follow as they are written.
func (r Rule) Order(key string) []Target {
	type drawn struct {
		target Target
		score  float64
	}
	var first []drawn
	var rest []Target
	for _, c := range r.Choices {
		if c.Weight > 0 {
			first = append(first, drawn{c.Target, score(key, c)})
		} else {
			rest = append(rest, c.Target)
		}
	}
	slices.SortStableFunc(first, func(a, b drawn) int { return cmp.Compare(a.score, b.score) })
	order := make([]Target, 0, len(r.Choices))
	for _, d := range first {
		order = append(order, d.target)
	}
	return append(order, rest...)
}

// score is weighted rendezvous hashing: an exponentially distributed number with the weight as its rate, the same for
// the same key and target in every process. A target that comes or goes moves no key but its own.
func score(key string, c Choice) float64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, c.Target.Backend+"\x00"+c.Target.Model+"\x00"+key)
	sum := h.Sum64()
	// FNV leaves its last bytes little mixed; this finisher is MurmurHash3's.
	sum ^= sum >> 33
	sum *= 0xff51afd7ed558ccd
	sum ^= sum >> 33
	sum *= 0xc4ceb9fe1a85ec53
	sum ^= sum >> 33
	uniform := (float64(sum>>11) + 0.5) / (1 << 53)
	return -math.Log(uniform) / float64(c.Weight)
}

// Plan is what a subscription tier allows: how much, and which model goes where.
type Plan struct {
	Limits   Limits
	Override string // what changed the tier's limits for the caller: "group /research"; "" if nothing did
	Rules    []Rule // the first that matches decides
}

// Target is where one request goes.
type Target struct {
	Backend string
	Model   string // the model the backend is asked for; in a rule, "" is the one the client asked for
}

// Routes is the whole table: tier × model → target.
type Routes map[Tier]Plan

// Plan returns the plan of a tier. An unknown tier is a Forbidden error.
func (r Routes) Plan(t Tier) (Plan, error) {
	plan, ok := r[t]
	if !ok && t == "" {
		return Plan{}, &Error{Code: Forbidden, NoRetry: true, Message: "Your access token names no subscription tier. Ask the operator of your identity provider to give your account one."}
	}
	if !ok {
		return Plan{}, &Error{Code: Forbidden, NoRetry: true, Message: fmt.Sprintf(
			"Your subscription tier %q is not known to this gateway. Ask its operator to add the tier or to correct your account.", t)}
	}
	return plan, nil
}

// Rule finds the rule for a model. A model that no rule matches is a NotFound error.
func (p Plan) Rule(m Model) (Rule, error) {
	for _, rule := range p.Rules {
		if rule.Matches(m) {
			return rule, nil
		}
	}
	return Rule{}, &Error{Code: NotFound, NoRetry: true, Message: fmt.Sprintf(
		"model: %s is not available to your subscription. GET /v1/models lists the models that are.", m.ID)}
}

// Serves reports whether the plan gives the caller this very model, not another in its place.
func (p Plan) Serves(m Model) bool {
	rule, err := p.Rule(m)
	return err == nil && slices.ContainsFunc(rule.Choices, func(c Choice) bool { return c.Target.Model == "" || c.Target.Model == m.ID })
}
