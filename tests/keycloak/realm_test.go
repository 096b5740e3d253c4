package keycloak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// admin is Keycloak's administrator.
type admin struct{ *stacktest.Keycloak }

// do calls the admin API; the path begins after /admin/realms.
func (a admin) do(ctx context.Context, method, path string, body, into any) error {
	token, err := a.login(ctx) // for each call: it lasts a minute only
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.URL+"/admin/realms"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := new(http.Client).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

func (a admin) login(ctx context.Context) (string, error) {
	got, err := grant(ctx, a.URL+"/realms/master", url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {a.Admin}, "password": {a.Password},
	})
	return got.Access, err
}

// must does so in a test.
func (a admin) must(t *testing.T, method, path string, body, into any) {
	t.Helper()
	if err := a.do(t.Context(), method, path, body, into); err != nil {
		t.Fatal(err)
	}
}

// makeRealm imports the shipped example under another name, with the demo's users, as an administrator would. Its
// tokens name the address that people use, if that is another than Keycloak's.
func (w *world) makeRealm(ctx context.Context, name, address string) error {
	root, err := stacktest.Root()
	if err != nil {
		return err
	}
	var realm map[string]any
	var demo struct {
		Clients, Users []map[string]any
	}
	for file, into := range map[string]any{"realm.json": &realm, "demo.json": &demo} {
		text, err := os.ReadFile(filepath.Join(root, "dev", "internal", "keycloak", file))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	realm["realm"] = name
	if address != "" {
		realm["attributes"] = map[string]string{"frontendUrl": address}
	}
	if err := w.admin.do(ctx, http.MethodPost, "", realm, nil); err != nil {
		return err
	}
	for _, client := range demo.Clients {
		if err := w.admin.do(ctx, http.MethodPost, "/"+name+"/clients", client, nil); err != nil {
			return err
		}
	}
	for _, user := range demo.Users {
		delete(user, "id") // taken, by the user of the first realm
		if err := w.admin.do(ctx, http.MethodPost, "/"+name+"/users", user, nil); err != nil {
			return err
		}
	}
	return nil
}

// issuer is the issuer of a realm's tokens.
func (w *world) issuer(realm string) string {
	if realm == realmWatched {
		return w.proxy.URL + "/realms/" + realm
	}
	return w.Keycloak.URL + "/realms/" + realm
}

// client makes a client of the stack's realm that takes passwords, like the demo's but for some attributes and the
// scopes. It returns its id.
func (w *world) client(t *testing.T, attributes map[string]string, scopes ...string) string {
	t.Helper()
	id := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	w.admin.must(t, http.MethodPost, "/"+w.Keycloak.Realm+"/clients", map[string]any{
		"clientId": id, "publicClient": true, "directAccessGrantsEnabled": true, "attributes": attributes, "defaultClientScopes": scopes,
	}, nil)
	return id
}

// tokens are the answer of a token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Session string `json:"session_state"`
}

// grant asks an issuer for tokens.
func grant(ctx context.Context, issuer string, form url.Values) (tokens, error) {
	var got tokens
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, issuer+"/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		return got, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := new(http.Client).Do(req)
	if err != nil {
		return got, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return got, err
	}
	if res.StatusCode != http.StatusOK {
		return got, fmt.Errorf("%s gave no token: %s: %s", issuer, res.Status, text)
	}
	return got, json.Unmarshal(text, &got)
}

// login gets a user's tokens by the password, which is the name, through a client.
func (w *world) login(t *testing.T, realm, client, user string) tokens {
	t.Helper()
	got, err := grant(t.Context(), w.issuer(realm), url.Values{
		"grant_type": {"password"}, "client_id": {client}, "scope": {"openid"}, "username": {user}, "password": {user},
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// user finds a user of a realm.
func (w *world) user(t *testing.T, realm, name string) (found map[string]any) {
	t.Helper()
	var list []map[string]any
	w.admin.must(t, http.MethodGet, "/"+realm+"/users?exact=true&username="+name, nil, &list)
	if len(list) != 1 {
		t.Fatalf("%d users %q", len(list), name)
	}
	return list[0]
}
