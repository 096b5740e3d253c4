package model

import (
	"encoding/json"

	"github.com/tidwall/gjson"
)

// example makes JSON that satisfies a JSON schema, as far as clients use them:
// objects with all their properties, arrays of one item, the first of an enum.
// Strings repeat what the user said, shortly.
func example(schema gjson.Result, name, said string) json.RawMessage {
	if choices := schema.Get("enum"); choices.IsArray() {
		return json.RawMessage(choices.Get("0").Raw)
	}
	if constant := schema.Get("const"); constant.Exists() {
		return json.RawMessage(constant.Raw)
	}
	for _, alternatives := range []string{"anyOf.0", "oneOf.0", "allOf.0"} {
		if first := schema.Get(alternatives); first.Exists() {
			return example(first, name, said)
		}
	}
	kind := schema.Get("type")
	if kind.IsArray() {
		kind = kind.Get("0")
	}
	switch kind.Str {
	case "object":
		return exampleObject(schema.Get("properties"), said)
	case "array":
		return json.RawMessage("[" + string(example(schema.Get("items"), name, said)) + "]")
	case "integer", "number":
		return json.RawMessage("1")
	case "boolean":
		return json.RawMessage("true")
	case "null":
		return json.RawMessage("null")
	}
	return marshal("Mock " + name + ": " + clip(said, 40))
}

// exampleObject fills in every property, in the order of the schema.
func exampleObject(properties gjson.Result, said string) json.RawMessage {
	object := []byte{'{'}
	properties.ForEach(func(name, schema gjson.Result) bool {
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(object, marshal(name.Str)...)
		object = append(object, ':')
		object = append(object, example(schema, name.Str, said)...)
		return true
	})
	return append(object, '}')
}
