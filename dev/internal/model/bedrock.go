package model

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// bedrockVersion is what the field anthropic_version has to be.
const bedrockVersion = "bedrock-2023-05-31"

// findBedrock finds the endpoint of POST /model/{id}/{verb}.
func (m *Model) findBedrock(x *exchange) (endpoint, bool) {
	path, ok := strings.CutPrefix(x.r.URL.Path, "/model/")
	at := strings.LastIndexByte(path, '/')
	if !ok || at < 0 || x.r.Method != http.MethodPost {
		return endpoint{dialect: bedrock{}}, false
	}
	x.model = path[:at]
	found, ok := m.api[path[at+1:]]
	if !ok {
		found.dialect = bedrock{}
	}
	return found, ok
}

// invokeModel answers the whole message, and tells its usage in headers too.
func (m *Model) invokeModel(x *exchange) error { return m.invoke(x, false) }

// invokeModelStreamed answers an event stream.
func (m *Model) invokeModelStreamed(x *exchange) error { return m.invoke(x, true) }

func (m *Model) invoke(x *exchange, stream bool) error {
	if message := checkBedrock(x.model, x.fields); message != "" {
		return x.refuse(http.StatusBadRequest, message)
	}
	if !stream {
		x.w.Header().Set("x-amzn-bedrock-input-token-count", strconv.Itoa(x.inputUsage().input))
	}
	_, name, _ := strings.Cut(x.model, "anthropic.") // the answer names the model, not the profile
	name, _, _ = strings.Cut(name, "-v1:")
	return m.claude(x, name, stream)
}

// bedrockCountTokens answers POST /model/{id}/count-tokens: the body of the
// request to be counted is inside, in base64. It takes a model, no profile.
func (m *Model) bedrockCountTokens(x *exchange) error {
	inner, err := base64.StdEncoding.DecodeString(x.fields["input"].Get("invokeModel.body").Str)
	if err != nil || !gjson.ValidBytes(inner) {
		return x.refuse(http.StatusBadRequest, "input.invokeModel.body: Value is not a base64-encoded JSON object")
	}
	if !strings.HasPrefix(x.model, "anthropic.") {
		return x.refuse(http.StatusBadRequest, "The provided model doesn't support counting tokens.")
	}
	x.fields = gjson.ParseBytes(inner).Map()
	if message := checkBedrock(x.model, x.fields); message != "" {
		return x.refuse(http.StatusBadRequest, message)
	}
	if err := x.needs("messages", "max_tokens"); err != nil {
		return err
	}
	count := estimateTokens(inner)
	x.note(http.StatusOK, usage{input: count})
	return x.writeJSON(marshal(map[string]int{"inputTokens": count}))
}

// checkBedrock returns what Bedrock says of a body that it does not take; empty
// if it does. It does not say which beta flag it does not know.
func checkBedrock(model string, body map[string]gjson.Result) string {
	if !strings.Contains(model, "anthropic.") {
		return "The provided model identifier is invalid."
	}
	if body["anthropic_version"].Str != bedrockVersion {
		return "anthropic_version: Field required, and it must be " + bedrockVersion
	}
	for _, flag := range body["anthropic_beta"].Array() {
		if !slices.Contains(bedrockBetas(), flag.Str) {
			return "invalid beta flag"
		}
	}
	if body["output_config"].Get("format").Exists() { // newer models do not take it there
		return "output_config.format: Extra inputs are not permitted"
	}
	return checkFields(body, "anthropic_version", "anthropic_beta", "output_config")
}

// bedrockBetas are the beta features that Bedrock has.
func bedrockBetas() []string {
	return []string{
		"interleaved-thinking-2025-05-14", "context-1m-2025-08-07", "fine-grained-tool-streaming-2025-05-14",
		"computer-use-2025-01-24", "token-efficient-tools-2025-02-19", "output-128k-2025-02-19",
	}
}

// checkFields returns what the Messages API of a cloud says of a field that only
// Anthropic's own has; empty if there is none.
func checkFields(body map[string]gjson.Result, more ...string) string {
	known := append([]string{
		"max_tokens", "messages", "metadata", "stop_sequences", "system", "temperature", "thinking",
		"tool_choice", "tools", "top_k", "top_p",
	}, more...)
	var unknown []string
	for field := range body {
		if !slices.Contains(known, field) {
			unknown = append(unknown, field)
		}
	}
	for i, tool := range body["tools"].Array() {
		for _, field := range []string{"defer_loading", "input_examples", "eager_input_streaming"} {
			if tool.Get(field).Exists() {
				unknown = append(unknown, "tools."+strconv.Itoa(i)+".custom."+field)
			}
		}
	}
	if len(unknown) == 0 {
		return ""
	}
	return slices.Min(unknown) + ": Extra inputs are not permitted"
}
