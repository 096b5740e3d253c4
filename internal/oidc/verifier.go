// Package oidc turns access tokens into principals. It is the only importer of go-oidc.
package oidc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Verifier authenticates callers by the tokens of one issuer. See [New].
type Verifier struct {
	cfg    config.OIDC
	issuer *issuer
	cache  *cache
}

// New makes a verifier. It asks the issuer nothing yet, so a gateway can start before its issuer does.
func New(cfg config.OIDC) *Verifier {
	return &Verifier{cfg: cfg, issuer: newIssuer(cfg), cache: newCache(cfg.CacheSize)}
}

// Ready reports whether the issuer can be asked for its keys.
func (v *Verifier) Ready(ctx context.Context) error {
	_, err := v.issuer.keys(ctx)
	return err
}

// Authenticate returns the principal of the first token that is valid. Empty tokens are passed over. The error is
// the first token's: a *gateway.Error that says what to do, Unauthenticated where the token is at fault and
// Overloaded where the issuer cannot be asked, or there is none.
func (v *Verifier) Authenticate(ctx context.Context, tokens ...string) (gateway.Principal, error) {
	if v.cfg.Issuer == "" {
		return gateway.Principal{}, &gateway.Error{
			Code: gateway.Overloaded, NoRetry: true, Cause: errNoIssuer,
			Message: "This gateway has no identity provider, so it serves nobody. Its operator has to set oidc.issuer.",
		}
	}
	var first error
	for _, token := range tokens {
		if token == "" {
			continue
		}
		p, err := v.authenticate(ctx, token)
		if err == nil {
			return p, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = refuse(`No access token was sent. Set ANTHROPIC_AUTH_TOKEN (Anthropic clients) or OPENAI_API_KEY (OpenAI clients) to your subscription token, or send it as "Authorization: Bearer".`, nil)
	}
	return gateway.Principal{}, first
}

func (v *Verifier) authenticate(ctx context.Context, token string) (gateway.Principal, error) {
	hash := sha256.Sum256([]byte(token))
	if p, ok := v.cache.get(hash, time.Now()); ok {
		return p, nil
	}
	keys, err := v.issuer.keys(ctx)
	if err != nil {
		return gateway.Principal{}, unavailable(err)
	}
	watched := &watchedKeys{KeySet: keys}
	verified, err := oidc.NewVerifier(v.cfg.Issuer, watched, &oidc.Config{
		ClientID: v.cfg.Audience, SupportedSigningAlgs: v.cfg.Algorithms,
	}).Verify(ctx, token)
	if err != nil {
		return gateway.Principal{}, v.explain(err, watched.err)
	}
	var claims rawClaims
	if err := verified.Claims(&claims); err != nil {
		return gateway.Principal{}, refuse("Your access token's claims cannot be read. Get a new token and set it as ANTHROPIC_AUTH_TOKEN, or as OPENAI_API_KEY in an OpenAI client.", err)
	}
	p, err := v.principal(verified.Subject, claims)
	if err != nil {
		return gateway.Principal{}, err
	}
	v.cache.put(hash, p, verified.Expiry, time.Now())
	return p, nil
}

func (v *Verifier) principal(subject string, claims []byte) (gateway.Principal, error) {
	p := gateway.Principal{
		Subject: subject,
		User:    gjson.GetBytes(claims, v.cfg.UserClaim).String(),
		Tier:    gateway.Tier(gjson.GetBytes(claims, v.cfg.TierClaim).String()),
	}
	if p.Subject == "" {
		return p, refuse("Your access token names no subject. Ask the operator of your identity provider to issue tokens with a sub claim.", nil)
	}
	if p.User == "" {
		p.User = subject
	}
	for _, role := range gjson.GetBytes(claims, v.cfg.RolesClaim).Array() {
		p.Roles = append(p.Roles, role.String())
	}
	return p, nil
}

// explain turns a refusal into a sentence for the person who holds the token. go-oidc has an error type for expiry
// only; the other reasons are told apart by their text, and by what happened to the fetch of the keys.
func (v *Verifier) explain(err, fetch error) error {
	if expired, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return refuse(fmt.Sprintf("Your access token expired at %s. Get a new one and set it as ANTHROPIC_AUTH_TOKEN, or as OPENAI_API_KEY in an OpenAI client.",
			expired.Expiry.UTC().Format(time.RFC3339)), err)
	}
	if isOutage(fetch) {
		return unavailable(fetch)
	}
	for sign, message := range map[string]string{
		"different provider": "Your access token was issued by another identity provider. Get one from " + v.cfg.Issuer + ".",
		"expected audience":  fmt.Sprintf("Your access token is not meant for this gateway. Get one with the audience %q.", v.cfg.Audience),
		"before the nbf":     "Your access token is not valid yet. Check the clock of the machine that issued it.",
	} {
		if strings.Contains(err.Error(), sign) {
			return refuse(message, err)
		}
	}
	return refuse("Your access token is not valid: it is malformed, or not signed by this gateway's identity provider. Get a new one and set it as ANTHROPIC_AUTH_TOKEN, or as OPENAI_API_KEY in an OpenAI client.", err)
}

func refuse(message string, cause error) error {
	return &gateway.Error{Code: gateway.Unauthenticated, Message: message, NoRetry: true, Cause: cause}
}

func unavailable(cause error) error {
	return &gateway.Error{
		Code: gateway.Overloaded, RetryAfter: refetchInterval, Cause: cause,
		Message: "The identity provider cannot be reached, so your token cannot be checked. Try again in a few seconds.",
	}
}

// rawClaims keeps the claims as JSON text, to be asked by path.
type rawClaims []byte

// UnmarshalJSON keeps a copy of the text.
func (c *rawClaims) UnmarshalJSON(b []byte) error {
	*c = append((*c)[:0], b...)
	return nil
}
