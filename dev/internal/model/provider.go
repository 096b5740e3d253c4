package model

import (
	"crypto/subtle"
	"maps"
	"net/http"
	"strings"
)

// Provider is a service that a mock stands in for.
type Provider string

// The providers that have a wire of their own.
const (
	Anthropic Provider = "anthropic" // the Messages API and nothing else
	OpenAI    Provider = "openai"    // Chat Completions, Responses, Embeddings
	Bedrock   Provider = "bedrock"   // Claude on Amazon Bedrock
	Vertex    Provider = "vertex"    // Claude and Gemini on Google Vertex AI
)

// endpoints lists what a provider serves. Clouds name the model in the path:
// for those the key has only the verb.
func (m *Model) endpoints() map[string]endpoint {
	switch m.provider {
	case Bedrock:
		return map[string]endpoint{
			"invoke":                      {dialect: bedrock{}, answer: m.invokeModel},
			"invoke-with-response-stream": {dialect: bedrock{}, answer: m.invokeModelStreamed},
			"count-tokens":                {dialect: bedrock{}, answer: m.bedrockCountTokens},
		}
	case Vertex:
		return map[string]endpoint{
			"rawPredict":              {dialect: vertex{}, answer: m.rawPredict},
			"streamRawPredict":        {dialect: vertex{list: true}, answer: m.rawPredict},
			"count-tokens:rawPredict": {dialect: vertex{}, answer: m.vertexCountTokens},
			"chat/completions":        {dialect: gemini{}, answer: m.chatCompletions},
		}
	}
	api := map[string]endpoint{}
	if m.provider != OpenAI {
		api["POST /v1/messages"] = endpoint{dialect: anthropic{}, answer: m.messages}
		api["POST /v1/messages/count_tokens"] = endpoint{dialect: anthropic{}, answer: m.countTokens}
		maps.Copy(api, m.messageBatches())
	}
	if m.provider != Anthropic {
		api["POST /v1/chat/completions"] = endpoint{dialect: openai{}, answer: m.chatCompletions}
		api["POST /v1/responses"] = endpoint{dialect: responses{}, answer: m.responses}
		api["POST /v1/embeddings"] = endpoint{dialect: openai{}, answer: m.embeddings}
		maps.Copy(api, m.openaiFiles())
		maps.Copy(api, m.openaiBatches())
	}
	return api
}

// find returns the endpoint of a request.
func (m *Model) find(x *exchange) (endpoint, bool) {
	switch m.provider {
	case Bedrock:
		return m.findBedrock(x)
	case Vertex:
		return m.findVertex(x)
	}
	if found, ok := m.api[x.r.Method+" "+x.r.URL.Path]; ok {
		return found, true
	}
	if found, ok := m.api[x.r.Method+" "+x.resource()]; ok {
		return found, true
	}
	path, id, single := strings.Cut(strings.TrimPrefix(x.r.URL.Path, "/v1/"), "/")
	spoken := m.spoken(x.r)
	if path != "models" || x.r.Method != http.MethodGet {
		return endpoint{dialect: spoken}, false
	}
	if single {
		return endpoint{dialect: spoken, answer: func(x *exchange) error { return m.oneModel(x, id) }}, true
	}
	return endpoint{dialect: spoken, answer: m.listModels}, true
}

// resource is the path with "{id}" for the id of a batch or file, which it notes.
func (x *exchange) resource() string {
	for _, list := range []string{"/v1/messages/batches/", "/v1/batches/", "/v1/files/"} {
		if rest, ok := strings.CutPrefix(x.r.URL.Path, list); ok {
			var verb string
			x.id, verb, _ = strings.Cut(rest, "/")
			return strings.TrimSuffix(list+"{id}/"+verb, "/")
		}
	}
	return ""
}

// spoken is the dialect of a request whose path does not tell: both list models
// at the same one, and only one sends this header.
func (m *Model) spoken(r *http.Request) dialect {
	asked := r.Header.Get("anthropic-version") != "" || strings.HasPrefix(r.URL.Path, "/v1/messages")
	if m.provider == Anthropic || m.provider == "" && asked {
		return anthropic{}
	}
	return openai{}
}

// door returns what checks the credential of a request.
func (m *Model) door(config Config) func(*exchange) (status int, message string) {
	switch {
	case m.provider == Bedrock:
		return config.AWS.admit
	case m.provider == Vertex:
		return config.Google.admit
	case config.Token == "":
		return func(*exchange) (int, string) { return http.StatusOK, "" }
	}
	return func(x *exchange) (int, string) {
		sent := x.r.Header.Get("authorization")
		if subtle.ConstantTimeCompare([]byte(sent), []byte("Bearer "+config.Token)) != 1 {
			return http.StatusUnauthorized, "invalid bearer token"
		}
		return http.StatusOK, ""
	}
}
