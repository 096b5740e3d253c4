package model

import (
	"strings"

	"github.com/tidwall/gjson"
)

// turn is what the newest user message of a conversation says.
type turn struct {
	text    string   // the last text of it
	results []string // the tool results that came back since the model spoke
}

// lastUserTurn finds the newest user message of a request in any dialect.
func (x *exchange) lastUserTurn() turn {
	if input, ok := x.fields["input"]; ok {
		return lastInput(input)
	}
	return lastUserTurn(x.fields["messages"])
}

// lastUserTurn finds the newest user message, or, in the OpenAI dialect, the
// tool messages after it. Clients may append system messages behind it.
func lastUserTurn(messages gjson.Result) turn {
	var found turn
	messages.ForEach(func(_, message gjson.Result) bool {
		switch message.Get("role").Str {
		case "user":
			found = readUser(message.Get("content"))
		case "assistant":
			found.results = nil
		case "tool":
			found.results = append(found.results, plainText(message.Get("content")))
		}
		return true
	})
	return found
}

// lastInput finds the same in the input of the Responses API: a text or a list
// of messages, calls and their outputs.
func lastInput(input gjson.Result) turn {
	if input.Type == gjson.String {
		return turn{text: input.Str}
	}
	var found turn
	input.ForEach(func(_, item gjson.Result) bool {
		switch {
		case item.Get("role").Str == "user":
			found = readUser(item.Get("content"))
		case item.Get("type").Str == "function_call_output":
			found.results = append(found.results, plainText(item.Get("output")))
		case item.Get("role").Str == "assistant", item.Get("type").Str == "function_call" && len(found.results) > 0:
			found.results = nil
		}
		return true
	})
	return found
}

// reminderStart and reminderEnd enclose the notes that Claude Code adds to what
// the user typed.
const (
	reminderStart = "<system-reminder>"
	reminderEnd   = "</system-reminder>"
)

// typed is a text without such notes: whoever joins the blocks of a message has
// them in one text.
func typed(text string) string {
	for {
		before, rest, found := strings.Cut(text, reminderStart)
		if !found {
			return strings.TrimSpace(text)
		}
		_, after, _ := strings.Cut(rest, reminderEnd)
		text = before + after
	}
}

// readUser reads the content of a user message: a string or a list of blocks.
func readUser(content gjson.Result) turn {
	if content.Type == gjson.String {
		return turn{text: typed(content.Str)}
	}
	var t turn
	content.ForEach(func(_, block gjson.Result) bool {
		switch block.Get("type").Str {
		case "text", "input_text":
			if text := typed(block.Get("text").Str); text != "" {
				t.text = text
			}
		case "tool_result":
			t.results = append(t.results, plainText(block.Get("content")))
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
