package submission

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// minModulus is the least length of an RSA key, in bits.
const minModulus = 2048

// ReadKey reads a public key from its PEM form, the block "PUBLIC KEY": an Ed25519, ECDSA or RSA key that tokens can be
// verified with.
func ReadKey(text []byte) (any, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("submission: there is no PEM block; write the public key with: openssl pkey -in KEY -pubout")
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("submission: this is a private key, which its service should keep to itself; write the public key with: openssl pkey -in KEY -pubout")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("submission: the PEM block %q is no public key; write the public key with: openssl pkey -in KEY -pubout: %w", block.Type, err)
	}
	if _, err := algorithmsFor(key); err != nil {
		return nil, err
	}
	return key, nil
}

// algorithmsFor are those a token may name that is verified with the key. A key has its kind of algorithm and no other, so
// that a public key is never taken for a secret.
func algorithmsFor(key any) ([]jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return []jose.SignatureAlgorithm{jose.EdDSA}, nil
		}
	case *ecdsa.PublicKey:
		switch k.Params().BitSize {
		case 256:
			return []jose.SignatureAlgorithm{jose.ES256}, nil
		case 384:
			return []jose.SignatureAlgorithm{jose.ES384}, nil
		case 521:
			return []jose.SignatureAlgorithm{jose.ES512}, nil
		}
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minModulus {
			return nil, fmt.Errorf("submission: an RSA key of %d bits is too short; make one of %d or more", bits, minModulus)
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}, nil
	}
	return nil, fmt.Errorf("submission: a key of type %T cannot verify tokens; use an Ed25519, ECDSA (P-256, P-384, P-521) or RSA key", key)
}
