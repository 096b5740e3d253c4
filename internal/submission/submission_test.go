package submission

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	batch  = uuid.MustParse("01960000-0000-7000-8000-000000000001")
	secret = []byte("0123456789abcdef0123456789abcdef")
	petra  = gateway.Principal{Subject: "s-1", User: "petra", Tier: "pro", Groups: []string{"/research"}}
	nights = gateway.Principal{Subject: "service:nights", User: "Nightly jobs", Tier: "enterprise"}
)

// world is a gateway that knows one service for each kind of key.
type world struct {
	*Verifier
	*Signer
	keys map[string]any // the services' private keys, by name
}

func newWorld(t testing.TB) world {
	t.Helper()
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	modulus, _ := rsa.GenerateKey(rand.Reader, minModulus)
	w := world{keys: map[string]any{"ed": ed, "p256": p256, "p384": p384, "p521": p521, "rsa": modulus}}
	var services []Service
	for name, private := range w.keys {
		key, err := ReadKey(publicPEM(t, private))
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, Service{Name: name, Subject: nights.Subject, User: nights.User, Tier: nights.Tier, Key: key})
	}
	var err error
	if w.Verifier, err = NewVerifier(secret, services); err != nil {
		t.Fatal(err)
	}
	if w.Signer, err = NewSigner(secret, time.Hour); err != nil {
		t.Fatal(err)
	}
	return w
}

