package issuer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// serve starts an issuer whose URL is that of the test server.
func serve(t *testing.T, keyFile string) *Issuer {
	t.Helper()
	var issuer *Issuer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { issuer.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	var err error
	if issuer, err = New(server.URL, keyFile); err != nil {
		t.Fatal(err)
	}
	return issuer
}

// decode reads a JSON answer, and its status.
func decode[T any](t *testing.T, response *http.Response, err error) (T, int) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var value T
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatalf("%v in %s", err, content)
	}
	return value, response.StatusCode
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Error       string `json:"error"`
}

func order(t *testing.T, i *Issuer, form string) tokenAnswer {
	t.Helper()
	values, err := url.ParseQuery(form)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.PostForm(i.url+"/token", values)
	answer, _ := decode[tokenAnswer](t, response, err)
	return answer
}

// verify checks a token the way a relying party does: discovery, key set, signature.
func verify(t *testing.T, i *Issuer, token string) map[string]any {
	t.Helper()
	response, err := http.Get(i.url + "/.well-known/openid-configuration")
	document, _ := decode[struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}](t, response, err)
	if document.Issuer != i.url {
		t.Errorf("issuer = %q, want %q", document.Issuer, i.url)
	}
	response, err = http.Get(document.Keys)
	set, _ := decode[jose.JSONWebKeySet](t, response, err)
	signed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	keys := set.Key(signed.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		t.Fatalf("%d keys of the token's id", len(keys))
	}
	payload, err := signed.Verify(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// number reads a claim that is a point in time.
func number(t *testing.T, claims map[string]any, name string) int64 {
	t.Helper()
	value, ok := claims[name].(float64)
	if !ok {
		t.Fatalf("%s is no number: %v", name, claims[name])
	}
	return int64(value)
}

func TestTokenVerifiesAgainstThePublishedKeys(t *testing.T) {
	i := serve(t, filepath.Join(t.TempDir(), "key.pem"))
	for _, user := range Users() {
		answer := order(t, i, "username="+user.Name)
		claims := verify(t, i, answer.AccessToken)
		for name, want := range map[string]any{
			"iss": i.url, "sub": user.Subject, "aud": Audience, "tier": user.Tier,
			"preferred_username": user.Name, "email": user.Name + "@example.com",
		} {
			if claims[name] != want {
				t.Errorf("%s: %s = %v, want %v", user.Name, name, claims[name], want)
			}
		}
		if got := number(t, claims, "exp") - number(t, claims, "iat"); got != 3600 || answer.ExpiresIn != 3600 {
			t.Errorf("%s: lifetime %d s", user.Name, got)
		}
		if roles, ok := claims["roles"].([]any); !ok || len(roles) != len(user.Roles) {
			t.Errorf("%s: roles %v", user.Name, claims["roles"])
		}
	}
}

func TestTokenCanBeOrderedDifferently(t *testing.T) {
	i := serve(t, filepath.Join(t.TempDir(), "key.pem"))
	claims := verify(t, i, order(t, i, "grant_type=client_credentials&client_id=fred&expires_in=-60&audience=other&tier=pro").AccessToken)
	if exp := number(t, claims, "exp"); exp > time.Now().Unix()-50 || claims["aud"] != "other" || claims["tier"] != "pro" {
		t.Errorf("claims = %v", claims)
	}
	if got := order(t, i, "username=nobody"); got.Error != "invalid_grant" {
		t.Errorf("an unknown user got %+v", got)
	}
	if got := order(t, i, "username=fred&expires_in=soon"); got.Error != "invalid_request" {
		t.Errorf("a lifetime that is no number got %+v", got)
	}
}

func TestKeyOutlivesTheIssuer(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	first := serve(t, keyFile)
	token := order(t, first, "username=fred").AccessToken
	verify(t, serve(t, keyFile), token)
}

func TestMintMakesTokensThatMustBeRefused(t *testing.T) {
	i := serve(t, filepath.Join(t.TempDir(), "key.pem"))
	mint := func(body string) (tokenAnswer, int) {
		response, err := http.Post(i.url+"/mint", "application/json", strings.NewReader(body))
		return decode[tokenAnswer](t, response, err)
	}
	algorithms := []jose.SignatureAlgorithm{jose.RS256, jose.HS256, "none"}
	for _, algorithm := range algorithms {
		answer, _ := mint(`{"claims":{"sub":"x","exp":1900000000},"alg":"` + string(algorithm) + `","kid":"k"}`)
		signed, err := jose.ParseSigned(answer.AccessToken, algorithms)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		header := signed.Signatures[0].Header
		if header.Algorithm != string(algorithm) || header.KeyID != "k" {
			t.Errorf("header = %+v", header)
		}
		if got := string(signed.UnsafePayloadWithoutVerification()); got != `{"exp":1900000000,"sub":"x"}` {
			t.Errorf("claims = %s", got)
		}
	}
	if claims := func() map[string]any { a, _ := mint(`{"claims":{"sub":"x"}}`); return verify(t, i, a.AccessToken) }(); claims["sub"] != "x" {
		t.Errorf("claims = %v", claims)
	}
	for _, body := range []string{`{}`, `no`, `{"claims":{},"alg":"ES256"}`} {
		if _, status := mint(body); status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, status)
		}
	}
}

func TestFetchesAreCounted(t *testing.T) {
	i := serve(t, filepath.Join(t.TempDir(), "key.pem"))
	verify(t, i, order(t, i, "username=fred").AccessToken)
	response, err := http.Get(i.url + "/stats")
	stats, _ := decode[map[string]int](t, response, err)
	if stats["discovery"] != 1 || stats["jwks"] != 1 || stats["token"] != 1 {
		t.Errorf("stats = %v", stats)
	}
}
