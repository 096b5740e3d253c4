package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/openova-io/llm-gateway/internal/config"
)

const (
	places   = 16   // questions to one issuer that may be under way at once
	inactive = 1000 // tokens known to be worthless
)

// errCrowded means that a question did not get its turn in time.
var errCrowded = errors.New("oidc: too many tokens wait for the issuer's answer")

// answer is what an issuer knows of a token, by RFC 7662.
type answer struct {
	active bool
	claims claims
	asked  time.Time
}

// questions asks an issuer about tokens: once for all who ask about the same token, a few at a time, and while the
// issuer does not answer, one in each leaveAlone.
type questions struct {
	cfg    config.Introspection
	client *http.Client
	flight singleflight.Group
	places chan struct{}
	no     *cache[answer] // "not active" is remembered too

	mu      sync.Mutex
	failure error     // of the last question that told that the issuer is away
	next    time.Time // until then it is left alone
}

func newQuestions(cfg config.Introspection, transport http.RoundTripper) *questions {
	return &questions{
		cfg: cfg, places: make(chan struct{}, places), no: newCache[answer](inactive),
		client: &http.Client{
			Timeout: askTimeout, Transport: transport,
			// A token goes to the endpoint that the issuer named, and nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// ask returns the issuer's answer. An error means that there is none, which says nothing about the token.
func (q *questions) ask(ctx context.Context, endpoint, token string, of digest) (answer, error) {
	if a, known := q.no.get(of, time.Now()); known {
		return a, nil
	}
	flight := q.flight.DoChan(string(of[:]), func() (any, error) {
		return q.takeTurn(context.WithoutCancel(ctx), endpoint, token, of)
	})
	select {
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case r := <-flight:
		a, _ := r.Val.(answer)
		return a, r.Err
	}
}

// takeTurn asks when fewer than places others do.
func (q *questions) takeTurn(ctx context.Context, endpoint, token string, of digest) (answer, error) {
	waiting, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	select {
	case q.places <- struct{}{}:
		defer func() { <-q.places }()
	case <-waiting.Done():
		return answer{}, errCrowded
	}
	if err := q.admit(time.Now()); err != nil {
		return answer{}, err
	}
	a, away, err := q.post(ctx, endpoint, token)
	q.note(away, time.Now())
	if err == nil && !a.active {
		q.no.put(of, a, a.asked.Add(q.cfg.Cache), time.Now())
	}
	return a, err
}

// admit answers the last failure while the issuer is left alone. When that time is over it lets one question through,
// and the others wait for what becomes of it.
func (q *questions) admit(now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure == nil {
		return nil
	}
	if now.Before(q.next) {
		return q.failure
	}
	q.next = now.Add(leaveAlone)
	return nil
}

func (q *questions) note(away error, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failure, q.next = away, now.Add(leaveAlone)
}

// post asks about one token. away is the error if it tells about the issuer and not about this token alone.
func (q *questions) post(ctx context.Context, endpoint, token string) (a answer, away, err error) {
	req, err := q.request(ctx, endpoint, token)
	if err != nil {
		return a, err, err
	}
	a.asked = time.Now()
	res, err := q.client.Do(req)
	if err != nil {
		return a, err, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return a, err, err
	}
	if res.StatusCode != http.StatusOK {
		err = fmt.Errorf("oidc: %s answered %s to a question about a token", endpoint, res.Status)
		if aboutToken(res.StatusCode) {
			return a, nil, err
		}
		return a, err, err
	}
	var said struct {
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Active == nil {
		err = fmt.Errorf("oidc: %s answered what is no introspection response", endpoint)
		return a, err, err
	}
	a.active, a.claims = *said.Active, body
	return a, nil, nil
}

// aboutToken tells whether a status may be the fault of the token that was asked about: another may fare better.
func aboutToken(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

func (q *questions) request(ctx context.Context, endpoint, token string) (*http.Request, error) {
	secret, err := os.ReadFile(q.cfg.ClientSecretFile)
	if err != nil {
		return nil, fmt.Errorf("oidc: the client secret cannot be read: %w", err)
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	// RFC 6749 wants both encoded like a form's values.
	req.SetBasicAuth(url.QueryEscape(q.cfg.ClientID), url.QueryEscape(strings.TrimSpace(string(secret))))
	return req, nil
}
