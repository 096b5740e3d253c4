package keycloak

import (
	"context"
	"net/http"
	"testing"
	"time"
)

func TestAnEndedSessionIsRefusedWithinTheCachesTime(t *testing.T) {
	w := shared
	realm := w.Keycloak.Realm
	for name, end := range map[string]func(t *testing.T, in tokens){
		"ended by an administrator": func(t *testing.T, in tokens) {
			w.admin.must(t, http.MethodDelete, "/"+realm+"/sessions/"+in.Session, nil, nil)
		},
		"by logging its user out everywhere": func(t *testing.T, _ tokens) {
			w.admin.must(t, http.MethodPost, "/"+realm+"/users/"+w.user(t, realm, "free")["id"].(string)+"/logout", nil, nil)
		},
		"by disabling its user": func(t *testing.T, _ tokens) {
			user := w.user(t, realm, "free")
			path := "/" + realm + "/users/" + user["id"].(string)
			w.admin.must(t, http.MethodPut, path, map[string]any{"enabled": false}, nil)
			t.Cleanup(func() {
				_ = w.admin.do(context.Background(), http.MethodPut, path, map[string]any{"enabled": true}, nil)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := w.login(t, realm, "demo", "free")
			w.served(t, strict, in.Access)
			w.served(t, plain, in.Access)
			end(t, in)
			time.Sleep(briefly + 100*time.Millisecond)
			w.refused(t, strict, in.Access, "was revoked, or its session has ended. Log in again")
			w.served(t, plain, in.Access) // it asks about opaque tokens only
		})
	}
}

func TestALightweightTokenIsReadByAskingKeycloak(t *testing.T) {
	w := shared
	id := w.client(t, map[string]string{"client.use.lightweight.access.token.enabled": "true"}, "basic", "llm-gateway")
	token := w.login(t, w.Keycloak.Realm, id, "pro").Access
	if _, claims, _ := parts(t, token); claims["tier"] != nil || claims["aud"] != nil {
		t.Fatalf("the token is not lightweight: %v", claims)
	}
	if got := w.served(t, strict, token); got.Tier != "pro" || got.User != "pro" || got.Subject != w.user(t, w.Keycloak.Realm, "pro")["id"] {
		t.Errorf("%+v; want pro", got)
	}
	w.refused(t, plain, token, `audience "llm-gateway"`)
}

func TestTwoRealmsHaveSubjectsApart(t *testing.T) {
	w := shared
	here := w.served(t, strict, w.login(t, w.Keycloak.Realm, "demo", "enterprise").Access)
	there := w.served(t, strict, w.login(t, realmPartners, "demo", "enterprise").Access)
	subject := w.user(t, realmPartners, "enterprise")["id"].(string)
	if here.Tier != "enterprise" || there.Tier != "enterprise" || there.Subject != "partners:"+subject {
		t.Errorf("%+v\n%+v; want the second's subject to be partners:%s", here, there, subject)
	}
}
