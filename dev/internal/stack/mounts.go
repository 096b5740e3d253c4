package stack

import (
	"net/http"

	"github.com/openova-io/llm-gateway/dev/internal/model"
	"github.com/openova-io/llm-gateway/dev/internal/ports"
)

// The mounts of the mock model, one for each provider. Each has its own
// credential, faults and statistics, so that a mix-up is refused and one
// provider can fail alone.
const (
	anthropicMount = "anthropic"
	internalMount  = "internal"
	openaiMount    = "openai"
	standbyMount   = "standby"
	bedrockMount   = "bedrock"
	vertexMount    = "vertex"
)

// The credentials that the mocks want.
const (
	operatorToken   = "mock-operator-token"
	internalToken   = "mock-internal-token"
	openaiToken     = "mock-openai-token"
	standbyToken    = "mock-standby-token"
	accessKeyID     = "AKIAMOCKGATEWAY00000"
	secretAccessKey = "mock-secret-access-key"
	awsRegion       = "us-east-1"
)

// mounts says what each mount stands in for.
func (s *Stack) mounts() map[string]model.Config {
	return map[string]model.Config{
		anthropicMount: {Provider: model.Anthropic, Token: operatorToken},
		internalMount:  {Token: internalToken},
		openaiMount:    {Provider: model.OpenAI, Token: openaiToken},
		standbyMount:   {Provider: model.Anthropic, Token: standbyToken},
		bedrockMount: {Provider: model.Bedrock, AWS: model.AWSAccount{
			AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, Region: awsRegion,
		}},
		vertexMount: {Provider: model.Vertex, Google: &model.GoogleAccount{
			Email: s.google.email, Key: &s.google.key.PublicKey, TokenURI: s.google.tokenURI,
		}},
	}
}

// models serves all mounts. They share nothing but the port.
func (s *Stack) models() http.Handler {
	mux := http.NewServeMux()
	for name, config := range s.mounts() {
		prefix := mountPrefix(name)
		mux.Handle(prefix+"/", http.StripPrefix(prefix, model.New(config)))
	}
	return mux
}

// mountPrefix is where a mount is; Anthropic's has the port to itself.
func mountPrefix(name string) string {
	if name == anthropicMount {
		return ""
	}
	return "/" + name
}

// modelURL is where the mock of a provider is reached.
func (s *Stack) modelURL(name string) string {
	return ports.URL(s.ports.Model) + mountPrefix(name)
}

// modelURLs lists all of them.
func (s *Stack) modelURLs() map[string]string {
	urls := map[string]string{}
	for name := range s.mounts() {
		urls[name] = s.modelURL(name)
	}
	return urls
}
