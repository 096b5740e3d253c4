package gateway

import "strings"

// Model is a model's name taken apart far enough to route by it.
type Model struct {
	ID     string // as the client wrote it: "us.anthropic.claude-3-5-sonnet-20241022-v1:0"
	Vendor string // the line of models it belongs to: "claude", "gpt", …
	Family string // the member of the line: "opus", "sonnet", "haiku", …; the vendor where it has none
}

// ParseModel recognises the vendor and family of a model id. It knows no list of models: the family is the first
// word after the vendor that is not a version, so a family published tomorrow is routed as itself. Provider
// prefixes ("us.anthropic.", "anthropic/"), dates ("@20250929", "-20241022") and version suffixes ("-v1:0") are
// passed over.
func ParseModel(id string) Model {
	name := strings.ToLower(id)
	if i := strings.Index(name, "claude"); i >= 0 {
		return Model{ID: id, Vendor: "claude", Family: family(name[i:], "claude")}
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	vendor, _, _ := strings.Cut(name, "-")
	return Model{ID: id, Vendor: vendor, Family: vendor}
}

// family finds the first word of a dashed name, after the vendor's, that is not a version.
func family(name, vendor string) string {
	for word := range strings.FieldsFuncSeq(name[len(vendor):], func(r rune) bool { return !isAlnum(r) }) {
		if isWord(word) {
			return word
		}
	}
	return vendor
}

func isAlnum(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

// isWord tells "sonnet" from "3", "20241022", "v1" and "latest".
func isWord(s string) bool {
	return !strings.ContainsAny(s, "0123456789") && s != "latest" && s != "v"
}
