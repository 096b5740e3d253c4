package issuer

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// defaultLifetime is how long a token lasts unless the request says otherwise.
const defaultLifetime = time.Hour

// Issuer is the provider. It is an [http.Handler].
type Issuer struct {
	url     string
	private *rsa.PrivateKey
	public  jose.JSONWebKey
	mux     *http.ServeMux

	discovery, keys, tokens atomic.Int64 // requests
}

// New returns an issuer that is reached at url and whose key is kept in keyFile.
func New(url, keyFile string) (*Issuer, error) {
	private, err := loadKey(keyFile)
	if err != nil {
		return nil, err
	}
	public, err := publicKey(private)
	if err != nil {
		return nil, err
	}
	i := &Issuer{url: url, private: private, public: public, mux: http.NewServeMux()}
	i.mux.HandleFunc("GET /.well-known/openid-configuration", i.getDiscovery)
	i.mux.HandleFunc("GET /jwks", i.getKeys)
	i.mux.HandleFunc("POST /token", i.postToken)
	i.mux.HandleFunc("POST /mint", i.postMint)
	i.mux.HandleFunc("GET /stats", i.getStats)
	return i, nil
}

// ServeHTTP answers one request.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.mux.ServeHTTP(w, r) }

func (i *Issuer) getDiscovery(w http.ResponseWriter, _ *http.Request) {
	i.discovery.Add(1)
	reply(w, http.StatusOK, map[string]any{
		"issuer":                                i.url,
		"authorization_endpoint":                i.url + "/authorize", // required by the standard; not served
		"token_endpoint":                        i.url + "/token",
		"jwks_uri":                              i.url + "/jwks",
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 []string{"client_credentials", "password"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (i *Issuer) getKeys(w http.ResponseWriter, _ *http.Request) {
	i.keys.Add(1)
	reply(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.public}})
}

func (i *Issuer) getStats(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]int64{
		"discovery": i.discovery.Load(), "jwks": i.keys.Load(), "token": i.tokens.Load(),
	})
}

// postToken gives a demo user a token.
func (i *Issuer) postToken(w http.ResponseWriter, r *http.Request) {
	i.tokens.Add(1)
	name := r.FormValue("username")
	if name == "" {
		name = r.FormValue("client_id")
	}
	if name == "" {
		name, _, _ = r.BasicAuth() // the other standard way to send a client id
	}
	user, known := Find(name)
	if !known {
		refuse(w, "invalid_grant", fmt.Sprintf("there is no user %q; send username=fred, petra, erin or audrey", name))
		return
	}
	lifetime := defaultLifetime
	if value := r.FormValue("expires_in"); value != "" {
		seconds, err := strconv.Atoi(value)
		if err != nil {
			refuse(w, "invalid_request", "expires_in must be a number of seconds")
			return
		}
		lifetime = time.Duration(seconds) * time.Second
	}
	token, err := i.Token(Order{User: user, Lifetime: lifetime, Audience: r.FormValue("audience"), Tier: r.FormValue("tier")})
	if err != nil {
		refuse(w, "server_error", err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime.Seconds()),
	})
}

// postMint signs whatever is asked for.
func (i *Issuer) postMint(w http.ResponseWriter, r *http.Request) {
	i.tokens.Add(1)
	order := struct {
		Claims map[string]any `json:"claims"`
		Alg    string         `json:"alg"`
		Kid    string         `json:"kid"`
	}{Alg: "RS256", Kid: i.public.KeyID}
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber() // claims such as exp must keep their form
	if err := decoder.Decode(&order); err != nil || order.Claims == nil {
		refuse(w, "invalid_request", fmt.Sprintf(`want {"claims":{…},"alg":"RS256","kid":"…"}: %v`, err))
		return
	}
	token, err := i.sign(order.Claims, order.Alg, order.Kid)
	if err != nil {
		refuse(w, "invalid_request", err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer"})
}

// refuse answers with the error object of OAuth.
func refuse(w http.ResponseWriter, code, description string) {
	reply(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
}

// reply writes a value as JSON.
func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("content-type", "application/json")
	w.Header().Set("cache-control", "no-store")
	w.WriteHeader(status)
	// Nobody is left to tell about a client that went away.
	_ = json.NewEncoder(w).Encode(value)
}
