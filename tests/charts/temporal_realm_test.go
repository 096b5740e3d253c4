package charts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// realm stands for a realm of Keycloak: its keys, and its token endpoint for the client credentials grant.
type realm struct {
	*httptest.Server
	key, strange *ecdsa.PrivateKey // the second is not the realm's
}

func newRealm(t *testing.T) *realm {
	t.Helper()
	r := &realm{key: signingKey(t), strange: signingKey(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		public := jose.JSONWebKey{Key: &r.key.PublicKey, KeyID: "one", Algorithm: "ES256", Use: "sig"}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, req *http.Request) {
		if name, secret, _ := req.BasicAuth(); name != "gateway-worker" || secret != "worker-secret" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": r.token(t, r.key, claims("llm-gateway:write")), "token_type": "Bearer", "expires_in": 300,
		})
	})
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func signingKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// claims are those of a token that is in order, with these permissions.
func claims(permissions ...string) map[string]any {
	return map[string]any{
		"iss": "https://id.example.org/realms/main", "sub": "somebody", "aud": []string{"temporal", "account"},
		"exp": time.Now().Add(time.Hour).Unix(), "permissions": permissions,
	}
}

// but changes a claim; nil removes it.
func but(claims map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(claims)
	changed[name] = value
	if value == nil {
		delete(changed, name)
	}
	return changed
}

func (r *realm) token(t testing.TB, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "one")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
