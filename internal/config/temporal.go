package config

import (
	"errors"
	"time"
)

// Temporal is the cluster the workflows run on. Only the worker talks to it.
type Temporal struct {
	Address         string        `koanf:"address"`
	Namespace       string        `koanf:"namespace"`
	TaskQueue       string        `koanf:"task_queue"`
	CreateNamespace bool          `koanf:"create_namespace"` // make the namespace at start-up if it is missing
	Retention       time.Duration `koanf:"retention"`        // of closed workflows, in a namespace we make
	TLS             TemporalTLS   `koanf:"tls"`
	Auth            TemporalAuth  `koanf:"auth"`
}

// TemporalTLS is how the connection to the cluster is secured.
type TemporalTLS struct {
	Enabled    bool   `koanf:"enabled"`
	CAFile     string `koanf:"ca_file"`     // whose certificates are trusted; "" trusts the system's
	CertFile   string `koanf:"cert_file"`   // the worker's own certificate, where the cluster wants one; read again when it is renewed
	KeyFile    string `koanf:"key_file"`    // and its key
	ServerName string `koanf:"server_name"` // in the cluster's certificate; "" is the host of the address
}

// TemporalAuth is the token the cluster is called with: out of a file, or from the identity provider by the client
// credentials grant. Without either none is sent.
type TemporalAuth struct {
	TokenFile        string   `koanf:"token_file"`         // read for each call
	TokenURL         string   `koanf:"token_url"`          // the identity provider's token endpoint
	ClientID         string   `koanf:"client_id"`          // the worker's own there
	ClientSecretFile string   `koanf:"client_secret_file"` // read for each token
	Scopes           []string `koanf:"scopes"`
}

// check returns every reason why the cluster cannot be reached by this configuration.
func (t Temporal) check() error {
	var errs []error
	if !t.TLS.Enabled && t.TLS != (TemporalTLS{}) {
		errs = append(errs, errors.New("temporal.tls has files or a name, but temporal.tls.enabled is false: set it, or remove them"))
	}
	if (t.TLS.CertFile == "") != (t.TLS.KeyFile == "") {
		errs = append(errs, errors.New("temporal.tls.cert_file and temporal.tls.key_file go together: set both, or neither"))
	}
	switch auth := t.Auth; {
	case auth.TokenFile != "" && auth.TokenURL != "":
		errs = append(errs, errors.New("temporal.auth has a token_file and a token_url: keep one"))
	case auth.TokenURL != "":
		errs = append(errs, absoluteURL("temporal.auth.token_url", auth.TokenURL),
			required("temporal.auth.client_id", auth.ClientID), required("temporal.auth.client_secret_file", auth.ClientSecretFile))
	case auth.ClientID != "" || auth.ClientSecretFile != "" || len(auth.Scopes) > 0:
		errs = append(errs, errors.New("temporal.auth.token_url is not set; a client gets its token there"))
	}
	return errors.Join(errs...)
}
