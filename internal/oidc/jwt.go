package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// signed returns what a JWT says, if a key of the issuer vouches for it.
func (i *issuer) signed(ctx context.Context, token string) (claims, *ring, error) {
	came := time.Now()
	jws, err := jose.ParseSignedCompact(token, i.algorithms)
	if _, wrong := errors.AsType[*jose.ErrUnexpectedSignatureAlgorithm](err); wrong {
		return nil, nil, wrongAlgorithm(err, i)
	}
	if err != nil {
		return nil, nil, malformed(err)
	}
	for _, asked := range [...]time.Time{{}, came} {
		r, err := i.keys.since(ctx, asked)
		if err != nil {
			return nil, nil, unavailable(err)
		}
		payload, err := r.verify(jws)
		if err == nil {
			return payload, r, nil
		}
		if !errors.Is(err, errUnknownKey) {
			return nil, nil, wrongSignature(err, i)
		}
	}
	return nil, nil, unknownKey(i)
}

// claimedIssuer is whose token a JWT says it is. Nobody has vouched for that yet. ok is false for what is no JWT.
func claimedIssuer(token string) (name string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	var header struct {
		Algorithm *string `json:"alg"`
	}
	var payload struct {
		Issuer string `json:"iss"`
	}
	for n, into := range [...]any{&header, &payload} {
		text, err := base64.RawURLEncoding.DecodeString(parts[n])
		if err != nil || json.Unmarshal(text, into) != nil {
			return "", false
		}
	}
	return payload.Issuer, header.Algorithm != nil
}
