package gateway

import "strings"

// aliasPrefix makes a claude-shaped name of any model's.
const aliasPrefix = "claude--"

// Alias is the name under which a model is listed to clients that take only Claude models for theirs: those whose
// name has "claude" or "anthropic" in it. Such a model's alias is its own name. [Unalias] turns it back.
func Alias(model string) string {
	if name := strings.ToLower(model); strings.Contains(name, "claude") || strings.Contains(name, "anthropic") {
		return model
	}
	return aliasPrefix + model
}

// Unalias is the model of an alias; a name that is no alias is the model's own.
func Unalias(name string) string { return strings.TrimPrefix(name, aliasPrefix) }
