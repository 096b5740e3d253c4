package model

import (
	"crypto/subtle"
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
			"invoke":                      {bedrock{}, m.invokeModel},
			"invoke-with-response-stream": {bedrock{}, m.invokeModelStreamed},
			"count-tokens":                {bedrock{}, m.bedrockCountTokens},
		}
	case Vertex:
		return map[string]endpoint{
			"rawPredict":              {vertex{}, m.rawPredict},
			"streamRawPredict":        {vertex{list: true}, m.rawPredict},
			"count-tokens:rawPredict": {vertex{}, m.vertexCountTokens},
			"chat/completions":        {gemini{}, m.chatCompletions},
		}
	}
	api := map[string]endpoint{}
	if m.provider != OpenAI {
		api["POST /v1/messages"] = endpoint{anthropic{}, m.messages}
		api["POST /v1/messages/count_tokens"] = endpoint{anthropic{}, m.countTokens}
	}
	if m.provider != Anthropic {
		api["POST /v1/chat/completions"] = endpoint{openai{}, m.chatCompletions}
		api["POST /v1/responses"] = endpoint{responses{}, m.responses}
		api["POST /v1/embeddings"] = endpoint{openai{}, m.embeddings}
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
	path, id, single := strings.Cut(strings.TrimPrefix(x.r.URL.Path, "/v1/"), "/")
	spoken := m.spoken(x.r)
	if path != "models" || x.r.Method != http.MethodGet {
		return endpoint{dialect: spoken}, false
	}
	if single {
		return endpoint{spoken, func(x *exchange) error { return m.oneModel(x, id) }}, true
	}
	return endpoint{spoken, m.listModels}, true
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
