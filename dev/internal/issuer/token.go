package issuer

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is whom tokens are for unless they are asked for somebody else.
const Audience = "llm-gateway"

// Order describes a token of a user; empty fields mean the usual.
type Order struct {
	User     User
	Lifetime time.Duration
	Audience string
	Tier     string
}

// Token returns a signed access token.
func (i *Issuer) Token(order Order) (string, error) {
	now := time.Now()
	audience, tier := Audience, order.User.Tier
	if order.Audience != "" {
		audience = order.Audience
	}
	if order.Tier != "" {
		tier = order.Tier
	}
	return i.sign(map[string]any{
		"iss":                i.url,
		"sub":                order.User.Subject,
		"aud":                audience,
		"iat":                now.Unix(),
		"nbf":                now.Unix(),
		"exp":                now.Add(order.Lifetime).Unix(),
		"preferred_username": order.User.Name,
		"email":              order.User.Name + "@example.com",
		"tier":               tier,
		"roles":              order.User.Roles,
	}, "RS256", i.public.KeyID)
}

// sign makes a token of any claims with any of the known algorithms. HS256 uses
// the public key as its secret: the forgery a careless verifier falls for.
func (i *Issuer) sign(claims map[string]any, algorithm, keyID string) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	var key any
	switch algorithm {
	case "RS256":
		key = i.private
	case "HS256":
		der, err := x509.MarshalPKIXPublicKey(i.private.Public())
		if err != nil {
			return "", fmt.Errorf("encode the public key: %w", err)
		}
		key = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	case "none":
		return unsigned(payload, keyID), nil
	default:
		return "", fmt.Errorf("unknown algorithm %q: use RS256, HS256 or none", algorithm)
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: key}, options)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

// unsigned is a token that says it needs no signature.
func unsigned(payload []byte, keyID string) string {
	header := fmt.Appendf(nil, `{"alg":"none","typ":"JWT","kid":%q}`, keyID)
	encode := base64.RawURLEncoding.EncodeToString
	return encode(header) + "." + encode(payload) + "."
}
