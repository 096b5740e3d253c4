package stack

import (
	"context"

	"github.com/openova-io/llm-gateway/dev/internal/issuer"
	"github.com/openova-io/llm-gateway/dev/internal/keycloak"
	"github.com/openova-io/llm-gateway/dev/internal/ports"
)

// introspectionSecretFile holds what the gateway shows Keycloak to ask about a token.
const introspectionSecretFile = "keycloak-client-secret"

// issuerURL is the issuer of the users' tokens: the stack's own, or a real one.
func (s *Stack) issuerURL() string {
	if s.keycloak != nil {
		return s.keycloak.Issuer()
	}
	return ports.URL(s.ports.Issuer)
}

// oidcConfig tells the frontends of the issuer. Tokens that are not JWTs they ask Keycloak about.
func (s *Stack) oidcConfig() oidcConfig {
	config := oidcConfig{
		Issuer: s.issuerURL(), Audience: issuer.Audience,
		TierClaim: "tier", UserClaim: "preferred_username",
	}
	if s.keycloak != nil {
		config.Audience = keycloak.Audience
		config.Introspection = &introspectionConfig{
			Mode: "opaque", ClientID: keycloak.Audience, ClientSecretFile: s.dir.file(introspectionSecretFile),
		}
	}
	return config
}

// prepareKeycloak fetches Keycloak if there is none yet, and lays its directory out.
func (s *Stack) prepareKeycloak(ctx context.Context) error {
	logf := func(format string, args ...any) { s.console.Printf("    "+format, args...) }
	var err error
	if s.keycloak, err = keycloak.Prepare(ctx, s.dir.path, s.ports.Issuer, logf); err != nil {
		return err
	}
	return s.dir.writeSecret(introspectionSecretFile, s.keycloak.Clients[keycloak.Audience])
}

// startKeycloak starts it and gets the users' tokens.
func (s *Stack) startKeycloak(ctx context.Context) error {
	run := func() error {
		err := s.run(ctx, s.keycloak.Spec(s.dir.log("keycloak")), s.ports.Issuer)
		if err != nil {
			return err
		}
		s.tokens, err = s.keycloak.Tokens(ctx)
		return err
	}
	return s.console.step("keycloak", run, say("Keycloak "+keycloak.Version+", realm "+keycloak.Realm))
}

// startIssuer starts the stack's own issuer, and makes the users' tokens.
func (s *Stack) startIssuer(ctx context.Context) error {
	var err error
	if s.issuer, err = issuer.New(ports.URL(s.ports.Issuer), s.dir.file("issuer-key.pem")); err != nil {
		return err
	}
	if s.tokens, err = s.makeTokens(); err != nil {
		return err
	}
	return s.serve(ctx, "issuer", s.ports.Issuer, s.issuer)
}

// makeTokens signs a long-lived token for each demo user, by tier; the auditor's
// goes by its role.
func (s *Stack) makeTokens() (map[string]string, error) {
	tokens := map[string]string{}
	for _, user := range issuer.Users() {
		token, err := s.issuer.Token(issuer.Order{User: user, Lifetime: tokenLifetime})
		if err != nil {
			return nil, err
		}
		key := user.Tier
		if len(user.Roles) > 0 {
			key = user.Roles[0]
		}
		tokens[key] = token
	}
	return tokens, nil
}
