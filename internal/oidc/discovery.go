package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// maxAnswer bounds what is read of an issuer's answer, in bytes.
const maxAnswer = 1 << 20

// fetch asks the issuer for its keys. It answers the last ring if nothing has changed.
func (i *issuer) fetch(ctx context.Context, last *ring) (*ring, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.Issuer)
	if err != nil {
		return nil, fmt.Errorf("oidc: discover %s: %.300w", i.Issuer, err)
	}
	var document struct {
		JWKS       string `json:"jwks_uri"`
		Introspect string `json:"introspection_endpoint"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, fmt.Errorf("oidc: discover %s: %w", i.Issuer, err)
	}
	published, err := i.get(ctx, document.JWKS)
	if err != nil {
		return nil, fmt.Errorf("oidc: fetch the keys of %s: %w", i.Issuer, err)
	}
	if last != nil && bytes.Equal(last.published, published) && last.introspect == document.Introspect {
		return last, nil
	}
	keys, err := readKeys(published)
	if err != nil {
		return nil, fmt.Errorf("oidc: read the keys of %s: %w", i.Issuer, err)
	}
	return &ring{published: published, keys: keys, introspect: document.Introspect}, nil
}

func (i *issuer) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := i.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxAnswer))
}

// readKeys returns the public keys of a JSON Web Key Set that are for signatures. Keys of kinds that nobody here knows are
// passed over, as RFC 7517 wants it.
func readKeys(published []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(published, &set); err != nil {
		return nil, err
	}
	if set.Keys == nil {
		return nil, errors.New("this is no JSON Web Key Set: it has no keys")
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) == nil && key.Valid() && key.IsPublic() && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
