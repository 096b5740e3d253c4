package submission

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	maxServiceLife = time.Hour        // of a service's token
	leeway         = 30 * time.Second // by which the clocks of two machines may differ
)

// Service is a program that signs its own tokens. All but the key is configured, and no token changes it.
type Service struct {
	Name    string // the issuer in its tokens
	Subject string // whose quota its batches take
	User    string // the name people know it by; empty: the subject
	Tier    gateway.Tier
	Key     any // public: an ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey
}

// Verifier checks tokens. See [NewVerifier].
type Verifier struct {
	issuers map[string]issuer
}

// issuer is who may sign tokens, and with what.
type issuer struct {
	key        any
	algorithms []jose.SignatureAlgorithm
	service    *gateway.Principal // whose every batch is; nil for the gateway, whose tokens name theirs
	another    string             // what to do for another token
}

// NewVerifier makes a verifier of the gateway's own tokens and those of the services. Without a secret it takes those of
// the services alone.
func NewVerifier(secret []byte, services []Service) (*Verifier, error) {
	v := &Verifier{issuers: map[string]issuer{}}
	if secret != nil {
		if err := checkSecret(secret); err != nil {
			return nil, err
		}
		v.issuers[gatewayName] = issuer{
			key: secret, algorithms: []jose.SignatureAlgorithm{jose.HS256},
			another: "Get a new one from POST /batches/submissions.",
		}
	}
	for _, s := range services {
		algorithms, err := algorithmsFor(s.Key)
		if err != nil {
			return nil, fmt.Errorf("the service %q: %w", s.Name, err)
		}
		if _, taken := v.issuers[s.Name]; taken || s.Name == gatewayName || s.Name == "" || s.Subject == "" {
			return nil, fmt.Errorf("submission: the service %q needs a subject, and a name that is neither another's nor %q", s.Name, gatewayName)
		}
		p := gateway.Principal{Subject: s.Subject, User: s.User, Tier: s.Tier}
		if p.User == "" {
			p.User = p.Subject
		}
		v.issuers[s.Name] = issuer{s.Key, algorithms, &p, fmt.Sprintf("Sign a new one as %q.", s.Name)}
	}
	return v, nil
}

// Verify tells which batch the token permits to start, and whose it is. Now is when the batch was started: one that waits
// for a worker while its token expires was in time. The error is a *gateway.Error that says what to do.
//
// A service chooses its batches' ids, so the batch may be one that exists: the caller must see that it is the same
// principal's.
func (v *Verifier) Verify(token string, now time.Time) (batch uuid.UUID, p gateway.Principal, err error) {
	if token == "" {
		return uuid.Nil, p, refuse("The batch's input has no submission token. Get one from POST /batches/submissions.", nil)
	}
	by, said, err := v.authentic(token)
	if err != nil {
		return uuid.Nil, p, err
	}
	if err := by.check(said, now); err != nil {
		return uuid.Nil, p, err
	}
	if batch, err = uuid.Parse(said.ID); err != nil || batch.Version() != 7 { // lists are sorted by it, as by age
		return uuid.Nil, p, refuse("The submission token's jti is no UUID of version 7, which the batch's id must be. "+by.another, err)
	}
	if by.service != nil {
		return batch, *by.service, nil
	}
	if said.Subject == "" {
		return uuid.Nil, p, refuse("The submission token names no subject. "+by.another, nil)
	}
	return batch, gateway.Principal{Subject: said.Subject, User: said.User, Tier: said.Tier, Groups: said.Groups}, nil
}

// authentic returns who signed a token, and what it says.
func (v *Verifier) authentic(token string) (issuer, claims, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{
		jose.HS256, jose.EdDSA, jose.ES256, jose.ES384, jose.ES512,
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	})
	var named, said claims
	if err == nil {
		err = parsed.UnsafeClaimsWithoutVerification(&named)
	}
	if err != nil {
		return issuer{}, said, refuse("The submission token is malformed, or signed in a way that proves nothing. Get one from POST /batches/submissions.", err)
	}
	by, ok := v.issuers[named.Issuer]
	if !ok {
		return by, said, refuse(fmt.Sprintf("The submission token's issuer %q may not start batches. Get a token from POST /batches/submissions, or ask the gateway's operator to configure it (batch.submission_key_file, batch.services).", named.Issuer), nil)
	}
	if !slices.Contains(by.algorithms, jose.SignatureAlgorithm(parsed.Headers[0].Algorithm)) {
		err = fmt.Errorf("the algorithm %q is not the key's", parsed.Headers[0].Algorithm)
	} else {
		err = parsed.Claims(by.key, &said)
	}
	if err != nil {
		return by, said, refuse(fmt.Sprintf("The submission token is not signed with the key of %q. %s", named.Issuer, by.another), err)
	}
	return by, said, nil
}

// check refuses what an authentic token says where it is not for this gateway or not for this time.
func (by issuer) check(said claims, now time.Time) error {
	if said.Expiry == nil || said.IssuedAt == nil {
		return refuse("The submission token needs the claims iat and exp. "+by.another, nil)
	}
	if life := said.Expiry.Time().Sub(said.IssuedAt.Time()); by.service != nil && life > maxServiceLife {
		return refuse(fmt.Sprintf("The submission token is good for %s, and may be for %s at most. %s", life, maxServiceLife, by.another), nil)
	}
	err := said.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{audience}, Time: now}, leeway)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrInvalidAudience):
		return refuse(fmt.Sprintf("The submission token is not meant for batches of this gateway: its audience must be %q. %s", audience, by.another), err)
	case errors.Is(err, jwt.ErrExpired):
		return refuse(fmt.Sprintf("The submission token expired at %s. %s", said.Expiry.Time().UTC().Format(time.RFC3339), by.another), err)
	}
	return refuse("The submission token is not valid yet. Check the clock of the machine that signed it.", err)
}

func refuse(message string, cause error) error {
	return &gateway.Error{Code: gateway.Unauthenticated, Message: message, NoRetry: true, Cause: cause}
}
