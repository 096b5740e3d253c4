package temporal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/openova-io/llm-gateway/internal/config"
)

// tokenTimeout bounds one request to the identity provider.
const tokenTimeout = 10 * time.Second

// connection is how the cluster is reached. A token does not turn TLS on by itself: inside a cluster the network may
// be what secures it, and the operator has said which.
func connection(cfg config.TemporalTLS) (client.ConnectionOptions, error) {
	if !cfg.Enabled {
		return client.ConnectionOptions{TLSDisabled: true}, nil
	}
	secured := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.ServerName}
	if cfg.CAFile != "" {
		text, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return client.ConnectionOptions{}, fmt.Errorf("temporal.tls.ca_file: %w", err)
		}
		secured.RootCAs = x509.NewCertPool()
		if !secured.RootCAs.AppendCertsFromPEM(text) {
			return client.ConnectionOptions{}, fmt.Errorf("temporal.tls.ca_file: %s has no certificate in PEM", cfg.CAFile)
		}
	}
	if cfg.CertFile != "" {
		// Read for each connection, since certificates are renewed while the worker runs.
		secured.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
			return &pair, err
		}
	}
	return client.ConnectionOptions{TLS: secured}, nil
}

// credentials are the tokens that the cluster is called with; nil sends none.
func credentials(cfg config.TemporalAuth) client.Credentials {
	switch {
	case cfg.TokenFile != "":
		return client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) { return secret(cfg.TokenFile) })
	case cfg.TokenURL != "":
		tokens := oauth2.ReuseTokenSource(nil, grant(cfg))
		return client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) {
			token, err := tokens.Token()
			if err != nil {
				return "", fmt.Errorf("temporal: get a token at %s: %w", cfg.TokenURL, err)
			}
			return token.AccessToken, nil
		})
	}
	return nil
}

// grant gets a new token from the identity provider, by the client credentials grant.
type grant config.TemporalAuth

// Token reads the secret anew, so that it can be rotated while the worker runs.
func (g grant) Token() (*oauth2.Token, error) {
	password, err := secret(g.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	flow := clientcredentials.Config{ClientID: g.ClientID, ClientSecret: password, TokenURL: g.TokenURL, Scopes: g.Scopes}
	return flow.Token(context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Timeout: tokenTimeout}))
}

// secret is the content of a mounted file.
func secret(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return "", errors.New(file + " is empty")
	}
	return string(text), nil
}
