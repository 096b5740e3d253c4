package stack

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
)

// googleProject is the project that the mock of Google Cloud has.
const googleProject = "mock-project"

// googleCredentialsFile is where the gateway's service account is kept, in the
// state directory.
const googleCredentialsFile = "google-credentials.json"

// serviceAccount is what the gateway is at the mock of Google Cloud.
type serviceAccount struct {
	email    string
	tokenURI string
	key      *rsa.PrivateKey
}

// newServiceAccount makes an account with a key of its own.
func newServiceAccount(tokenURI string) (*serviceAccount, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the key of a service account: %w", err)
	}
	return &serviceAccount{email: "gateway@" + googleProject + ".iam.gserviceaccount.com", tokenURI: tokenURI, key: key}, nil
}

// file is the account in the form of Google's credential files.
func (a *serviceAccount) file() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return "", fmt.Errorf("encode the key of a service account: %w", err)
	}
	content, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": googleProject,
		"client_email": a.email, "client_id": "100000000000000000000", "token_uri": a.tokenURI,
		"private_key_id": "mock", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}, "", "  ")
	return string(content) + "\n", err
}

// cloudEnv is where a frontend finds its cloud credentials, unless the developer
// has set some: those win, for backends that are pointed at a real cloud.
func (s *Stack) cloudEnv() []string {
	env := []string{"AWS_EC2_METADATA_DISABLED=true"}
	if os.Getenv("AWS_ACCESS_KEY_ID") == "" {
		env = append(env, "AWS_ACCESS_KEY_ID="+accessKeyID, "AWS_SECRET_ACCESS_KEY="+secretAccessKey)
	}
	if os.Getenv("AWS_REGION") == "" {
		env = append(env, "AWS_REGION="+awsRegion)
	}
	if os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") == "" {
		env = append(env, "GOOGLE_APPLICATION_CREDENTIALS="+s.dir.file(googleCredentialsFile))
	}
	return env
}
