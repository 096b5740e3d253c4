package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/openova-io/llm-gateway/internal/api"
)

// issuer is what an identity provider tells of itself: its endpoints.
type issuer struct {
	Name      string `json:"issuer"`
	DeviceURL string `json:"device_authorization_endpoint"`
	TokenURL  string `json:"token_endpoint"`
	RevokeURL string `json:"revocation_endpoint"`
}

// issuerTimeout bounds one call of an identity provider.
const issuerTimeout = 30 * time.Second

// discoverLogin asks a gateway who gives tokens for it.
func discoverLogin(ctx context.Context, gateway string) (api.ProtectedResource, error) {
	var r api.ProtectedResource
	if err := fetch(ctx, gateway+"/.well-known/oauth-protected-resource", &r); err != nil {
		return r, err
	}
	return r, nil
}

// discoverIssuer asks an identity provider for its endpoints.
func discoverIssuer(ctx context.Context, name string) (issuer, error) {
	var i issuer
	if err := fetch(ctx, strings.TrimSuffix(name, "/")+"/.well-known/openid-configuration", &i); err != nil {
		return i, err
	}
	if i.Name != name {
		return i, fmt.Errorf("%s says that it is %s. Ask the operator of the gateway to correct the issuer", name, i.Name)
	}
	if i.DeviceURL == "" || i.TokenURL == "" {
		return i, fmt.Errorf("%s has no login for devices. Ask its operator to allow the device authorization grant, or get a token another way and set LLMGW_TOKEN", name)
	}
	return i, nil
}

// fetch reads a JSON document that is there for everybody.
func fetch(ctx context.Context, address string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "llmgw")
	res, err := newHTTPClient().Do(req)
	if err != nil {
		return unreached(address, err)
	}
	if res.StatusCode != http.StatusOK {
		return refused(res)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxSmall))
	if err != nil {
		return unreached(address, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errors.New(foreign(res, body) + ". llmgw doctor looks closer")
	}
	return nil
}

// unreached is the error of a call that got no answer, without its address, which may hold more than should be shown.
func unreached(address string, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if u, parseErr := url.Parse(address); parseErr == nil {
		address = u.Scheme + "://" + u.Host
	}
	return &unreachable{address, err}
}

// client is llmgw as a client of the identity provider: a public one, which has no secret.
func (i issuer) client(id string, scopes []string) *oauth2.Config {
	return &oauth2.Config{ClientID: id, Scopes: scopes, Endpoint: oauth2.Endpoint{
		DeviceAuthURL: i.DeviceURL, TokenURL: i.TokenURL, AuthStyle: oauth2.AuthStyleInParams,
	}}
}

// withHTTP is a context in which the identity provider is called.
func withHTTP(ctx context.Context) context.Context {
	client := newHTTPClient()
	client.Timeout = issuerTimeout
	return context.WithValue(ctx, oauth2.HTTPClient, client)
}

// revoke ends a login at the identity provider (RFC 7009).
func revoke(ctx context.Context, in *login) error {
	form := url.Values{"client_id": {in.Client}, "token": {in.Refresh}, "token_type_hint": {"refresh_token"}}
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.RevokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := newHTTPClient().Do(req)
	if err != nil {
		return unreached(in.RevokeURL, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", in.Issuer, res.Status)
	}
	return nil
}
