package backend

import (
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Learn implements Backend. Of calls that are under way together each is told to try again, not only the one whose
// answer comes first; but no call twice for the same reason. Nothing is learnt from a message that names nothing, nor
// of fields that are not known to belong to a beta: a message may quote what a user wrote.
func (f *filter) Learn(c Call, answer []byte) bool {
	if c.Endpoint.Dialect() != gateway.Anthropic {
		return false
	}
	blamed := f.blame(c, gjson.GetBytes(answer, "error.message").Str)
	if len(blamed.betas)+len(blamed.fields) == 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remember(c.Model, blamed)
	return f.tell(c, blamed)
}

// blame reads what a backend's message says it refuses, as far as it is in the call.
func (f *filter) blame(c Call, message string) (blamed refused) {
	message = strings.TrimPrefix(message, "The model returned the following errors: ")
	if bad, ok := badBetas(message); ok {
		for _, beta := range betas(c.Header) {
			switch {
			case f.drops(beta): // it was not sent
			case slices.Contains(bad, beta), len(bad) == 0 && !slices.Contains(f.keep, beta):
				blamed.betas = append(blamed.betas, beta)
			}
		}
		return blamed
	}
	known := f.allFields()
	if hasSchema(c) {
		known = slices.DeleteFunc(known, func(path string) bool { return path == outputConfig })
	}
	for _, named := range badFields(message) {
		for _, path := range known {
			if within(path, named) && len(find(c.Body.Bytes(), []string{path}).cuts) > 0 {
				blamed.fields = append(blamed.fields, path)
			}
		}
	}
	return blamed
}

// badBetas reads a message that refuses betas. It names none where the backend did not say which.
func badBetas(message string) (bad []string, ok bool) {
	if rest, found := strings.CutPrefix(message, "Unexpected value(s) "); found {
		list, _, found := strings.Cut(rest, " for the `anthropic-beta` header")
		for i, part := range strings.Split(list, "`") {
			if i%2 == 1 {
				bad = append(bad, part)
			}
		}
		return bad, found && len(bad) > 0
	}
	rest, found := strings.CutPrefix(strings.ToLower(message), "invalid beta flag")
	for _, word := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(" :,;`'\"[]()", r) }) {
		if strings.ContainsRune(word, '-') {
			bad = append(bad, strings.Trim(word, "."))
		}
	}
	return bad, found
}

// badFields reads a message that refuses fields of the body, and returns the names on the way to each, with "*" for the
// elements of an array. Two validators are known:
//
//	tools.0.custom.defer_loading: Extra inputs are not permitted
//	Malformed input request: #/tools/0: extraneous key [defer_loading] is not permitted, please reformat your input …
func badFields(message string) (paths [][]string) {
	if rest, found := strings.CutPrefix(message, "Malformed input request: "); found {
		for part := range strings.SplitSeq(rest, ", ") {
			pointer, key, ok := strings.Cut(part, ": extraneous key [")
			key, _, closed := strings.Cut(key, "] is not permitted")
			if ok && closed && strings.HasPrefix(pointer, "#") {
				paths = append(paths, elements(append(strings.Split(pointer, "/")[1:], key)))
			}
		}
		return paths
	}
	for line := range strings.Lines(message) {
		path, found := strings.CutSuffix(strings.TrimSpace(line), ": Extra inputs are not permitted")
		if !found || strings.ContainsAny(path, " \t:'\"") {
			return paths
		}
		paths = append(paths, elements(strings.Split(path, ".")))
	}
	return paths
}

func elements(path []string) []string {
	for i, name := range path {
		if name != "" && strings.Trim(name, "0123456789") == "" {
			path[i] = "*"
		}
	}
	return path
}

// within reports whether a path is the one that was named. Between its names others may stand: those by which a
// validator tells the kinds of a value apart, as "custom" in tools.0.custom.strict.
func within(path string, named []string) bool {
	names := strings.Split(path, ".")
	if names[0] != named[0] || names[len(names)-1] != named[len(named)-1] {
		return false
	}
	for _, name := range named {
		if len(names) > 0 && names[0] == name {
			names = names[1:]
		}
	}
	return len(names) == 0
}

// allFields are the paths that can be learnt: every beta's, and the objects that hold nothing else.
func (f *filter) allFields() []string {
	all := []string{outputConfig}
	for _, fields := range []map[string][]string{f.known, f.own} {
		for list := range maps.Values(fields) {
			all = append(all, list...)
		}
	}
	return union(all, nil)
}

// tell notes that a call is told of what is blamed, and reports whether any of it is news to that call.
func (f *filter) tell(c Call, blamed refused) (news bool) {
	if len(f.told) > maxTold {
		clear(f.told)
	}
	for _, name := range slices.Concat(blamed.betas, blamed.fields) {
		key := c.ID + " " + name
		news = news || !f.told[key]
		f.told[key] = true
	}
	return news
}
