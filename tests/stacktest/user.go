package stacktest

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// NewUser makes a token of a new user of a tier, good for an hour.
func (s *Stack) NewUser(ctx context.Context, tier string) (token string, err error) {
	now, subject := time.Now(), uuid.NewString()
	var made struct {
		Token string `json:"access_token"`
	}
	err = s.Mint(ctx, map[string]any{
		"iss": s.Issuer, "sub": subject, "aud": "llm-gateway", "preferred_username": "test-" + subject[:8], "tier": tier,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}, &made)
	return made.Token, err
}