func publicPEM(t testing.TB, private any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(private.(crypto.Signer).Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// signed is a token of any claims: those of a good one, changed; nil takes a claim away.
func signed(t testing.TB, alg jose.SignatureAlgorithm, key any, change map[string]any) string {
	t.Helper()
	said := map[string]any{
		"iss": "ed", "aud": audience, "jti": batch.String(), "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
		"sub": "s-thief", "user": "thief", "tier": "unlimited",
	}
	maps.Copy(said, change)
	maps.DeleteFunc(said, func(_ string, value any) bool { return value == nil })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(said).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// compact is a token of any header and payload, signed with the gateway's secret.
func compact(header, payload string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// failure is the error of what makes something or fails.
func failure[T any](_ T, err error) error { return err }

func TestTheGatewaysOwnTokenNamesWhomItWasMadeFor(t *testing.T) {
	w := newWorld(t)
	signedAt := noon.Add(123 * time.Millisecond)
	token, expires, err := w.Sign(batch, gateway.Principal{Subject: "s-1", User: "petra", Tier: "pro", Roles: []string{"auditor"}, Groups: petra.Groups}, signedAt)
	if err != nil || !expires.Equal(noon.Add(time.Hour)) {
		t.Fatalf("good until %s, %v", expires, err)
	}
	for name, now := range map[string]time.Time{"at once": signedAt, "in its last second": expires, "where the clock is late": noon.Add(-leeway)} {
		id, p, err := w.Verify(token, now)
		if err != nil || id != batch || !reflect.DeepEqual(p, petra) {
			t.Errorf("%s: %s, %+v, %v", name, id, p, err)
		}
	}
}

func TestAServicesBatchesAreWhoseTheConfigurationSays(t *testing.T) {
	w := newWorld(t)
	for alg, name := range map[jose.SignatureAlgorithm]string{
		jose.EdDSA: "ed", jose.ES256: "p256", jose.ES384: "p384", jose.ES512: "p521", jose.RS256: "rsa", jose.PS512: "rsa",
	} {
		id, p, err := w.Verify(signed(t, alg, w.keys[name], map[string]any{"iss": name}), noon)
		if err != nil || id != batch || !reflect.DeepEqual(p, nights) {
			t.Errorf("%s: %s, %+v, %v", alg, id, p, err)
		}
	}
	unnamed, err := NewVerifier(nil, []Service{{Name: "ed", Subject: "s-9", Key: w.keys["ed"].(ed25519.PrivateKey).Public()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, p, err := unnamed.Verify(signed(t, jose.EdDSA, w.keys["ed"], nil), noon); err != nil || p.User != "s-9" {
		t.Errorf("a service without a user: %+v, %v", p, err)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	service := func(change map[string]any) string { return signed(t, jose.EdDSA, w.keys["ed"], change) }
	own := func(change map[string]any) string {
		said := map[string]any{"iss": gatewayName}
		maps.Copy(said, change)
		return signed(t, jose.HS256, secret, said)
	}
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	public := w.keys["ed"].(ed25519.PrivateKey).Public().(ed25519.PublicKey)
	for name, c := range map[string]struct{ token, says string }{
		"no token":                                 {"", "no submission token"},
		"no JWT":                                   {"sk-12345", "malformed"},
		"alg none":                                 {compact(`{"alg":"none"}`, `{"iss":"llm-gateway"}`), "proves nothing"},
		"claims that are no object":                {compact(`{"alg":"HS256"}`, `[]`), "malformed"},
		"an unknown issuer":                        {service(map[string]any{"iss": "evil"}), `"evil" may not start batches`},
		"no issuer":                                {service(map[string]any{"iss": nil}), `"" may not`},
		"another key of the kind":                  {signed(t, jose.EdDSA, other, nil), "not signed with the key of"},
		"another service's key":                    {signed(t, jose.ES256, w.keys["p256"], nil), "not signed with the key of"},
		"a service's public key as a secret":       {signed(t, jose.HS256, []byte(public), nil), "not signed with the key of"},
		"its PEM as a secret":                      {signed(t, jose.HS256, publicPEM(t, w.keys["rsa"]), map[string]any{"iss": "rsa"}), "not signed with the key of"},
		"a service that says it is the gateway":    {service(map[string]any{"iss": gatewayName}), "not signed with the key of"},
		"the gateway's secret for a service":       {signed(t, jose.HS256, secret, nil), "not signed with the key of"},
		"another secret":                           {signed(t, jose.HS256, bytes.ToUpper(secret), map[string]any{"iss": gatewayName}), "not signed with the key of"},
		"another audience":                         {service(map[string]any{"aud": gatewayName}), `must be "llm-gateway/batches"`},
		"no audience":                              {own(map[string]any{"aud": nil}), "not meant for batches"},
		"expired":                                  {own(map[string]any{"iat": noon.Add(-2 * time.Hour).Unix(), "exp": noon.Add(-time.Hour).Unix()}), "expired at 2026-03-01T11:00:00Z"},
		"expired, of a service":                    {service(map[string]any{"iat": noon.Add(-time.Hour).Unix(), "exp": noon.Add(-time.Minute).Unix()}), `Sign a new one as "ed"`},
		"not yet valid":                            {service(map[string]any{"nbf": noon.Add(time.Minute).Unix()}), "not valid yet"},
		"signed in the future":                     {own(map[string]any{"iat": noon.Add(time.Minute).Unix()}), "not valid yet"},
		"no expiry":                                {service(map[string]any{"exp": nil}), "iat and exp"},
		"no time of signing":                       {service(map[string]any{"iat": nil}), "iat and exp"},
		"a service's that is good for longer":      {service(map[string]any{"exp": noon.Add(time.Hour + time.Second).Unix()}), "1h0m1s, and may be for 1h0m0s at most"},
		"a service's that is good for ever":        {service(map[string]any{"exp": 1e12}), "at most"},
		"no batch":                                 {service(map[string]any{"jti": nil}), "no UUID of version 7"},
		"a batch that is no UUID":                  {own(map[string]any{"jti": "nightly"}), "POST /batches/submissions"},
		"a UUID that tells no time":                {service(map[string]any{"jti": uuid.NewString()}), "no UUID of version 7"},
		"the nil UUID":                             {service(map[string]any{"jti": uuid.Nil.String()}), "no UUID of version 7"},
		"the gateway's own, without a subject":     {own(map[string]any{"sub": nil}), "no subject"},
		"an expiry that is a text":                 {own(map[string]any{"exp": "tomorrow"}), "malformed"},
		"a header that demands what nobody can do": {compact(`{"alg":"HS256","crit":["pop"],"pop":1}`, `{"iss":"llm-gateway"}`), "not signed with the key of"},
	} {
		t.Run(name, func(t *testing.T) {
			id, p, err := w.Verify(c.token, noon)
			e, ok := errors.AsType[*gateway.Error](err)
			if !ok || e.Code != gateway.Unauthenticated || !e.NoRetry || !strings.Contains(e.Message, c.says) {
				t.Errorf("got %+v, want a refusal that says %q", err, c.says)
			}
			if id != uuid.Nil || !reflect.DeepEqual(p, gateway.Principal{}) {
				t.Errorf("a refusal tells of %s and %+v", id, p)
			}
		})
	}
}

func TestWithoutASecretTheGatewaysOwnTokensAreRefused(t *testing.T) {
	v, err := NewVerifier(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{secret, make([]byte, minSecret)} {
		if _, _, err := v.Verify(signed(t, jose.HS256, key, map[string]any{"iss": gatewayName}), noon); err == nil {
			t.Error("a token was accepted")
		}
	}
}

func TestTwoTokensForOneBatchAreOneBatch(t *testing.T) {
	w := newWorld(t)
	first, _, _ := w.Sign(batch, petra, noon)
	second, _, _ := w.Sign(batch, petra, noon.Add(time.Minute))
	a, _, errA := w.Verify(first, noon.Add(time.Minute))
	b, _, errB := w.Verify(second, noon.Add(time.Minute))
	if a != b || errA != nil || errB != nil {
		t.Errorf("%s, %v and %s, %v", a, errA, b, errB)
	}
}

func TestWhatCannotBeSignedOrConfigured(t *testing.T) {
	key := newWorld(t).keys["ed"].(ed25519.PrivateKey).Public()
	service := Service{Name: "nights", Subject: "s-1", Key: key}
	for name, c := range map[string]struct {
		make func() error
		says string
	}{
		"a short secret to sign with":       {func() error { return failure(NewSigner(secret[1:], time.Hour)) }, "31 bytes, and must have 32"},
		"a short secret to verify with":     {func() error { return failure(NewVerifier([]byte{}, nil)) }, "openssl rand"},
		"tokens that are good for no time":  {func() error { return failure(NewSigner(secret, 0)) }, "a second or more"},
		"a service named as the gateway":    {func() error { s := service; s.Name = gatewayName; return failure(NewVerifier(nil, []Service{s})) }, "neither another's nor"},
		"two services of one name":          {func() error { return failure(NewVerifier(nil, []Service{service, service})) }, "neither another's nor"},
		"a service without a subject":       {func() error { s := service; s.Subject = ""; return failure(NewVerifier(nil, []Service{s})) }, "needs a subject"},
		"a service with a secret for a key": {func() error { s := service; s.Key = secret; return failure(NewVerifier(nil, []Service{s})) }, "type []uint8 cannot verify"},
	} {
		if err := c.make(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want what says %q", name, err, c.says)
		}
	}
	s, err := NewSigner(secret, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, sign := range map[string]struct {
		batch uuid.UUID
		p     gateway.Principal
	}{"no batch": {uuid.Nil, petra}, "no subject": {batch, gateway.Principal{User: "petra"}}} {
		if token, _, err := s.Sign(sign.batch, sign.p, noon); err == nil {
			t.Errorf("%s: signed %s", name, token)
		}
	}
}

func TestKeysThatCannotBeRead(t *testing.T) {
	short, _ := rsa.GenerateKey(rand.Reader, 1024)
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	private, _ := x509.MarshalPKCS8PrivateKey(newWorld(t).keys["ed"])
	for name, c := range map[string]struct {
		text []byte
		says string
	}{
		"nothing":              {nil, "no PEM block"},
		"a private key":        {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "private key"},
		"a certificate":        {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), `"CERTIFICATE" is no public key`},
		"a short RSA key":      {publicPEM(t, short), "1024 bits is too short"},
		"a curve nobody wants": {publicPEM(t, p224), "cannot verify tokens"},
	} {
		if key, err := ReadKey(c.text); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v; want what says %q", name, key, err, c.says)
		}
	}
}

// Whatever is done to the bytes of a token, it is refused, or says what it said.
func TestAChangedTokenSaysNothingElse(t *testing.T) {
	w := newWorld(t)
	token, _, err := w.Sign(batch, petra, noon)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		changed := []byte(token)
		at := rapid.IntRange(0, len(changed)-1).Draw(rt, "at")
		changed[at] = rapid.Byte().Draw(rt, "byte")
		id, p, err := w.Verify(string(changed), noon)
		if err == nil && (id != batch || !reflect.DeepEqual(p, petra)) {
			rt.Fatalf("%s says %s, %+v", changed, id, p)
		}
	})
}

func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	own, _, err := w.Sign(batch, petra, noon)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add(signed(f, jose.EdDSA, w.keys["ed"], nil))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		id, p, err := w.Verify(token, noon)
		if _, ok := errors.AsType[*gateway.Error](err); !ok && err != nil {
			t.Errorf("no refusal for a person: %v", err)
		}
		if err == nil && (id != batch || !reflect.DeepEqual(p, petra) && !reflect.DeepEqual(p, nights)) {
			t.Errorf("nobody signed %s for %+v", id, p)
		}
	})
}
