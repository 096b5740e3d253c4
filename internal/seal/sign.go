package seal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
)

// ParsePrivateKey reads an Ed25519 key, PKCS#8 in PEM: openssl genpkey -algorithm ed25519.
func ParsePrivateKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("it has no private key in PEM; openssl genpkey -algorithm ed25519 makes one")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its private key cannot be read; openssl genpkey -algorithm ed25519 makes one") // and nothing of it is told
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("its private key is not an Ed25519 key; openssl genpkey -algorithm ed25519 makes one")
	}
	return private, nil
}

// ParsePublicKey reads an Ed25519 key in PEM: openssl pkey -in KEY -pubout.
func ParsePublicKey(text []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("it has no public key in PEM; openssl pkey -in KEY -pubout writes that of a private one")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("its public key is not an Ed25519 key")
	}
	return public, nil
}

// KeyID names a key: the first 8 bytes of its SHA-256, in hex.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// Sign signs the seal.
func (s *Seal) Sign(key ed25519.PrivateKey) {
	s.Key, s.Signature = KeyID(key.Public().(ed25519.PublicKey)), ed25519.Sign(key, s.Hash[:]) //nolint:forcetypeassert // as it is documented
}
