package keycloak

import (
	"net/http"
	"testing"
)

// keys are the providers of a realm's keys, as its administrator has them.
type keys struct {
	w     *world
	realm string
}

// add makes Keycloak sign with a new key from now on.
func (k keys) add(t *testing.T, name, priority string) {
	t.Helper()
	var realm struct{ ID string }
	k.w.admin.must(t, http.MethodGet, "/"+k.realm, nil, &realm)
	k.w.admin.must(t, http.MethodPost, "/"+k.realm+"/components", map[string]any{
		"name": name, "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider", "parentId": realm.ID,
		"config": map[string][]string{
			"priority": {priority}, "enabled": {"true"}, "active": {"true"}, "algorithm": {"RS256"}, "keySize": {"2048"},
		},
	}, nil)
}

// set changes the provider of the key that made a token: active ones may sign, enabled ones are published.
func (k keys) set(t *testing.T, id any, active, enabled string) {
	t.Helper()
	var all struct {
		Keys []struct{ Kid, ProviderID string }
	}
	k.w.admin.must(t, http.MethodGet, "/"+k.realm+"/keys", nil, &all)
	for _, key := range all.Keys {
		if key.Kid != id {
			continue
		}
		path := "/" + k.realm + "/components/" + key.ProviderID
		var provider map[string]any
		k.w.admin.must(t, http.MethodGet, path, nil, &provider)
		config := provider["config"].(map[string]any)
		config["active"], config["enabled"] = []string{active}, []string{enabled}
		k.w.admin.must(t, http.MethodPut, path, provider, nil)
		return
	}
	t.Fatalf("the realm has no key %q", id)
}

func TestKeysAreRotated(t *testing.T) {
	w := shared
	k := keys{w, realmWatched}
	token := func() (string, any) {
		text := w.login(t, realmWatched, "demo", "pro").Access
		header, _, _ := parts(t, text)
		return text, header["kid"]
	}
	old, first := token()
	unseen, _ := token() // of the old key; shown late
	w.served(t, watched, old)

	k.add(t, "second", "200")
	fresh, second := token()
	if second == first {
		t.Fatal("Keycloak signs with the old key still")
	}
	w.served(t, watched, fresh) // at once, although the gateway has never heard of its key
	w.served(t, watched, old)

	k.set(t, first, "false", "true")
	w.served(t, watched, unseen) // passive: signs no more, but is good

	k.set(t, first, "false", "false")
	k.add(t, "third", "300")
	newest, _ := token()
	w.served(t, watched, newest)
	w.refused(t, watched, old, "does not publish, or no longer")
	w.refused(t, watched, unseen, "does not publish, or no longer")
	w.served(t, watched, fresh)
}
