package model

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

// turn is what the newest user message of a conversation says.
type turn struct {
	text       string // the last text of it
	toolResult string // the last tool result that came back
	hasResult  bool
}

// lastUserTurn finds the newest user message, or, in the OpenAI dialect, the
// tool messages after it. Clients may append system messages behind it.
func lastUserTurn(messages gjson.Result) turn {
	var found turn
	messages.ForEach(func(_, message gjson.Result) bool {
		switch message.Get("role").Str {
		case "user":
			found = readUser(message.Get("content"))
		case "tool":
			found.toolResult, found.hasResult = plainText(message.Get("content")), true
		}
		return true
	})
	return found
}

// reminderStart opens the notes that Claude Code adds to what the user typed.
const reminderStart = "<system-reminder>"

// readUser reads the content of a user message: a string or a list of blocks.
func readUser(content gjson.Result) turn {
	if content.Type == gjson.String {
		return turn{text: content.Str}
	}
	var t turn
	content.ForEach(func(_, block gjson.Result) bool {
		switch block.Get("type").Str {
		case "text":
			if text := block.Get("text").Str; !strings.HasPrefix(text, reminderStart) {
				t.text = text
			}
		case "tool_result":
			t.toolResult, t.hasResult = plainText(block.Get("content")), true
		}
		return true
	})
	return t
}

// plainText is the text of a content that is a string or a list of text blocks.
func plainText(content gjson.Result) string {
	if content.Type == gjson.String {
		return content.Str
	}
	var text strings.Builder
	content.ForEach(func(_, block gjson.Result) bool {
		text.WriteString(block.Get("text").Str)
		return true
	})
	return text.String()
}

// toolCall is a call that the answer makes.
type toolCall struct {
	name      string
	arguments string // a JSON object
}

// wantedTool finds a request such as "use the Bash tool with {…}" in a text.
func (m *Model) wantedTool(text string) (toolCall, bool) {
	at := m.toolRequest.FindStringSubmatchIndex(text)
	if at == nil {
		return toolCall{}, false
	}
	call := toolCall{arguments: "{}"}
	for group := 2; group < len(at); group += 2 {
		if at[group] >= 0 {
			call.name = strings.TrimRight(text[at[group]:at[group+1]], ".")
		}
	}
	rest := strings.TrimSpace(text[at[1]:])
	rest = strings.TrimSpace(strings.TrimPrefix(rest, "with"))
	if strings.HasPrefix(rest, "{") {
		var arguments json.RawMessage
		// The decoder stops at the end of the object; more text may follow.
		if err := json.NewDecoder(strings.NewReader(rest)).Decode(&arguments); err == nil {
			call.arguments = string(arguments)
		}
	}
	return call, true
}

// offers reports whether a list of tools, of either dialect, has one of the name.
func offers(tools gjson.Result, name string) bool {
	found := false
	tools.ForEach(func(_, tool gjson.Result) bool {
		found = tool.Get("name").Str == name || tool.Get("function.name").Str == name
		return !found
	})
	return found
}
