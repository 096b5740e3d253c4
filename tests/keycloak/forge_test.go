package keycloak

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// authority is an issuer that signs what no Keycloak would: tokens that begin tomorrow.
type authority struct {
	*httptest.Server
	key *rsa.PrivateKey
}

const authorityKey = "the authority's"

func newAuthority() (*authority, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": a.URL, "jwks_uri": a.URL + "/keys", "authorization_endpoint": a.URL, "token_endpoint": a.URL,
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		public := jose.JSONWebKey{Key: key.Public(), KeyID: authorityKey, Algorithm: "RS256", Use: "sig"}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	})
	a.Server = httptest.NewServer(mux)
	return a, nil
}

// parts takes a token apart.
func parts(t *testing.T, token string) (header, claims map[string]any, signature string) {
	t.Helper()
	pieces := strings.Split(token, ".")
	if len(pieces) != 3 {
		t.Fatalf("a token of %d parts", len(pieces))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(pieces[i])
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.UseNumber() // times keep their form
		if err := decoder.Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims, pieces[2]
}

// assemble puts one together, whatever its signature is of.
func assemble(t *testing.T, header, claims map[string]any, signature string) string {
	t.Helper()
	var pieces []string
	for _, part := range []map[string]any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, base64.RawURLEncoding.EncodeToString(text))
	}
	return strings.Join(append(pieces, signature), ".")
}

// but changes a value.
func but(values map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(values)
	changed[name] = value
	return changed
}

// sign makes a token of claims, with any key under any id.
func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key, id any, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
