package keycloak

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/api"
)

func TestEachUserIsServedByTheirTier(t *testing.T) {
	w := shared
	for name, c := range map[string]struct {
		tier          string
		groups, roles []string
	}{
		"free":       {tier: "free", groups: []string{"free"}},
		"pro":        {tier: "pro", groups: []string{"pro"}},
		"enterprise": {tier: "enterprise"}, // by an attribute of the user
		"auditor":    {tier: "enterprise", groups: []string{"auditors", "enterprise", "operators"}, roles: []string{"auditor"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.served(t, plain, w.Tokens[name])
			subject := w.user(t, w.Keycloak.Realm, name)["id"]
			if got.User != name || got.Tier != c.tier || got.Subject != subject {
				t.Errorf("%s of tier %s, %s; want %s of tier %s, %s", got.User, got.Tier, got.Subject, name, c.tier, subject)
			}
			who := w.doctor(t, w.Tokens[name])
			slices.Sort(who.Groups)
			if !slices.Equal(who.Groups, c.groups) || !slices.Equal(who.Roles, c.roles) {
				t.Errorf("groups %q, roles %q; want %q and %q", who.Groups, who.Roles, c.groups, c.roles)
			}
		})
	}
}

// doctor is what the gateway says of a token's bearer.
func (w *world) doctor(t *testing.T, token string) (who api.Doctor) {
	t.Helper()
	w.call(t, http.MethodGet, "/api/doctor", token, "", &who)
	return who
}

// call makes a request that has to succeed.
func (w *world) call(t *testing.T, method, path, token, body string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.Gateway+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := new(http.Client).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, path, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestATierOfTheUserGoesBeforeThatOfAGroup(t *testing.T) {
	w := shared
	user := w.user(t, realmPartners, "pro")
	if got := w.served(t, strict, w.login(t, realmPartners, "demo", "pro").Access); got.Tier != "pro" {
		t.Fatalf("tier %q by the group, want pro", got.Tier)
	}
	user["attributes"] = map[string][]string{"tier": {"enterprise"}}
	w.admin.must(t, http.MethodPut, "/"+realmPartners+"/users/"+user["id"].(string), user, nil)
	if got := w.served(t, strict, w.login(t, realmPartners, "demo", "pro").Access); got.Tier != "enterprise" {
		t.Errorf("tier %q, want enterprise", got.Tier)
	}
}

func TestNobodyRaisesTheirOwnTier(t *testing.T) {
	w := shared
	var profile struct {
		Attributes []struct {
			Name        string
			Permissions struct{ Edit []string }
		}
	}
	w.admin.must(t, http.MethodGet, "/"+w.Keycloak.Realm+"/users/profile", nil, &profile)
	for _, a := range profile.Attributes {
		if a.Name == "tier" {
			if !slices.Equal(a.Permissions.Edit, []string{"admin"}) {
				t.Errorf("%q may edit the tier, want only an administrator", a.Permissions.Edit)
			}
			return
		}
	}
	t.Error("the realm's user profile has no tier: it is dropped, or anybody may set it")
}

func TestAServiceAccountIsServed(t *testing.T) {
	w := shared
	got, err := grant(t.Context(), w.Issuer, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {w.Keycloak.Clients["ci"]},
	})
	if err != nil {
		t.Fatal(err)
	}
	if q := w.served(t, plain, got.Access); q.User != "service-account-ci" || q.Tier != "pro" {
		t.Errorf("%s of tier %s, want service-account-ci of tier pro", q.User, q.Tier)
	}
	var message struct {
		Content []struct{ Text string }
	}
	w.call(t, http.MethodPost, "/v1/messages", got.Access,
		`{"model":"claude-haiku-5-5","max_tokens":20,"messages":[{"role":"user","content":"hello"}]}`, &message)
	if len(message.Content) == 0 || message.Content[0].Text == "" {
		t.Errorf("the answer is empty: %+v", message)
	}
}

func TestTemporalGetsItsPermissionsAndTheGatewayNone(t *testing.T) {
	w := shared
	got, err := grant(t.Context(), w.Issuer, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"gateway-worker"}, "client_secret": {w.Keycloak.Clients["gateway-worker"]},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, claims, _ := parts(t, got.Access)
	if text, _ := json.Marshal([]any{claims["aud"], claims["permissions"]}); string(text) != `["temporal",["llm-gateway:write"]]` {
		t.Errorf("audience and permissions of the worker's token: %s", text)
	}
	w.refused(t, plain, got.Access, `audience "llm-gateway"`)

	var ui []struct{ ID string }
	w.admin.must(t, http.MethodGet, "/"+w.Keycloak.Realm+"/clients?clientId=temporal-ui", nil, &ui)
	var token map[string]any
	w.admin.must(t, http.MethodGet, "/"+w.Keycloak.Realm+"/clients/"+ui[0].ID+"/evaluate-scopes/generate-example-access-token?userId="+
		w.user(t, w.Keycloak.Realm, "auditor")["id"].(string), nil, &token)
	if text, _ := json.Marshal(token["permissions"]); !strings.Contains(string(text), `"llm-gateway:read"`) || !strings.Contains(string(text), `"temporal-system:read"`) {
		t.Errorf("an operator's permissions in the Web UI: %s", text)
	}
}
