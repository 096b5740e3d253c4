package integration

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// The service that may start batches, as the gateway's configuration knows it.
const (
	serviceName    = "nightly"
	serviceSubject = "service:nightly"
	serviceUser    = "Nightly jobs"
)

// service is a program with a key of its own.
type service struct {
	private ed25519.PrivateKey
	file    string // with the public key
}

func newService(dir string) (service, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return service{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return service{}, err
	}
	s := service{private, filepath.Join(dir, serviceName+".pem")}
	return s, os.WriteFile(s.file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

// setting tells the gateway of the service.
func (s service) setting() string {
	return fmt.Sprintf("batch.services=[{name: %s, public_key_file: %q, subject: %q, user: %q, tier: pro}]", serviceName, s.file, serviceSubject, serviceUser)
}

// permit signs a permission to start a batch. It claims to be somebody else's, with a tier of their own.
func (s service) permit(t *testing.T, batch uuid.UUID) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: s.private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": serviceName, "aud": "llm-gateway/batches", "jti": batch.String(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"sub": "somebody", "user": "somebody else", "tier": "enterprise",
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
