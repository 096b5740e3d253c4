package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openova-io/llm-gateway/internal/config"
)

// issuer is an identity provider. It is first asked when a token of it turns up.
type issuer struct {
	config.Provider
	reserved   []string // prefixes that make the subjects of other issuers
	algorithms []jose.SignatureAlgorithm
	client     *http.Client
	keys       *keyring
	questions  *questions // nil where tokens are not asked about
}

func newIssuer(cfg config.Provider, reserved []string) *issuer {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's own
	transport.MaxIdleConnsPerHost = places
	i := &issuer{Provider: cfg, reserved: reserved, client: &http.Client{Timeout: askTimeout, Transport: transport}}
	for _, a := range cfg.Algorithms {
		i.algorithms = append(i.algorithms, jose.SignatureAlgorithm(a))
	}
	i.keys = newKeyring(i.fetch)
	if cfg.Introspection.Mode != config.IntrospectNever {
		i.questions = newQuestions(cfg.Introspection, transport)
	}
	return i
}

// ready tells whether the issuer is known, or can be asked now.
func (i *issuer) ready(ctx context.Context) error {
	r, err := i.keys.since(ctx, time.Time{})
	if err == nil && i.questions != nil && r.introspect == "" {
		err = i.noEndpoint()
	}
	return err
}

func (i *issuer) noEndpoint() error {
	return fmt.Errorf("oidc: the discovery document of %s names no introspection_endpoint, and introspection is configured", i.Issuer)
}

// judgeJWT judges a JWT that says it is of this issuer.
func (i *issuer) judgeJWT(ctx context.Context, token string, of digest) (verdict, error) {
	now := time.Now()
	said, r, err := i.signed(ctx, token)
	if err != nil {
		return verdict{}, err
	}
	if i.Introspection.Mode != config.IntrospectAlways {
		return i.verdict(said, r, now, time.Time{})
	}
	if err := i.checkTimes(said, now); err != nil {
		return verdict{}, err
	}
	a, err := i.ask(ctx, r, token, of)
	switch {
	case err != nil:
		return verdict{}, err
	case !a.active:
		return verdict{}, revoked()
	}
	if said, err = a.claims.over(said); err != nil {
		return verdict{}, err
	}
	return i.verdict(said, r, now, a.asked.Add(i.Introspection.Cache))
}

// judgeOpaque asks the issuer about a token that only it can read. known is false if it does not know it, either.
func (i *issuer) judgeOpaque(ctx context.Context, token string, of digest) (v verdict, known bool, err error) {
	r, err := i.keys.since(ctx, time.Time{})
	if err != nil {
		return verdict{}, false, unavailable(err)
	}
	a, err := i.ask(ctx, r, token, of)
	if err != nil || !a.active {
		return verdict{}, false, err
	}
	// An answer need not name the issuer: it is who answered.
	itself, err := json.Marshal(map[string]string{"iss": i.Issuer})
	if err != nil {
		return verdict{}, true, err
	}
	said, err := a.claims.over(itself)
	if err != nil {
		return verdict{}, true, err
	}
	v, err = i.verdict(said, r, time.Now(), a.asked.Add(i.Introspection.Cache))
	return v, true, err
}

func (i *issuer) ask(ctx context.Context, r *ring, token string, of digest) (answer, error) {
	if r.introspect == "" {
		return answer{}, unavailable(i.noEndpoint())
	}
	a, err := i.questions.ask(ctx, r.introspect, token, of)
	if err != nil {
		return answer{}, unavailable(err)
	}
	return a, nil
}

// verdict holds until the token expires, or earlier.
func (i *issuer) verdict(c claims, r *ring, now, earlier time.Time) (verdict, error) {
	p, until, err := i.principal(c, now)
	if !earlier.IsZero() && earlier.Before(until) {
		until = earlier
	}
	return verdict{principal: p, by: i, ring: r, until: until}, err
}
