package submission

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	gatewayName = "llm-gateway" // the issuer in the gateway's own tokens
	audience    = "llm-gateway/batches"
	minSecret   = 32 // bytes: as long as the hash
)

// claims are what a token says.
type claims struct {
	jwt.Claims
	User string       `json:"user,omitempty"`
	Tier gateway.Tier `json:"tier,omitempty"`

	Groups []string `json:"groups,omitempty"` // for the limits that are the caller's own
}

// Signer signs the gateway's own tokens. See [NewSigner].
type Signer struct {
	signer jose.Signer
	ttl    time.Duration
}

// NewSigner makes a signer of tokens that are good for ttl. The secret has 32 bytes or more.
func NewSigner(secret []byte, ttl time.Duration) (*Signer, error) {
	if err := checkSecret(secret); err != nil {
		return nil, err
	}
	if ttl < time.Second {
		return nil, fmt.Errorf("submission: tokens that are good for %s cannot be used: it must be a second or more", ttl)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("submission: %w", err)
	}
	return &Signer{signer, ttl}, nil
}

// Sign permits the principal to start the batch, from now until expires, which is a whole second. The principal's
// roles are not part of it: a batch needs none.
func (s *Signer) Sign(batch uuid.UUID, p gateway.Principal, now time.Time) (token string, expires time.Time, err error) {
	if batch == uuid.Nil || p.Subject == "" {
		return "", time.Time{}, errors.New("submission: a token is for one batch of one subject")
	}
	now = now.Truncate(time.Second)
	expires = now.Add(s.ttl).Truncate(time.Second)
	token, err = jwt.Signed(s.signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: gatewayName, Audience: jwt.Audience{audience}, ID: batch.String(), Subject: p.Subject,
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(expires),
		},
		User: p.User, Tier: p.Tier, Groups: p.Groups,
	}).Serialize()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("submission: sign: %w", err)
	}
	return token, expires, nil
}

func checkSecret(secret []byte) error {
	if len(secret) < minSecret {
		return fmt.Errorf("submission: the secret has %d bytes, and must have %d or more; make one with: openssl rand -base64 32", len(secret), minSecret)
	}
	return nil
}
