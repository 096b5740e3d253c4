package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// checkMessages returns what the Messages API says of a conversation whose tool
// calls and results do not pair up; empty if they do.
func checkMessages(messages gjson.Result) string {
	var open []string // calls of the message before
	for i, message := range messages.Array() {
		content := message.Get("content")
		if message.Get("role").Str == "system" {
			continue // clients may put one anywhere
		}
		results := blocks(content, "tool_result", "tool_use_id")
		for _, id := range results {
			if !slices.Contains(open, id) {
				return fmt.Sprintf("messages.%d.content: unexpected `tool_use_id` found in `tool_result` blocks: %s. "+
					"Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", i, id)
			}
		}
		if missing := without(open, results); len(missing) > 0 {
			return fmt.Sprintf("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. "+
				"Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i-1, strings.Join(missing, ", "))
		}
		open = blocks(content, "tool_use", "id")
	}
	return ""
}

// blocks returns the ids of the blocks of a kind in a content.
func blocks(content gjson.Result, kind, id string) []string {
	var ids []string
	for _, block := range content.Array() {
		if block.Get("type").Str == kind {
			ids = append(ids, block.Get(id).Str)
		}
	}
	return ids
}

// checkChat is the same for Chat Completions.
func checkChat(messages gjson.Result) string {
	var open []string // calls that have no result yet
	for i, message := range messages.Array() {
		if message.Get("role").Str == "tool" {
			id := message.Get("tool_call_id").Str
			if !slices.Contains(open, id) {
				return fmt.Sprintf("Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls' (messages.[%d], %s).", i, id)
			}
			open = without(open, []string{id})
			continue
		}
		if len(open) > 0 {
			return "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. " +
				"The following tool_call_ids did not have response messages: " + strings.Join(open, ", ")
		}
		for _, call := range message.Get("tool_calls").Array() {
			open = append(open, call.Get("id").Str)
		}
	}
	return ""
}

// without returns the items of a list that another does not have.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(item string) bool { return slices.Contains(other, item) })
}
