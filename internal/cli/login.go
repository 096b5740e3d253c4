package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"github.com/openova-io/llm-gateway/internal/api"
)

// loginFlags are those of llmgw login.
type loginFlags struct {
	issuer, client, store string
	scopes                []string
	browser               bool
}

func (s *session) loginCommand() *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use: "login", Short: "Log in at a gateway, with a browser on any device", Args: cobra.NoArgs,
		Long: "Log in at a gateway, with a browser on any device.\n\nThe gateway names its identity provider, which shows a page and asks for a code. " +
			"The tokens go to the keyring of this machine, or, where there is none, to a file that only you can read. Commands that are given no other token use them.",
		Example: "  llmgw login --url https://llm.example.com\n  llmgw login --store file",
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.login(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.issuer, "issuer", "", "`address` of the identity provider; the gateway names it without this")
	flags.StringVar(&f.client, "client-id", "", "`id` of this program at the identity provider; the gateway names it without this")
	flags.StringSliceVar(&f.scopes, "scope", nil, "`scopes` to ask for; the gateway names them without this")
	flags.StringVar(&f.store, "store", "", "where to keep the tokens: keyring or file; the keyring without this, if there is one")
	flags.BoolVar(&f.browser, "browser", false, "open the page in this machine's browser")
	return cmd
}

func (s *session) login(ctx context.Context, f loginFlags) error {
	if f.store != "" && f.store != storeKeyring && f.store != storeFile {
		return fmt.Errorf("there is no store %q. Give --store keyring or --store file", f.store)
	}
	gateway, logins, err := s.here()
	if err != nil {
		return err
	}
	if err := f.complete(ctx, gateway); err != nil {
		return err
	}
	provider, err := discoverIssuer(ctx, f.issuer)
	if err != nil {
		return err
	}
	token, err := s.authorize(ctx, provider.client(f.client, f.scopes), f.browser)
	if err != nil {
		return err
	}
	in := &login{
		Gateway: gateway, Issuer: provider.Name, Client: f.client, TokenURL: provider.TokenURL, RevokeURL: provider.RevokeURL,
		Store: cmp.Or(f.store, storeKeyring),
	}
	in.take(token, s.Now())
	who, err := s.introduce(ctx, in)
	if err != nil {
		return err
	}
	unlock, err := logins.lock(in.Gateway)
	if err != nil {
		return err
	}
	defer unlock()
	keep := logins.saveSomewhere
	if f.store != "" {
		keep = logins.save
	}
	if err := errors.Join(keep(in), logins.remember(in.Gateway)); err != nil {
		return fmt.Errorf("the login cannot be kept: %w. Try --store file", err)
	}
	return s.welcome(in, who)
}

// complete fills in what the gateway knows of logins.
func (f *loginFlags) complete(ctx context.Context, gateway string) error {
	if f.issuer != "" && f.client != "" && len(f.scopes) > 0 {
		return nil
	}
	known, err := discoverLogin(ctx, gateway)
	if err != nil {
		return err
	}
	if f.issuer == "" && len(known.AuthorizationServers) > 0 {
		f.issuer = known.AuthorizationServers[0]
	}
	f.client = cmp.Or(f.client, known.Client)
	if len(f.scopes) == 0 {
		f.scopes = known.ScopesSupported
	}
	switch {
	case f.issuer == "":
		return errors.New("the gateway names no identity provider. Give --issuer https://…")
	case f.client == "":
		return errors.New("the gateway names no client for this program. Give --client-id, or get a token another way and set LLMGW_TOKEN")
	}
	return nil
}

// authorize has the user log in with a browser, and answers the tokens (RFC 8628, with PKCE).
func (s *session) authorize(ctx context.Context, client *oauth2.Config, browser bool) (*oauth2.Token, error) {
	ctx = withHTTP(ctx)
	verifier := oauth2.GenerateVerifier()
	device, err := client.DeviceAuth(ctx, oauth2.S256ChallengeOption(verifier))
	if err != nil {
		return nil, explainLogin(ctx, client, err)
	}
	s.say("Open this page in a browser, on any device:\n\n  %s\n\nand enter this code:\n\n  %s\n", device.VerificationURI, device.UserCode)
	if device.VerificationURIComplete != "" {
		s.say("This address has the code in it:\n\n  %s\n", device.VerificationURIComplete)
	}
	if browser {
		if err := openBrowser(ctx, cmp.Or(device.VerificationURIComplete, device.VerificationURI)); err != nil {
			s.say("No browser could be opened: %v.", err)
		}
	}
	waiting := s.screen()
	defer waiting.close()
	if !device.Expiry.IsZero() {
		waiting.draw("Waiting for you, for " + period(time.Until(device.Expiry)) + " at most. Ctrl-C stops.")
	}
	token, err := client.DeviceAccessToken(ctx, device, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, explainLogin(ctx, client, err)
	}
	return token, nil
}

// explainLogin says why the identity provider gave no token.
func explainLogin(ctx context.Context, client *oauth2.Config, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", ctx.Err())
	}
	again := "Start over: llmgw login"
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		switch e.ErrorCode {
		case "expired_token":
			return errors.New("the code has expired. " + again)
		case "access_denied":
			return errors.New("the login was refused at the identity provider. " + again)
		case "invalid_client", "unauthorized_client":
			return fmt.Errorf("the identity provider does not let the client %q log in this way (%s). Ask its operator to allow the device authorization grant for it, as a public client",
				client.ClientID, cmp.Or(e.ErrorDescription, e.ErrorCode))
		case "":
			return fmt.Errorf("the identity provider answered %s. Try again later", e.Response.Status)
		}
		return fmt.Errorf("the identity provider refuses: %s (%s). %s", cmp.Or(e.ErrorDescription, e.ErrorCode), e.ErrorCode, again)
	}
	if err == context.DeadlineExceeded { //nolint:errorlint // that of a call is wrapped, and says something else
		return errors.New("the code has expired. " + again)
	}
	return unreached(client.Endpoint.TokenURL, err)
}

// introduce asks the gateway whom it sees in a new token. A token that it refuses is not worth keeping.
func (s *session) introduce(ctx context.Context, in *login) (who api.Doctor, err error) {
	c := &client{http: newHTTPClient(), base: in.Gateway, sleep: s.Sleep, say: s.say, bearer: func(context.Context) (string, error) { return in.Access, nil }}
	err = c.get(ctx, "/api/doctor", &who)
	if e, ok := errors.AsType[*refusal](err); ok && e.status < 500 {
		e.advice = "Ask the operator of the gateway: the login at " + in.Issuer + " itself was good"
	}
	return who, err
}

func (s *session) welcome(in *login, who api.Doctor) error {
	if s.json {
		return s.writeJSON(map[string]any{
			"gateway": in.Gateway, "issuer": in.Issuer, "user": who.User, "tier": who.Tier, "store": in.Store, "expires_at": in.ExpiresAt, "renewable": in.Refresh != "",
		})
	}
	s.say("You are logged in at %s as %s, tier %s.", in.Gateway, who.User, who.Tier)
	if in.Refresh == "" {
		s.say("The identity provider gave no refresh token, so the login ends at %s.", s.clock(in.ExpiresAt))
	}
	s.say("Claude Code: llmgw configure claude")
	return nil
}
