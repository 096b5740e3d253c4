package backend

import (
	"context"
	"fmt"
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
	base      *url.URL           // of the project in its location
	tokens    oauth2.TokenSource // keeps its token until it runs out
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
	// This context is kept, for the requests for tokens.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: env.Transport, Timeout: credentialTimeout})
	found, err := google.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		return nil, err
	}
	return &vertex{
		newFilter(cfg.Betas), cfg.Name, base.JoinPath("v1/projects", cfg.Project, "locations", cfg.Location),
		found.TokenSource, env.Transport,
	}, nil
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
	token, err := v.tokens.Token()
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
	if res.StatusCode >= http.StatusBadRequest {
		tellFailure(res, c.Endpoint.Dialect(), "")
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
