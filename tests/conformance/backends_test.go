package conformance

import (
	"slices"
	"strings"
)

// The dialects.
const (
	anthropic = "anthropic"
	openai    = "openai"
)

// backend is a row's backend, and what is known of its service.
type backend struct {
	name       string   // of the row, and of the tier whose only route leads there
	route      string   // its name in the gateway's configuration
	mount      string   // the mock model behind it
	speaks     []string // dialects
	cloud      string   // "" for plain HTTP
	model      string   // that clients ask for
	routed     string   // that the backend is asked for
	credential string   // what the Authorization header begins with
	overload   int      // the status its service has for too much load
}

func backends() []backend {
	const claude = "claude-sonnet-5-5"
	return []backend{
		{
			name: "anthropic", route: "anthropic", mount: "anthropic", speaks: []string{anthropic}, model: claude, routed: claude,
			credential: "Bearer mock-operator-token", overload: 529,
		},
		{
			name: "bedrock", route: "bedrock", mount: "bedrock", speaks: []string{anthropic}, cloud: "bedrock", model: claude,
			routed: "us.anthropic.claude-sonnet-5-5-v1:0", credential: "AWS4-HMAC-SHA256 Credential=AKIAMOCKGATEWAY00000/", overload: 503,
		},
		{
			name: "vertex", route: "vertex", mount: "vertex", speaks: []string{anthropic}, cloud: "vertex", model: claude,
			routed: "claude-sonnet-5-5@20250929", credential: "Bearer ya29.", overload: 529,
		},
		{
			name: "openai", route: "openai", mount: "openai", speaks: []string{openai}, model: "gpt-oss-120b", routed: "gpt-oss-120b",
			credential: "Bearer mock-openai-token", overload: 503,
		},
		{
			name: "vllm", route: "internal", mount: "internal", speaks: []string{anthropic, openai}, model: "qwen3-coder-30b", routed: "qwen3-coder-30b",
			credential: "Bearer mock-internal-token", overload: 503,
		},
		{
			name: "gemini", route: "gemini", mount: "vertex", speaks: []string{openai}, cloud: "gemini", model: "gemini-3-pro", routed: "google/gemini-3-pro",
			credential: "Bearer ya29.", overload: 503,
		},
	}
}

// dialect is the one that a client's calls are sent on in.
func (b backend) dialect(client string) string {
	if slices.Contains(b.speaks, client) {
		return client
	}
	return b.speaks[0]
}

// native reports whether a client's body goes out as it came, but for the model.
func (b backend) native(client string) bool { return b.cloud == "" && b.dialect(client) == client }

// path is where a call has to arrive, below the mount.
func (b backend) path(client string, stream bool) string {
	const location = "/v1/projects/mock-project/locations/europe-west1/"
	switch {
	case b.cloud == "bedrock" && stream:
		return "/model/" + b.routed + "/invoke-with-response-stream"
	case b.cloud == "bedrock":
		return "/model/" + b.routed + "/invoke"
	case b.cloud == "vertex" && stream:
		return location + "publishers/anthropic/models/" + b.routed + ":streamRawPredict"
	case b.cloud == "vertex":
		return location + "publishers/anthropic/models/" + b.routed + ":rawPredict"
	case b.cloud == "gemini":
		return location + "endpoints/openapi/chat/completions"
	case b.dialect(client) == openai:
		return "/v1/chat/completions"
	}
	return "/v1/messages"
}

// countPath is where a call to count tokens has to arrive; "" if the service counts none.
func (b backend) countPath() string {
	switch {
	case b.dialect(anthropic) == openai:
		return ""
	case b.cloud == "bedrock":
		return "/model/" + strings.TrimPrefix(b.routed, "us.") + "/count-tokens"
	case b.cloud == "vertex":
		return "/v1/projects/mock-project/locations/europe-west1/publishers/anthropic/models/count-tokens:rawPredict"
	}
	return "/v1/messages/count_tokens"
}
