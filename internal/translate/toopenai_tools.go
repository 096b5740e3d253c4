package translate

import (
	"github.com/tidwall/gjson"
)

// writeTools writes the tools and how they are chosen. Without tools there is nothing to choose.
func (r *messagesRequest) writeTools() error {
	tools, choice := r.take("tools"), r.take("tool_choice")
	start := len(r.out)
	r.out = append(r.out, `,"tools":[`...)
	if err := each("tools", tools, func(_ int, tool gjson.Result) error { return r.writeTool(tool) }); err != nil {
		return err
	}
	if r.out[len(r.out)-1] == '[' {
		r.out = r.out[:start]
		if choice.Exists() {
			r.drop("tool_choice")
		}
		return nil
	}
	r.out = append(r.out, ']')
	return r.writeToolChoice(choice)
}

func (r *messagesRequest) writeTool(tool gjson.Result) error {
	kind, name, description, schema := tool.Get("type"), tool.Get("name"), tool.Get("description"), tool.Get("input_schema")
	switch {
	case kind.Exists() && kind.Type != gjson.Null && kind.String() != "custom":
		return refuse("type", "%s is a tool that Anthropic defines, and this model does not have it. Leave it out, or choose a model of Anthropic's", kind)
	case name.Type != gjson.String || name.Str == "":
		return refuse("name", "must be a string that is not empty")
	case !schema.IsObject():
		return refuse("input_schema", "must be a JSON schema")
	}
	r.dropOthers("tools", tool, "type", "name", "description", "input_schema", "strict")
	r.out = append(append(comma(r.out), `{"type":"function","function":{"name":`...), name.Raw...)
	if description.Type == gjson.String {
		r.out = append(append(r.out, `,"description":`...), description.Raw...)
	}
	r.out = append(append(r.out, `,"parameters":`...), schema.Raw...)
	if tool.Get("strict").Type == gjson.True {
		r.out = append(r.out, `,"strict":true`...)
	}
	r.out = append(r.out, "}}"...)
	return nil
}

func (r *messagesRequest) writeToolChoice(choice gjson.Result) error {
	if !choice.Exists() {
		return nil
	}
	r.dropOthers("tool_choice", choice, "type", "name", "disable_parallel_tool_use")
	switch kind, name := choice.Get("type").String(), choice.Get("name"); {
	case kind == "auto" || kind == "none":
		r.out = append(r.out, `,"tool_choice":"`+kind+`"`...)
	case kind == "any":
		r.out = append(r.out, `,"tool_choice":"required"`...)
	case kind == "tool" && name.Type == gjson.String:
		r.out = append(append(r.out, `,"tool_choice":{"type":"function","function":{"name":`...), name.Raw...)
		r.out = append(r.out, "}}"...)
	default:
		return refuse("tool_choice", "must be of type auto, any, none, or tool with a name")
	}
	if choice.Get("disable_parallel_tool_use").Bool() {
		r.out = append(r.out, `,"parallel_tool_calls":false`...)
	}
	return nil
}
