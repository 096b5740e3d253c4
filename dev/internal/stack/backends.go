package stack

import (
	"crypto/rand"
	"slices"
)

// Where the bearer credentials are kept, in the state directory.
const (
	operatorTokenFile = "anthropic-token"
	internalTokenFile = "internal-token"
	openaiTokenFile   = "openai-token"
	standbyTokenFile  = "standby-token"
	submissionKeyFile = "submission-key" // permissions to start batches are signed with it
)

// credentialFiles is what the gateway authenticates with, by file name.
func (s *Stack) credentialFiles() (map[string]string, error) {
	google, err := s.google.file()
	return map[string]string{
		operatorTokenFile:     operatorToken + "\n",
		internalTokenFile:     internalToken + "\n",
		openaiTokenFile:       openaiToken + "\n",
		standbyTokenFile:      standbyToken + "\n",
		googleCredentialsFile: google,
		submissionKeyFile:     rand.Text() + rand.Text() + "\n",
	}, err
}

// backends are those of the gateway: Anthropic and an internal model, which may be
// real, then mocks of the other kinds.
func (s *Stack) backends() []backendConfig {
	anthropic := s.backend("anthropic", anthropicMount, operatorTokenFile, "anthropic")
	anthropic.Auth.Mode = "operator"
	if s.options.AnthropicURL != "" {
		anthropic.BaseURL = s.options.AnthropicURL
		if s.options.AnthropicToken != "" {
			anthropic.Auth.TokenFile = "" // the frontend finds it in its environment
		}
	}
	internal := s.backend("internal", internalMount, internalTokenFile, "anthropic", "openai")
	if s.options.OpenAIURL != "" {
		internal.BaseURL = s.options.OpenAIURL
	}
	if s.options.OpenAITokenFile != "" {
		internal.Auth.TokenFile = s.options.OpenAITokenFile
	}
	return slices.Concat([]backendConfig{
		anthropic, internal,
		s.backend("openai", openaiMount, openaiTokenFile, "openai"),
		s.backend("standby", standbyMount, standbyTokenFile, "anthropic"),
	}, s.cloudBackends())
}

// backend is a mount that is reached over plain HTTP with a bearer token.
func (s *Stack) backend(name, mount, tokenFile string, dialects ...string) backendConfig {
	return backendConfig{
		Name: name, Dialects: dialects, BaseURL: s.modelURL(mount),
		Auth: authConfig{Mode: "bearer", TokenFile: s.dir.file(tokenFile)},
	}
}

// cloudBackends are the mounts that are reached as a cloud's service.
func (s *Stack) cloudBackends() []backendConfig {
	vertex := backendConfig{
		Name: "vertex", Kind: "vertex", Dialects: []string{"anthropic"}, BaseURL: s.modelURL(vertexMount),
		Project: googleProject, Location: "europe-west1", Models: map[string]string{"*": "{model}@20250929"},
	}
	gemini := vertex
	gemini.Name, gemini.Dialects = "gemini", []string{"openai"}
	gemini.Models = map[string]string{"*": "google/gemini-3-pro"}
	return []backendConfig{
		{
			Name: "bedrock", Kind: "bedrock", Dialects: []string{"anthropic"}, BaseURL: s.modelURL(bedrockMount),
			Region: awsRegion, Models: map[string]string{"*": "us.anthropic.{model}-v1:0"},
		},
		vertex, gemini,
	}
}
