package keycloak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Users are the demo's users, whose passwords are their names: one of each tier, and an auditor.
func Users() []string { return []string{"free", "pro", "enterprise", "auditor"} }

// Tokens gets a token for each of the users. The demo's client has them last for a
// month; they are of an offline session, since none lasts longer than its session.
func (s *Server) Tokens(ctx context.Context) (map[string]string, error) {
	tokens := map[string]string{}
	for _, user := range Users() {
		token, err := s.token(ctx, user)
		if err != nil {
			return nil, fmt.Errorf("get a token for %s: %w", user, err)
		}
		tokens[user] = token
	}
	return tokens, nil
}

func (s *Server) token(ctx context.Context, user string) (string, error) {
	form := url.Values{
		"grant_type": {"password"}, "client_id": {"demo"}, "scope": {"openid offline_access"},
		"username": {user}, "password": {user},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Issuer()+"/protocol/openid-connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("content-type", "application/x-www-form-urlencoded")
	response, err := new(http.Client).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("%s: %w", response.Status, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, answer.Error)
	}
	return answer.Token, nil
}
