package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/oauth2"
)

func (s *session) tokenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "token", Short: "Write a fresh access token of your login, and nothing else", Args: cobra.NoArgs,
		Long: "Write a fresh access token of your login to standard output, and nothing else.\n\nIt is good for a minute at least, if the identity provider gives such. " +
			"Claude Code runs this as its apiKeyHelper: llmgw configure claude sets that up.",
		Example: "  curl -H \"Authorization: Bearer $(llmgw token)\" https://llm.example.com/quota",
		RunE: func(cmd *cobra.Command, _ []string) error {
			gateway, logins, err := s.here()
			if err != nil {
				return err
			}
			token, err := s.fresh(cmd.Context(), logins, gateway)
			if err != nil {
				return err
			}
			fmt.Fprintln(s.Out, token)
			return nil
		},
	}
}

func (s *session) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End your login at a gateway", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.logout(cmd.Context()) },
	}
}

// logout ends a login at the identity provider, and here whatever that says.
func (s *session) logout(ctx context.Context) error {
	gateway, logins, err := s.here()
	if err != nil {
		return err
	}
	unlock, err := logins.lock(gateway)
	if err != nil {
		return err
	}
	defer unlock()
	in, err := logins.load(gateway)
	if errors.Is(err, errNoLogin) {
		s.say("You are not logged in at %s.", gateway)
		return nil
	}
	if err != nil {
		return err
	}
	if in.RevokeURL != "" && in.Refresh != "" {
		if err := revoke(ctx, in); err != nil {
			s.say("The identity provider did not end the login: %v. It ends when it runs out.", err)
		}
	}
	if err := logins.remove(in); err != nil {
		return fmt.Errorf("the login cannot be removed: %w", err)
	}
	s.say("You are logged out of %s.", gateway)
	return nil
}

// fresh is an access token of the login at a gateway that is good for a while. Of several processes that need a new one
// at the same time only the first asks for it: a refresh token may be good for one use only.
func (s *session) fresh(ctx context.Context, logins *logins, gateway string) (string, error) {
	in, err := loadLogin(logins, gateway)
	if err != nil || in.lasts(s.Now()) {
		return in.access(), err
	}
	unlock, err := logins.lock(gateway)
	if err != nil {
		return "", err
	}
	defer unlock()
	if in, err = loadLogin(logins, gateway); err != nil || in.lasts(s.Now()) {
		return in.access(), err
	}
	err = s.renew(ctx, in)
	switch {
	case err == nil:
		if err := logins.saveSomewhere(in); err != nil {
			return "", fmt.Errorf("the new token cannot be kept: %w. Log in again: llmgw login --url %s", err, gateway)
		}
	case s.Now().Before(in.ExpiresAt) && ctx.Err() == nil && !errors.Is(err, errLoginOver):
		s.say("The token is old and cannot be renewed now: %v. It is good until %s.", err, s.clock(in.ExpiresAt))
	default:
		return "", err
	}
	return in.Access, nil
}

func loadLogin(logins *logins, gateway string) (*login, error) {
	in, err := logins.load(gateway)
	if errors.Is(err, errNoLogin) {
		return nil, fmt.Errorf("you are not logged in at %s. Log in: llmgw login --url %s", gateway, gateway)
	}
	return in, err
}

func (in *login) access() string {
	if in == nil {
		return ""
	}
	return in.Access
}

// take keeps what the identity provider gave.
func (in *login) take(t *oauth2.Token, now time.Time) {
	in.Access, in.IssuedAt, in.ExpiresAt = t.AccessToken, now, now.Add(time.Duration(t.ExpiresIn)*time.Second)
	if t.RefreshToken != "" {
		in.Refresh = t.RefreshToken
	}
}

// lasts reports whether the access token need not be renewed yet: a quarter of its life is left, and a minute, or half of
// its life if that is less. One that cannot be renewed lasts to its end.
func (in *login) lasts(now time.Time) bool {
	life, left := in.ExpiresAt.Sub(in.IssuedAt), in.ExpiresAt.Sub(now)
	return left > 0 && (in.Refresh == "" || left >= min(max(life/4, time.Minute), life/2))
}

var errLoginOver = errors.New("your login has ended")

// renew gets another access token for the login.
func (s *session) renew(ctx context.Context, in *login) error {
	over := fmt.Errorf("%w. Log in again: llmgw login --url %s", errLoginOver, in.Gateway)
	if in.Refresh == "" {
		return over
	}
	client := issuer{Name: in.Issuer, TokenURL: in.TokenURL}.client(in.Client, nil)
	token, err := client.TokenSource(withHTTP(ctx), &oauth2.Token{RefreshToken: in.Refresh}).Token()
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		switch e.ErrorCode {
		case "invalid_grant":
			return over
		case "":
			return fmt.Errorf("%s answered %s. Try again later", in.Issuer, e.Response.Status)
		}
		return fmt.Errorf("%s refuses to renew your login: %s. Log in again: llmgw login --url %s", in.Issuer, e.ErrorCode, in.Gateway)
	}
	if err != nil {
		return unreached(in.TokenURL, err)
	}
	in.take(token, s.Now())
	return nil
}
