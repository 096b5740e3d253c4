package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// address is where the gateway is, and who says so.
type address struct {
	given  string
	base   string // without /v1
	source string // "--url", "LLMGW_URL", …
}

// loginSource is that of a token that is from a login.
const loginSource = "llmgw login"

// lastLogin is the source of an address that a login left behind.
const lastLogin = "your last login"

// address is the gateway that the flags, the environment or the last login name. Its base is "" if that is no address.
func (s *session) address() (address, error) {
	a := address{given: s.url, source: "--url"}
	for _, name := range []string{"LLMGW_URL", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"} {
		if a.given == "" {
			a = address{given: s.Getenv(name), source: name}
		}
	}
	if a.given == "" {
		logins, err := s.logins()
		if err != nil {
			return a, err
		}
		a = address{given: logins.last(), source: lastLogin}
	}
	if a.given == "" {
		return a, errors.New("which gateway? Set LLMGW_URL, or give --url https://…; llmgw login remembers it")
	}
	base, err := url.Parse(withoutV1(a.given))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return a, fmt.Errorf("%q is not the address of a gateway. It looks like https://llm.example.com", a.given)
	}
	a.base = base.String()
	return a, nil
}

// withoutV1 is an address without what OpenAI's clients want at its end, and some people write twice.
func withoutV1(address string) string {
	for {
		short := strings.TrimSuffix(strings.TrimRight(address, "/"), "/v1")
		if short == address {
			return address
		}
		address = short
	}
}

// client is the gateway, with the caller's token.
func (s *session) client() (*client, error) {
	a, err := s.address()
	if err != nil {
		return nil, err
	}
	token, err := s.credential(a)
	if err != nil {
		return nil, err
	}
	return &client{http: newHTTPClient(), base: a.base, bearer: token.read, sleep: s.Sleep, say: s.say}, nil
}

// newHTTPClient follows no redirects: a token is for nobody but the gateway.
func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 5 * time.Minute // an upload is answered when all of it is stored
	transport.ExpectContinueTimeout = 5 * time.Second
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// credential is where the caller's token comes from. It is read for each request: tokens run out while a batch is watched.
type credential struct {
	source string // "--token", "LLMGW_TOKEN", …
	read   func(context.Context) (string, error)
}

// credential finds the caller's token for a gateway. One that is meant for any gateway is taken at once; then the login
// at this one, if it is the login that named the gateway. Variables of other clients come last there: they may hold a key
// of somebody else's service.
func (s *session) credential(a address) (credential, error) {
	if s.tokenFile != "" {
		_, err := readToken(s.tokenFile)
		return credential{"--token-file", func(context.Context) (string, error) { return readToken(s.tokenFile) }}, err
	}
	names := []string{"LLMGW_TOKEN", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY"}
	if a.source == lastLogin {
		names = names[:1]
	}
	c := credential{source: "--token"}
	token := strings.TrimSpace(s.token)
	for _, name := range names {
		if token == "" {
			c.source, token = name, strings.TrimSpace(s.Getenv(name))
		}
	}
	if token != "" {
		c.read = func(context.Context) (string, error) { return token, nil }
		return c, nil
	}
	logins, err := s.logins()
	if err != nil {
		return c, err
	}
	if _, err := logins.load(a.base); err != nil {
		if errors.Is(err, errNoLogin) {
			err = errors.New("there is no token. Set LLMGW_TOKEN, or give --token-file FILE, or log in: llmgw login")
		}
		return c, err
	}
	return credential{loginSource, func(ctx context.Context) (string, error) { return s.fresh(ctx, logins, a.base) }}, nil
}

func readToken(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("the token cannot be read: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", fmt.Errorf("%s is empty. Put your token into it, or log in with llmgw login", file)
	}
	return token, nil
}
