package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Tier is what a subscription allows. A negative limit of a day means none; so does a limit of the moment that is not above 0.
type Tier struct {
	RequestsPerDay     int64             `koanf:"requests_per_day"`
	TokensPerDay       int64             `koanf:"tokens_per_day"`
	RequestsPerMinute  int64             `koanf:"requests_per_minute"` // in any 60 seconds
	ConcurrentRequests int64             `koanf:"concurrent_requests"` // that run at once
	Classes            map[string]Limits `koanf:"classes"`             // limits of classes of models, beside those above
	WithoutRedis       string            `koanf:"without_redis"`       // while Redis is away: "deny" refuses, "allow" lets pass and counts afterwards; "" denies where there is a limit
	Routes             []Route           `koanf:"routes"`              // the first that matches decides
}

// What a tier does while Redis is away.
const (
	Deny  = "deny"
	Allow = "allow"
)

// Limits are limits of a day. One that is missing is as it was, or there is none; a negative one is none.
type Limits struct {
	RequestsPerDay *int64 `koanf:"requests_per_day"`
	TokensPerDay   *int64 `koanf:"tokens_per_day"`
}

// Class is a set of models that are counted together.
type Class struct {
	Name  string   `koanf:"name"`
	Match []string `koanf:"match"` // model ids, families ("opus"), vendors or "*", of the model that is asked at the backend; the first class that matches decides
}

// Override changes limits for one subject, or for the members of a group. The first that matches a caller decides.
type Override struct {
	Subject            string            `koanf:"subject"` // GET /quota tells callers theirs
	Group              string            `koanf:"group"`   // as the token names it
	RequestsPerDay     *int64            `koanf:"requests_per_day"`
	TokensPerDay       *int64            `koanf:"tokens_per_day"`
	RequestsPerMinute  *int64            `koanf:"requests_per_minute"`
	ConcurrentRequests *int64            `koanf:"concurrent_requests"`
	Classes            map[string]Limits `koanf:"classes"`
}

// Of reports whether the override is for the caller.
func (o Override) Of(p gateway.Principal) bool {
	return o.Subject != "" && o.Subject == p.Subject || o.Group != "" && slices.Contains(p.Groups, o.Group)
}

// String names whom the override is for: "group /research".
func (o Override) String() string {
	if o.Subject != "" {
		return "subject " + o.Subject
	}
	return "group " + o.Group
}

// Apply changes the limits.
func (o Override) Apply(l gateway.Limits) gateway.Limits {
	unlimited := !l.Set()
	l.DayLimits = Limits{o.RequestsPerDay, o.TokensPerDay}.over(l.DayLimits)
	if o.RequestsPerMinute != nil {
		l.PerMinute = ofMoment(*o.RequestsPerMinute)
	}
	if o.ConcurrentRequests != nil {
		l.Concurrent = ofMoment(*o.ConcurrentRequests)
	}
	l.Classes = maps.Clone(l.Classes)
	for name, class := range o.Classes {
		if l.Classes == nil {
			l.Classes = map[string]gateway.DayLimits{}
		}
		l.Classes[name] = class.over(l.Of(name))
	}
	if unlimited && l.Set() {
		l.Open = false // what has a limit now is refused while it cannot be checked
	}
	return l
}

// over are the limits, and in place of those that are missing the ones before.
func (l Limits) over(before gateway.DayLimits) gateway.DayLimits {
	set(&before.Requests, l.RequestsPerDay)
	set(&before.Tokens, l.TokensPerDay)
	return before
}

func set(limit, to *int64) {
	if to != nil {
		*limit = *to
	}
}

// ofMoment is a limit that has to be above 0 to be one.
func ofMoment(limit int64) int64 {
	if limit <= 0 {
		return gateway.Unlimited
	}
	return limit
}

// limits are the tier's in the gateway's own terms.
func (t Tier) limits() gateway.Limits {
	l := gateway.Limits{
		DayLimits: gateway.DayLimits{Requests: t.RequestsPerDay, Tokens: t.TokensPerDay},
		PerMinute: ofMoment(t.RequestsPerMinute), Concurrent: ofMoment(t.ConcurrentRequests), Classes: make(map[string]gateway.DayLimits, len(t.Classes)),
	}
	for name, class := range t.Classes {
		l.Classes[name] = class.over(l.Of(name))
	}
	l.Open = t.WithoutRedis == Allow || t.WithoutRedis == "" && !l.Set()
	return l
}

// ModelClasses are the classes in the gateway's own terms.
func (c *Config) ModelClasses() gateway.Classes {
	classes := make(gateway.Classes, len(c.Classes))
	for i, class := range c.Classes {
		classes[i] = gateway.Class(class)
	}
	return classes
}

// checkLimits checks classes, overrides and what tiers say of them.
func (c *Config) checkLimits() error {
	var errs []error
	for i, class := range c.Classes {
		at := fmt.Sprintf("classes[%d] %s", i, class.Name)
		errs = append(errs, required(at+": name", class.Name), notEmpty(at+": match", len(class.Match)))
		if slices.ContainsFunc(c.Classes[:i], func(before Class) bool { return before.Name == class.Name }) {
			errs = append(errs, fmt.Errorf("%s: the name is used twice", at))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Tiers)) {
		tier := c.Tiers[name]
		errs = append(errs, c.checkClassNames("tiers."+name, tier.Classes), oneOf("tiers."+name+".without_redis", tier.WithoutRedis, "", Deny, Allow))
	}
	for i, o := range c.Overrides {
		at := fmt.Sprintf("overrides[%d]", i)
		if (o.Subject == "") == (o.Group == "") {
			errs = append(errs, fmt.Errorf("%s: name either a subject or a group", at))
		}
		errs = append(errs, c.checkClassNames(at, o.Classes))
	}
	return errors.Join(errs...)
}

func (c *Config) checkClassNames(at string, limits map[string]Limits) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if !slices.ContainsFunc(c.Classes, func(class Class) bool { return class.Name == name }) {
			errs = append(errs, fmt.Errorf("%s.classes: there is no class %q under classes", at, name))
		}
	}
	return errors.Join(errs...)
}
