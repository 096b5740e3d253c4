package translate

import (
	"encoding/base64"
	"strings"

	"github.com/tidwall/gjson"
)

// carrier parts the id of a tool call from what its service wants back with it. Google's models sign the thought behind
// a call and refuse the conversation without the signature; Anthropic's dialect has no field for it, but every client
// brings a call's id back as it was.
const carrier = "__extra_"

// carry puts what has to come back with a call into its id. Anthropic's ids are letters, digits, dashes and underscores.
func carry(id string, extra gjson.Result) string {
	if !extra.IsObject() || isEmpty(extra) {
		return id
	}
	return id + carrier + base64.RawURLEncoding.EncodeToString([]byte(extra.Raw))
}

// carried takes such an id, a JSON string, apart: into the service's own id, as JSON, and a JSON object, or "" where the
// id is just an id.
func carried(id gjson.Result) (own, extra string) {
	own, code, ok := strings.Cut(id.Str, carrier)
	if !ok {
		return id.Raw, ""
	}
	decoded, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil || !isObject(string(decoded)) {
		return id.Raw, ""
	}
	return string(gjson.AppendJSONString(nil, own)), string(decoded)
}
