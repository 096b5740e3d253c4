package charts

import (
	"net/url"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// Who could read the record, sign seals or ask the identity provider beside those who have to, would do so in their name.
func TestASecretIsWithThoseWhoNeedItAndNobodyElse(t *testing.T) {
	for _, c := range []struct {
		what, set string
		secret    string // as the chart names it
		has       string // the component, and nobody else
	}{
		{"the auditor's login", "frontend.records.enabled=true", gateway + "-db-auditor", "frontend"},
		{"the client's secret", "keycloak.introspection.mode=always,keycloak.introspection.clientID=llm-gateway", gateway + "-introspection", "frontend"},
		{"the key of the seals", "sealKey.source=store", gateway + "-seal", "worker"},
	} {
		t.Run(c.what, func(t *testing.T) {
			for _, on := range []bool{false, true} {
				var objects manifest.Objects
				var want, got []string
				if objects = renderGateway(t); on {
					objects, want = renderGateway(t, c.set), []string{c.has}
				}
				for _, component := range []string{"frontend", "worker", "migration"} {
					if slices.Contains(needs(process(t, objects, component)), need{"Secret", c.secret}) {
						got = append(got, component)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("switched on: %v; %s is with %v, not %v", on, c.secret, got, want)
				}
			}
		})
	}
}

// The two logins of a frontend are of one database, and must not be taken for one another: the frontend's own can read nothing.
func TestAFrontendThatShowsTheRecordHasTwoLogins(t *testing.T) {
	shown := 0
	for _, one := range renderings(t, helm.Prepare(t, gateway)) {
		objects := one.objects(t)
		cfg := configOf(t, objects, "frontend").Database
		if cfg.AuditorURL == "" {
			continue
		}
		shown++
		own, auditors := parsed(t, cfg.URL), parsed(t, cfg.AuditorURL)
		if _, plain := auditors.User.Password(); plain || auditors.User.Username() == own.User.Username() || cfg.AuditorPassword == "" {
			t.Errorf("%s: the logins are %s and %s", one.Name, own.User, auditors.User)
		}
		if own.User, auditors.User = nil, nil; *own != *auditors {
			t.Errorf("%s: one is at %s, the other at %s", one.Name, own, auditors)
		}
		if a, b := secretIn(t, objects, "PGPASSWORD"), secretIn(t, objects, "LLMGW_DATABASE__AUDITOR_PASSWORD"); a == b {
			t.Errorf("%s: both passwords are that in %s", one.Name, a)
		}
	}
	if shown == 0 {
		t.Error("no render shows the record")
	}
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// secretIn names the Secret that a variable of the frontend's is from.
func secretIn(t *testing.T, objects manifest.Objects, variable string) string {
	t.Helper()
	env := process(t, objects, "frontend").spec.Containers[0].Env
	at := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == variable })
	if at < 0 || env[at].ValueFrom == nil {
		t.Fatalf("%s is not out of a Secret", variable)
	}
	return env[at].ValueFrom.SecretKeyRef.Name
}
