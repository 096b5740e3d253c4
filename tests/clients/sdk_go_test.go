package clients_test

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// messageOf is the message in an error body, which the SDKs for Go leave to be found.
func messageOf(body string) string {
	var envelope struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(body), &envelope); err != nil || envelope.Error.Message == "" {
		return body
	}
	return envelope.Error.Message
}

// goTool is a tool that a program in Go offers to the model. It takes a city.
type goTool struct{ name, description, result string }

func goTools() []goTool {
	return []goTool{
		{"weather", "How warm it is in a city", "21 degrees"},
		{"clock", "What time it is in a city", "noon"},
	}
}

// cityOnly is the JSON schema of what the tools take: its properties, and which of them are required.
func cityOnly() (properties map[string]any, required []string) {
	return map[string]any{"city": map[string]any{"type": "string"}}, []string{"city"}
}

// run runs the tool that the model named with the input that it gave, notes it and returns the tool's result.
func (r *reply) run(name, input string) (string, error) {
	var given struct {
		City string `json:"city"`
	}
	if err := json.Unmarshal([]byte(input), &given); err != nil {
		return "", fmt.Errorf("the input %q of %s: %w", input, name, err)
	}
	for _, tool := range goTools() {
		if tool.name == name {
			r.Ran = append(r.Ran, name+" "+given.City)
			return tool.result + " in " + given.City, nil
		}
	}
	return "", fmt.Errorf("there is no tool %q", name)
}

// shownID is the request id that a program finds in an answer's header.
func shownID(res *http.Response, name string) string {
	if res == nil {
		return ""
	}
	return res.Header.Get(name)
}
