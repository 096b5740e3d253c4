//go:build linux

package run

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"text/template"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/certtest"
	"github.com/openova-io/llm-gateway/tests/charts/kubelet"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// install does what the API server and the operators do of a render, but for starting pods.
func (w *world) install(t *testing.T, objects manifest.Objects) {
	t.Helper()
	for _, o := range objects.Kind("ConfigMap") {
		w.node.ConfigMap(o.GetName(), manifest.Into[corev1.ConfigMap](t, o).Data)
	}
	passwords := map[string]string{}
	for _, o := range objects.Kind("ExternalSecret") {
		secret, data := w.externalSecret(t, o)
		w.node.Secret(secret, data)
		passwords[secret] = data["password"]
	}
	for _, o := range objects.Kind("Cluster") {
		w.cluster(t, o, passwords)
	}
}

// externalSecret does what External Secrets does: it makes a Secret of the store and of generators.
func (w *world) externalSecret(t *testing.T, o manifest.Object) (name string, data map[string]string) {
	t.Helper()
	var external struct {
		Spec struct {
			Data []struct {
				SecretKey string
				RemoteRef struct{ Key, Property string }
			}
			DataFrom []struct {
				SourceRef struct{ GeneratorRef struct{ Kind string } }
			}
			Target struct {
				Name     string
				Template struct{ Data map[string]string }
			}
		}
	}
	if err := yaml.Unmarshal(o.YAML, &external); err != nil {
		t.Fatal(err)
	}
	data = map[string]string{}
	for _, from := range external.Spec.DataFrom {
		if from.SourceRef.GeneratorRef.Kind != "Password" {
			t.Fatalf("%s: what makes a %q?", o.ID(), from.SourceRef.GeneratorRef.Kind)
		}
		data["password"] = rand.Text()
	}
	for _, from := range external.Spec.Data {
		value, ok := w.store[from.RemoteRef.Key+"/"+from.RemoteRef.Property]
		if !ok {
			t.Fatalf("%s: the store has no %s/%s", o.ID(), from.RemoteRef.Key, from.RemoteRef.Property)
		}
		data[from.SecretKey] = value
	}
	if external.Spec.Target.Template.Data != nil {
		made := map[string]string{}
		for key, text := range external.Spec.Target.Template.Data {
			var value strings.Builder
			if err := template.Must(template.New(key).Option("missingkey=error").Parse(text)).Execute(&value, data); err != nil {
				t.Fatal(err)
			}
			made[key] = value.String()
		}
		data = made
	}
	return external.Spec.Target.Name, data
}

// cluster does what CloudNativePG does: it makes the database, its owner and the managed roles, gives the server a
// certificate for its Service, and leaves the Secrets <cluster>-app and <cluster>-ca.
func (w *world) cluster(t *testing.T, o manifest.Object, passwords map[string]string) {
	t.Helper()
	var cluster struct {
		Spec struct {
			Bootstrap struct {
				InitDB struct{ Database, Owner string }
			}
			Managed struct {
				Roles []struct {
					Name           string
					Login          bool
					PasswordSecret struct{ Name string }
				}
			}
		}
	}
	if err := yaml.Unmarshal(o.YAML, &cluster); err != nil {
		t.Fatal(err)
	}
	service := o.GetName() + "-rw"
	data := w.certify(t, service)
	w.node.Secret(o.GetName()+"-ca", data)
	w.node.Service(service+":5432", kubelet.To(host(t, w.PostgresURLs["superuser"])))

	db, password := cluster.Spec.Bootstrap.InitDB, rand.Text()
	w.node.Secret(o.GetName()+"-app", map[string]string{"username": db.Owner, "password": password})
	w.exec(t, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", db.Database)) // the stack's own, and empty
	w.exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '%s'", db.Owner, password))
	w.exec(t, fmt.Sprintf("CREATE DATABASE %s OWNER %s", db.Database, db.Owner))
	for _, role := range cluster.Spec.Managed.Roles {
		secret, ok := passwords[role.PasswordSecret.Name]
		if !role.Login || !ok {
			t.Fatalf("role %s has no login, or no password in %s", role.Name, role.PasswordSecret.Name)
		}
		w.exec(t, fmt.Sprintf("DROP ROLE IF EXISTS %s", role.Name)) // the stack's own
		w.exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role.Name, secret))
	}
}

func (w *world) exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := w.admin.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// certify gives the database server a certificate for a name, by a CA of its own, and returns the CA's Secret.
func (w *world) certify(t *testing.T, name string) map[string]string {
	t.Helper()
	authority := certtest.New(t)
	own := authority.Issue(t, name)
	if err := w.SecureDatabase(t.Context(), own.Certificate, own.Key); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the database speaks TLS", func() error {
		var ssl string
		if err := w.admin.QueryRow(t.Context(), "SHOW ssl").Scan(&ssl); err != nil || ssl != "on" {
			return fmt.Errorf("ssl is %q, %w", ssl, err)
		}
		return nil
	})
	return map[string]string{"ca.crt": string(authority.Certificate), "ca.key": string(authority.Key)}
}
