package model

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// tokenPath is where a service account exchanges a signed assertion for a token.
const tokenPath = "/token"

const (
	assertionGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	cloudScope     = "https://www.googleapis.com/auth/cloud-platform"
	tokenLifetime  = time.Hour
)

// GoogleAccount is a service account of Google Cloud, and the authority that
// gives it tokens.
type GoogleAccount struct {
	Email    string
	Key      *rsa.PublicKey // of the key that signs its assertions
	TokenURI string         // where this authority is, as the assertions name it

	mu     sync.Mutex
	issued map[string]time.Time // tokens and when they end
}

// exchange answers POST /token.
func (g *GoogleAccount) exchange(w http.ResponseWriter, r *http.Request) {
	assertion := r.PostFormValue("assertion")
	problem := g.verify(r.PostFormValue("grant_type"), assertion)
	if problem != "" {
		w.Header().Set("content-type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(marshal(map[string]string{"error": "invalid_grant", "error_description": problem}))
		return
	}
	sum := sha256.Sum256([]byte(assertion))
	token := "ya29.mock-" + hex.EncodeToString(sum[:])
	g.mu.Lock()
	if g.issued == nil {
		g.issued = map[string]time.Time{}
	}
	g.issued[token] = time.Now().Add(tokenLifetime)
	g.mu.Unlock()
	reply(w, map[string]any{"access_token": token, "expires_in": int(tokenLifetime.Seconds()), "token_type": "Bearer"})
}

// verify returns what is wrong with an assertion; empty if nothing is.
func (g *GoogleAccount) verify(grant, assertion string) string {
	if grant != assertionGrant {
		return "Invalid grant_type: " + grant
	}
	parsed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return "Bad Request: " + err.Error()
	}
	var claims struct {
		jwt.Claims
		Scope string `json:"scope"`
	}
	if err := parsed.Claims(g.Key, &claims); err != nil {
		return "Invalid JWT Signature."
	}
	expected := jwt.Expected{Issuer: g.Email, AnyAudience: jwt.Audience{g.TokenURI}, Time: time.Now()}
	if err := claims.Validate(expected); err != nil {
		return "Invalid JWT: " + err.Error()
	}
	if !slices.Contains(strings.Fields(claims.Scope), cloudScope) {
		return "Invalid OAuth scope: " + claims.Scope
	}
	return ""
}

// admit lets in who has a token of this authority.
func (g *GoogleAccount) admit(x *exchange) (status int, message string) {
	token, bearer := strings.CutPrefix(x.r.Header.Get("authorization"), "Bearer ")
	g.mu.Lock()
	end, known := g.issued[token]
	g.mu.Unlock()
	if !bearer || !known || time.Now().After(end) {
		return http.StatusUnauthorized, "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."
	}
	return http.StatusOK, ""
}
