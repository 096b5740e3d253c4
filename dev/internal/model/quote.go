package model

import "unicode/utf8"

// appendQuoted appends a string as a JSON string. Most pieces of an answer are
// plain ASCII, and encoding them is most of what a stream costs.
func appendQuoted(buffer []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return append(buffer, marshal(s)...)
		}
	}
	buffer = append(buffer, '"')
	buffer = append(buffer, s...)
	return append(buffer, '"')
}
