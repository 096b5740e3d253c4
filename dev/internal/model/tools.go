package model

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

// toolCall is a call that the answer makes.
type toolCall struct {
	name      string
	arguments string // a JSON object
}

// wantedTools finds requests such as "use the Bash tool with {…} and the Read
// tool with {…}" in a text: each is a call of the same answer.
func (m *Model) wantedTools(text string) []toolCall {
	var calls []toolCall
	for request := m.toolRequest; ; request = m.toolAlso {
		at := request.FindStringSubmatchIndex(text)
		if at == nil {
			return calls
		}
		var call toolCall
		for group := 2; group < len(at); group += 2 {
			if at[group] >= 0 {
				call.name = strings.TrimRight(text[at[group]:at[group+1]], ".")
			}
		}
		call.arguments, text = takeArguments(text[at[1]:])
		calls = append(calls, call)
	}
}

// takeArguments reads "with {…}" from the start of a text and returns the rest.
func takeArguments(text string) (arguments, rest string) {
	object := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "with"))
	if !strings.HasPrefix(object, "{") {
		return "{}", text
	}
	decoder := json.NewDecoder(strings.NewReader(object)) // stops at the end of the object
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return "{}", text
	}
	return string(raw), object[decoder.InputOffset():]
}

// forcedTool is the call of a tool that the request insists on, with arguments
// made of the tool's own schema: tool_choice of either dialect.
func forcedTool(choice, tools gjson.Result, said string) (toolCall, bool) {
	name, forced := choice.Get("name").Str, choice.Get("type").Str == "any" || choice.Str == "required"
	if name == "" {
		name = choice.Get("function.name").Str
	}
	var call toolCall
	tools.ForEach(func(_, tool gjson.Result) bool {
		if got := toolName(tool); name == got || name == "" && forced {
			call = toolCall{name: got, arguments: string(example(toolSchema(tool), got, said))}
		}
		return call.name == ""
	})
	return call, call.name != ""
}

// offers reports whether a list of tools, of either dialect, has one of the name.
func offers(tools gjson.Result, name string) bool {
	found := false
	tools.ForEach(func(_, tool gjson.Result) bool {
		found = toolName(tool) == name
		return !found
	})
	return found
}

func toolName(tool gjson.Result) string {
	if function := tool.Get("function"); function.Exists() {
		return function.Get("name").Str
	}
	return tool.Get("name").Str
}

// toolSchema is the schema of a tool's arguments: any object if there is none.
func toolSchema(tool gjson.Result) gjson.Result {
	for _, path := range []string{"input_schema", "function.parameters", "parameters"} {
		if schema := tool.Get(path); schema.Exists() {
			return schema
		}
	}
	return gjson.Parse(`{"type":"object"}`)
}
