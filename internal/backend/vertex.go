package backend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// vertex is Claude on Google Vertex AI, and Gemini there through its OpenAI endpoint.
type vertex struct {
	*filter
	name      string
	base      *url.URL                  // of the project in its location
	tokens    *lazy[oauth2.TokenSource] // that keep a token until it runs out
	transport http.RoundTripper
}

func newVertex(cfg config.Backend, env Environment) (*vertex, error) {
	base, err := url.Parse(strings.TrimRight(cfg.BaseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("base_url: %w", err)
	}
	if cfg.BaseURL == "" {
		base = &url.URL{Scheme: "https", Host: vertexHost(cfg.Location)}
	}
	tokens := func(ctx context.Context) (oauth2.TokenSource, error) { return googleTokens(ctx, env.Transport) }
	return &vertex{
		newFilter(cfg.Betas), cfg.Name, base.JoinPath("v1/projects", cfg.Project, "locations", cfg.Location),
		&lazy[oauth2.TokenSource]{find: tokens}, env.Transport,
	}, nil
}

// googleTokens finds the default credentials. The context is kept for the requests for tokens.
func googleTokens(ctx context.Context, transport http.RoundTripper) (oauth2.TokenSource, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: transport, Timeout: credentialTimeout})
	found, err := google.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		return nil, err
	}
	return found.TokenSource, nil
}

// token is the present token.
func (v *vertex) token(ctx context.Context) (*oauth2.Token, error) {
	tokens, err := v.tokens.get(ctx)
	if err != nil {
		return nil, err
	}
	return tokens.Token()
}

// vertexHost is where a location is served: a region, "global", or the multi-regions "us" and "eu".
func vertexHost(location string) string {
	switch location {
	case "global":
		return "aiplatform.googleapis.com"
	case "us", "eu":
		return "aiplatform." + location + ".rep.googleapis.com"
	}
	return location + "-aiplatform.googleapis.com"
}

// Send implements Backend. The client's query does not go along: Google refuses parameters it does not know.
func (v *vertex) Send(ctx context.Context, c Call) (*http.Response, error) {
	path, ok := vertexPath(c)
	if !ok {
		return notServed(c, "Vertex AI has no such endpoint."), nil
	}
	token, err := v.token(ctx)
	if err != nil {
		c.Body.release()
		return nil, fmt.Errorf("backend %s: Google's credential: %w", v.name, err)
	}
	header := requestHeader(c)
	body := v.body(c, header)
	token.SetAuthHeader(&http.Request{Header: header})
	res, err := post(ctx, v.transport, v.base.JoinPath(path), header, body)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", v.name, err)
	}
	hideAccount(res.Header)
	switch {
	case res.StatusCode >= http.StatusBadRequest:
		tellFailure(res, c.Endpoint.Dialect(), "")
	case c.Endpoint == gateway.Messages && c.Stream:
		res.Body = &ownEvent{ReadCloser: res.Body}
	}
	return res, nil
}

// body makes the body as Vertex wants it. Claude's model stands in the URL, but where tokens are counted; Gemini's in
// the body, with its publisher.
func (v *vertex) body(c Call, header http.Header) *Body {
	if c.Endpoint.Dialect() == gateway.OpenAI {
		if strings.Contains(c.Model, "/") {
			return c.Body
		}
		return c.Body.edit([]string{"model"}, `"model":`+quote("google/"+c.Model))
	}
	without := append(v.leaveOut(c, header), "anthropic_version")
	if c.Endpoint == gateway.Messages {
		without = append(without, "model")
	}
	return c.Body.edit(without, `"anthropic_version":"vertex-2023-10-16"`)
}

// vertexPath is where a location has an endpoint, escaped.
func vertexPath(c Call) (path string, ok bool) {
	const claude = "publishers/anthropic/models/"
	switch {
	case c.Endpoint == gateway.Messages && c.Stream:
		return claude + url.PathEscape(c.Model) + ":streamRawPredict", true
	case c.Endpoint == gateway.Messages:
		return claude + url.PathEscape(c.Model) + ":rawPredict", true
	case c.Endpoint == gateway.CountTokens:
		return claude + "count-tokens:rawPredict", true
	case c.Endpoint == gateway.Chat:
		return "endpoints/openapi/chat/completions", true
	}
	return "", false
}

// ownEvent leaves out the event of Google's own that a stream of Claude's may begin with: strict clients of the
// Anthropic dialect break on it.
type ownEvent struct {
	io.ReadCloser

	head []byte // of the stream, until it is known what it begins with; then what is left of it
	seen bool
}

// Read implements io.Reader.
func (o *ownEvent) Read(p []byte) (int, error) {
	for !o.seen {
		n, err := o.ReadCloser.Read(p)
		o.head = append(o.head, p[:n]...)
		o.look(err != nil)
		if err != nil && len(o.head) == 0 {
			return 0, err
		}
	}
	if len(o.head) > 0 {
		n := copy(p, o.head)
		o.head = o.head[n:]
		return n, nil
	}
	return o.ReadCloser.Read(p)
}

// look decides on the head, if there is enough of it or no more to come.
func (o *ownEvent) look(ended bool) {
	const own = "event: vertex_event"
	n := min(len(o.head), len(own))
	if string(o.head[:n]) != own[:n] {
		o.seen = true
		return
	}
	if end := bytes.Index(o.head, []byte("\n\n")); end >= 0 {
		o.head, o.seen = o.head[end+2:], true
	}
	o.seen = o.seen || ended
}
