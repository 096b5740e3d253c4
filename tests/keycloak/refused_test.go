package keycloak

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestForgedTokensAreRefused(t *testing.T) {
	w := shared
	real := w.Tokens["free"]
	header, claims, signature := parts(t, real)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wanted := but(claims, "tier", "enterprise")
	for name, c := range map[string]struct{ token, says string }{
		"another tier under the same signature":  {assemble(t, header, wanted, signature), "signature is wrong"},
		"alg none":                               {assemble(t, but(header, "alg", "none"), wanted, ""), "not signed with RS256"},
		"alg none under the old signature":       {assemble(t, but(header, "alg", "none"), wanted, signature), "not signed with RS256"},
		"the public key as the secret of HS256":  {sign(t, jose.HS256, w.publicKey(t, header["kid"]), header["kid"], wanted), "not signed with RS256"},
		"another key under the id of Keycloak's": {sign(t, jose.RS256, other, header["kid"], wanted), "signature is wrong"},
		"another key under an id of its own":     {sign(t, jose.RS256, other, "nobody's", wanted), "does not publish"},
		"an issuer of its own":                   {sign(t, jose.RS256, other, "nobody's", but(wanted, "iss", w.Issuer+"2")), "does not know"},
		"a signature that was cut":               {real[:len(real)-20], "signature is wrong"},
		"no JWT at all, which Keycloak is asked": {"sk-ant-0123456789", "not known to the identity provider"},
	} {
		t.Run(name, func(t *testing.T) { w.refused(t, plain, c.token, c.says) })
	}
	if got := w.served(t, plain, real); got.Tier != "free" {
		t.Errorf("and the real one is of tier %s", got.Tier)
	}
}

// publicKey is a signing key of the stack's realm, in PEM.
func (w *world) publicKey(t *testing.T, id any) []byte {
	t.Helper()
	res, err := http.Get(w.Issuer + "/protocol/openid-connect/certs")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	for _, key := range set.Keys {
		if key.KeyID == id {
			der, err := x509.MarshalPKIXPublicKey(key.Key)
			if err != nil {
				t.Fatal(err)
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		}
	}
	t.Fatalf("Keycloak does not publish the key %q", id)
	return nil
}

func TestTokensForOthersAreRefused(t *testing.T) {
	w := shared
	t.Run("of a client without the gateway's scope", func(t *testing.T) {
		id := w.client(t, nil, "basic")
		w.refused(t, plain, w.login(t, w.Keycloak.Realm, id, "pro").Access, `Get one with the audience "llm-gateway"`)
	})
	t.Run("of a realm that is not trusted", func(t *testing.T) {
		token, err := w.admin.login(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.refused(t, plain, token, "Get one from "+w.Issuer)
	})
	t.Run("of a realm that another frontend trusts", func(t *testing.T) {
		w.refused(t, plain, w.login(t, realmPartners, "demo", "pro").Access, "Get one from "+w.Issuer)
	})
	t.Run("a refresh token", func(t *testing.T) {
		w.refused(t, plain, w.login(t, w.Keycloak.Realm, "demo", "pro").Refresh, "not signed with RS256")
	})
}

func TestATokenLastsUntilItsEndAndTheClocksDifference(t *testing.T) {
	w := shared
	id := w.client(t, map[string]string{"access.token.lifespan": "1"}, "basic", "llm-gateway")
	token := w.login(t, w.Keycloak.Realm, id, "pro").Access
	_, claims, _ := parts(t, token)
	seconds, err := claims["exp"].(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	end := time.Unix(seconds, 0)
	time.Sleep(time.Until(end.Add(200 * time.Millisecond)))
	w.served(t, plain, token) // it has ended by now, but clocks differ
	time.Sleep(time.Until(end.Add(skew + 200*time.Millisecond)))
	w.refused(t, plain, token, "expired at "+end.UTC().Format(time.RFC3339))
}

func TestATokenThatBeginsLaterIsRefusedUntilThen(t *testing.T) {
	w := shared
	now := time.Now()
	claims := map[string]any{
		"iss": w.authority.URL, "aud": "llm-gateway", "sub": "early", "tier": "pro", "preferred_username": "early",
		"iat": now.Unix(), "exp": now.Add(2 * time.Hour).Unix(),
	}
	from := func(begin time.Time) string {
		return sign(t, jose.RS256, w.authority.key, authorityKey, but(claims, "nbf", begin.Unix()))
	}
	w.refused(t, strict, from(now.Add(time.Hour)), "is valid from "+now.Add(time.Hour).UTC().Format(time.RFC3339)+" on")
	w.served(t, strict, from(now.Add(skew/2)))
	begins := from(time.Now().Add(2 * skew))
	w.refused(t, strict, begins, "is valid from")
	eventually(t, 3*skew, "the token has begun", func() bool { return w.mustAsk(t, strict, begins).status == http.StatusOK })
}

func TestRefusalsLeaveNoTokenInTheLogs(t *testing.T) {
	w := shared
	header, claims, signature := parts(t, w.Tokens["pro"])
	forged := assemble(t, header, but(maps.Clone(claims), "tier", "enterprise"), signature)
	w.refused(t, plain, forged, "signature is wrong")
	w.served(t, plain, w.Tokens["pro"])
	for name, text := range w.logs(t) {
		for _, secret := range []string{signature, w.Keycloak.Password, w.Keycloak.Clients["llm-gateway"]} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has a secret", name)
			}
		}
	}
}
