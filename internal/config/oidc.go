package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// When an issuer is asked about a token itself, by RFC 7662.
const (
	IntrospectNever  = ""       // what a token says and its signature decide
	IntrospectOpaque = "opaque" // for tokens that are no JWT
	IntrospectAlways = "always" // for each token, so that one that was revoked is refused
)

// OIDC is whose tokens are accepted.
type OIDC struct {
	Provider `koanf:",squash"` // the first identity provider; without an issuer the gateway is never ready and serves nobody

	Additional []Provider `koanf:"additional"` // further ones; what one leaves out is as the first has it, but for introspection
	CacheSize  int        `koanf:"cache_size"` // verified tokens kept
	CLIClient  string     `koanf:"cli_client"` // the client id that llmgw logs in with at the first
	CLIScopes  []string   `koanf:"cli_scopes"` // and the scopes that it asks for
}

// Provider is an identity provider, and how its tokens are read.
type Provider struct {
	Issuer        string        `koanf:"issuer"` // the iss claim, and where its discovery document is found
	Audience      string        `koanf:"audience"`
	Algorithms    []string      `koanf:"algorithms"`     // the accepted signatures
	TierClaim     string        `koanf:"tier_claim"`     // path of the claim with the tier, dots between levels
	UserClaim     string        `koanf:"user_claim"`     // path of the claim with the name people know
	RolesClaim    string        `koanf:"roles_claim"`    // path of the claim with the list of roles
	GroupsClaim   string        `koanf:"groups_claim"`   // path of the claim with the list of groups
	DefaultTier   string        `koanf:"default_tier"`   // of a token that names none; "" refuses such a token wherever a tier is needed
	ClockSkew     time.Duration `koanf:"clock_skew"`     // that the issuer's clock may be off
	SubjectPrefix string        `koanf:"subject_prefix"` // of an additional one: put before its subjects, so that they are nobody else's
	Introspection Introspection `koanf:"introspection"`
}

// Introspection is how an issuer is asked about a token.
type Introspection struct {
	Mode             string        `koanf:"mode"`               // "", "opaque" or "always"
	ClientID         string        `koanf:"client_id"`          // the gateway's own at the issuer
	ClientSecretFile string        `koanf:"client_secret_file"` // read for each question
	Cache            time.Duration `koanf:"cache"`              // that an answer is good for
}

// Providers returns every identity provider with nothing left out, the first first; none if there is no issuer.
func (o OIDC) Providers() []Provider {
	if o.Issuer == "" {
		return nil
	}
	all := []Provider{o.Provider}
	for _, p := range o.Additional {
		all = append(all, p.orElse(o.Provider))
	}
	return all
}

// orElse fills in what p leaves out. The right to introspect is nothing that one issuer could give for another.
func (p Provider) orElse(first Provider) Provider {
	p.Audience = cmp.Or(p.Audience, first.Audience)
	p.TierClaim = cmp.Or(p.TierClaim, first.TierClaim)
	p.UserClaim = cmp.Or(p.UserClaim, first.UserClaim)
	p.RolesClaim = cmp.Or(p.RolesClaim, first.RolesClaim)
	p.GroupsClaim = cmp.Or(p.GroupsClaim, first.GroupsClaim)
	p.DefaultTier = cmp.Or(p.DefaultTier, first.DefaultTier)
	p.ClockSkew = cmp.Or(p.ClockSkew, first.ClockSkew)
	p.Introspection.Cache = cmp.Or(p.Introspection.Cache, first.Introspection.Cache)
	if len(p.Algorithms) == 0 {
		p.Algorithms = first.Algorithms
	}
	return p
}

// check returns every reason why callers cannot be known by this configuration. One that names no issuer may pass:
// such a gateway runs, and serves nobody.
func (o OIDC) check(tiers map[string]Tier) error {
	errs := []error{o.checkApart()}
	if o.Issuer == "" {
		errs = append(errs, o.Provider.check("oidc", tiers))
	}
	for i, p := range o.Providers() {
		key := "oidc"
		if i > 0 {
			key = fmt.Sprintf("oidc.additional[%d]", i-1)
		}
		errs = append(errs, absoluteURL(key+".issuer", p.Issuer), p.check(key, tiers))
	}
	return errors.Join(errs...)
}

// checkApart sees to it that no two issuers, and no two people of different issuers, can be taken for one another.
func (o OIDC) checkApart() error {
	var errs []error
	if o.SubjectPrefix != "" {
		errs = append(errs, errors.New("oidc.subject_prefix is for additional issuers: the first one's subjects stay as they are"))
	}
	if o.Issuer == "" && len(o.Additional) > 0 {
		errs = append(errs, errors.New("oidc.additional is set, but oidc.issuer is not: name the first issuer there"))
	}
	for i, p := range o.Additional {
		key := fmt.Sprintf("oidc.additional[%d]", i)
		errs = append(errs, required(key+".subject_prefix", p.SubjectPrefix))
		before := slices.Concat([]Provider{o.Provider}, o.Additional[:i])
		for _, other := range before {
			if p.Issuer == other.Issuer {
				errs = append(errs, fmt.Errorf("%s.issuer is %s, which is configured already: each issuer is named once", key, p.Issuer))
			}
			if overlap(p.SubjectPrefix, other.SubjectPrefix) {
				errs = append(errs, fmt.Errorf("%s.subject_prefix is %q and another's is %q: one must not begin with the other", key, p.SubjectPrefix, other.SubjectPrefix))
			}
		}
	}
	return errors.Join(errs...)
}

func overlap(a, b string) bool {
	return a != "" && b != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

// check returns what is wrong with one provider, whose key in the file is given.
func (p Provider) check(key string, tiers map[string]Tier) error {
	errs := []error{
		required(key+".audience", p.Audience), required(key+".tier_claim", p.TierClaim),
		notEmpty(key+".algorithms", len(p.Algorithms)), noWeakAlgorithm(key, p.Algorithms), p.Introspection.check(key + ".introspection"),
	}
	if p.ClockSkew < 0 {
		errs = append(errs, fmt.Errorf("%s.clock_skew must not be negative", key))
	}
	if _, known := tiers[p.DefaultTier]; p.DefaultTier != "" && !known {
		errs = append(errs, fmt.Errorf("%s.default_tier is %q, which tiers does not have", key, p.DefaultTier))
	}
	return errors.Join(errs...)
}

func (i Introspection) check(key string) error {
	if i.Mode == IntrospectNever {
		if i.ClientID != "" || i.ClientSecretFile != "" {
			return fmt.Errorf("%s.mode is not set: set it to opaque or always, or remove the client", key)
		}
		return nil
	}
	return errors.Join(oneOf(key+".mode", i.Mode, IntrospectNever, IntrospectOpaque, IntrospectAlways),
		required(key+".client_id", i.ClientID), required(key+".client_secret_file", i.ClientSecretFile), positive(key+".cache", int64(i.Cache)))
}

func noWeakAlgorithm(key string, algorithms []string) error {
	for _, a := range algorithms {
		if a == "none" || strings.HasPrefix(a, "HS") {
			return fmt.Errorf("%s.algorithms: %s is not accepted: a token must be signed with the issuer's private key", key, a)
		}
	}
	return nil
}
