package oidc

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// claims is what an issuer says of a token, as JSON: the payload of a JWT, what it answered when asked, or the one
// over the other.
type claims []byte

// checkTimes refuses a token that is not valid now, give or take the clock skew.
func (i *issuer) checkTimes(c claims, now time.Time) error {
	_, err := i.validate(c, jwt.Expected{Time: now})
	return err
}

// principal is who the claims are about, and until when they hold. The same rules hold for all tokens, however their
// claims came here.
func (i *issuer) principal(c claims, now time.Time) (p gateway.Principal, until time.Time, err error) {
	standard, err := i.validate(c, jwt.Expected{Issuer: i.Issuer, AnyAudience: jwt.Audience{i.Audience}, Time: now})
	if err != nil {
		return p, until, err
	}
	subject := standard.Subject
	if subject == "" {
		return p, until, noSubject()
	}
	for _, prefix := range i.reserved {
		if strings.HasPrefix(subject, prefix) {
			return p, until, reservedSubject(prefix)
		}
	}
	p = gateway.Principal{
		Subject: i.SubjectPrefix + subject,
		User:    c.text(i.UserClaim, subject),
		Tier:    gateway.Tier(c.text(i.TierClaim, i.DefaultTier)),
		Roles:   c.list(i.RolesClaim),
		Groups:  c.list(i.GroupsClaim),
	}
	return p, standard.Expiry.Time().Add(i.ClockSkew), nil
}

// validate reads the registered claims and holds them against what is expected of them.
func (i *issuer) validate(c claims, want jwt.Expected) (jwt.Claims, error) {
	var got jwt.Claims
	if err := json.Unmarshal(c, &got); err != nil {
		return got, unreadable(err)
	}
	if got.Expiry == nil {
		return got, noExpiry()
	}
	switch err := got.ValidateWithLeeway(want, i.ClockSkew); {
	case err == nil:
		return got, nil
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return got, wrongIssuer([]*issuer{i})
	case errors.Is(err, jwt.ErrInvalidAudience):
		return got, wrongAudience(err, i)
	case errors.Is(err, jwt.ErrExpired):
		return got, expired(err, got.Expiry.Time())
	case errors.Is(err, jwt.ErrNotValidYet):
		return got, notYetValid(err, got.NotBefore.Time(), want.Time)
	case errors.Is(err, jwt.ErrIssuedInTheFuture):
		return got, issuedInTheFuture(err, got.IssuedAt.Time(), want.Time)
	default:
		return got, unreadable(err)
	}
}

// text is the claim at a path, or something else if the token does not name it.
func (c claims) text(path, otherwise string) string {
	if found := gjson.GetBytes(c, path).String(); found != "" {
		return found
	}
	return otherwise
}

// list is the claim at a path, one string or many.
func (c claims) list(path string) []string {
	var all []string
	for _, one := range gjson.GetBytes(c, path).Array() {
		all = append(all, one.String())
	}
	return all
}

// over lays newer claims over older ones.
func (c claims) over(older claims) (claims, error) {
	merged := map[string]json.RawMessage{}
	newer := map[string]json.RawMessage{}
	if err := errors.Join(json.Unmarshal(older, &merged), json.Unmarshal(c, &newer)); err != nil {
		return nil, unreadable(err)
	}
	maps.Copy(merged, newer)
	return json.Marshal(merged)
}
