package model

import (
	"net/http"
	"slices"
	"strings"
)

// vertexVersion is what the field anthropic_version has to be.
const vertexVersion = "vertex-2023-10-16"

// findVertex finds the endpoint below /v1/projects/{project}/locations/{location}:
// publishers/anthropic/models/{model}:{verb}, or the one for OpenAI clients.
func (m *Model) findVertex(x *exchange) (endpoint, bool) {
	parts := strings.SplitN(strings.TrimPrefix(x.r.URL.Path, "/v1/"), "/", 5)
	if len(parts) < 5 || parts[0] != "projects" || parts[2] != "locations" || x.r.Method != http.MethodPost {
		return endpoint{dialect: vertex{}}, false
	}
	if path, ok := strings.CutPrefix(parts[4], "endpoints/openapi/"); ok {
		found, ok := m.api[path]
		if !ok || path != "chat/completions" {
			return endpoint{dialect: gemini{}}, false
		}
		return found, true
	}
	name, ok := strings.CutPrefix(parts[4], "publishers/anthropic/models/")
	if found, known := m.api[name]; ok && known { // count-tokens stands where a model would
		return found, true
	}
	model, verb, _ := strings.Cut(name, ":")
	found, known := m.api[verb]
	if !ok || !known {
		return endpoint{dialect: vertex{}}, false
	}
	x.model = model
	return found, true
}

// rawPredict answers :rawPredict and :streamRawPredict. Whether the answer is a
// stream is said by the body, as in the Messages API.
func (m *Model) rawPredict(x *exchange) error {
	if message := checkVertex(x); message != "" {
		return x.refuse(http.StatusBadRequest, message)
	}
	return m.claude(x, strings.ReplaceAll(x.model, "@", "-"), x.fields["stream"].Bool())
}

// vertexCountTokens answers models/count-tokens:rawPredict: this body does name
// the model.
func (m *Model) vertexCountTokens(x *exchange) error {
	if err := x.needs("model", "messages"); err != nil {
		return err
	}
	delete(x.fields, "model")
	if message := checkVertex(x); message != "" {
		return x.refuse(http.StatusBadRequest, message)
	}
	return m.countTokens(x)
}

// checkVertex returns what the service says of a body or header that it does not
// take; empty if it does.
func checkVertex(x *exchange) string {
	if x.fields["anthropic_version"].Str != vertexVersion {
		return "anthropic_version: Field required, and it must be " + vertexVersion
	}
	var unknown []string
	for flag := range strings.SplitSeq(strings.Join(x.r.Header.Values("anthropic-beta"), ","), ",") {
		if flag = strings.TrimSpace(flag); flag != "" && !slices.Contains(vertexBetas(), flag) {
			unknown = append(unknown, "`"+flag+"`")
		}
	}
	if len(unknown) > 0 {
		return "Unexpected value(s) " + strings.Join(unknown, ", ") + " for the `anthropic-beta` header. " +
			"Please consult our documentation at docs.anthropic.com or try again without the header."
	}
	return checkFields(x.fields, "anthropic_version", "stream")
}

// vertexBetas are the beta features that Vertex has.
func vertexBetas() []string {
	return []string{
		"interleaved-thinking-2025-05-14", "context-1m-2025-08-07", "fine-grained-tool-streaming-2025-05-14",
		"token-efficient-tools-2025-02-19",
	}
}
