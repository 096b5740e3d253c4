package config

import (
	"strings"
	"testing"
)

func TestHowTheClusterIsReached(t *testing.T) {
	const worker = good + "temporal: {address: \"t:7233\", "
	for name, c := range map[string]struct{ yaml, says string }{
		"plain":                       {worker + "}", ""},
		"TLS with the system's CAs":   {worker + "tls: {enabled: true}}", ""},
		"mutual TLS":                  {worker + "tls: {enabled: true, ca_file: a, cert_file: b, key_file: c, server_name: d}}", ""},
		"a certificate and no key":    {worker + "tls: {enabled: true, cert_file: b}}", "go together"},
		"files for a TLS that is off": {worker + "tls: {ca_file: a}}", "temporal.tls.enabled is false"},
		"a token file":                {worker + "auth: {token_file: a}}", ""},
		"client credentials":          {worker + `auth: {token_url: "https://id/token", client_id: a, client_secret_file: b, scopes: [c]}}`, ""},
		"two ways to a token":         {worker + `auth: {token_file: a, token_url: "https://id/token"}}`, "keep one"},
		"no client":                   {worker + `auth: {token_url: "https://id/token"}}`, "temporal.auth.client_id is not set\ntemporal.auth.client_secret_file is not set"},
		"nowhere to ask":              {worker + "auth: {client_id: a}}", "temporal.auth.token_url is not set"},
		"no URL":                      {worker + "auth: {token_url: id, client_id: a, client_secret_file: b}}", "temporal.auth.token_url is \"id\""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse([]byte(c.yaml), noEnviron)
			if err != nil {
				t.Fatal(err)
			}
			err = cfg.CheckWorker()
			if c.says == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
}
