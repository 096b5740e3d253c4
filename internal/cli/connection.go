package cli

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// client is the gateway that the flags or the environment name.
func (s *session) client() (*client, error) {
	address := cmp.Or(s.url, s.Getenv("LLMGW_URL"), s.Getenv("ANTHROPIC_BASE_URL"), s.Getenv("OPENAI_BASE_URL"))
	if address == "" {
		return nil, errors.New("which gateway? Set LLMGW_URL, or give --url https://…")
	}
	base, err := url.Parse(strings.TrimSuffix(strings.TrimRight(address, "/"), "/v1")) // OpenAI's clients want /v1 in it
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the address of a gateway. It looks like https://llm.example.com", address)
	}
	if _, err := s.bearer(); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 5 * time.Minute // an upload is answered when all of it is stored
	transport.ExpectContinueTimeout = 5 * time.Second
	return &client{
		http:   &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		base:   base.String(),
		bearer: s.bearer, sleep: s.Sleep, say: s.say,
	}, nil
}

// bearer is the token of the next request. A file is read each time: tokens run out while a batch is watched.
func (s *session) bearer() (string, error) {
	token := cmp.Or(s.token, s.Getenv("LLMGW_TOKEN"), s.Getenv("ANTHROPIC_AUTH_TOKEN"), s.Getenv("OPENAI_API_KEY"))
	if s.tokenFile != "" {
		content, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return "", fmt.Errorf("the token cannot be read: %w", err)
		}
		token = string(content)
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", errors.New("there is no token. Set LLMGW_TOKEN, or give --token-file FILE")
	}
	return token, nil
}
