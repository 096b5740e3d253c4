package translate

import "github.com/tidwall/gjson"

// appendTools writes tools and tool_choice, and reports whether the choice forces the model to call one.
func (c *chat) appendTools(dst []byte) (_ []byte, forced bool, err error) {
	choice, forced, err := c.choice()
	if err != nil {
		return nil, false, err
	}
	if isEmpty(c.tools) {
		if forced {
			return nil, false, refuse("tool_choice", "there are no tools to choose from")
		}
		return dst, false, nil
	}
	dst = append(dst, `,"tools":`...)
	first := len(dst)
	err = each("tools", c.tools, func(_ int, tool gjson.Result) (err error) {
		dst, err = c.appendTool(dst, tool)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	dst[first] = '[' // in place of the comma
	dst = append(dst, ']')
	if choice != "" {
		dst = append(append(dst, `,"tool_choice":`...), choice...)
	}
	return dst, forced, nil
}

// appendTool writes a tool behind a comma.
func (c *chat) appendTool(dst []byte, tool gjson.Result) ([]byte, error) {
	if kind := tool.Get("type").String(); kind != "function" {
		return nil, refuse("type", "must be function, not %q: this model calls functions only", kind)
	}
	function := tool.Get("function")
	name, description := function.Get("name"), function.Get("description")
	parameters, strict := function.Get("parameters"), function.Get("strict")
	switch {
	case name.Type != gjson.String || name.Str == "":
		return nil, refuse("function.name", "must be a string that is not empty")
	case description.Type != gjson.Null && description.Type != gjson.String:
		return nil, refuse("function.description", "must be a string")
	case parameters.Type != gjson.Null && !parameters.IsObject():
		return nil, refuse("function.parameters", "must be a JSON schema")
	}
	c.dropOthers("tools", tool, "type", "function", "cache_control")
	c.dropOthers("tools.function", function, "name", "description", "parameters", "strict")
	dst = append(append(dst, `,{"name":`...), name.Raw...)
	if description.Str != "" {
		dst = append(append(dst, `,"description":`...), description.Raw...)
	}
	dst = appendSchema(append(dst, `,"input_schema":`...), parameters)
	switch {
	case strict.Type != gjson.True:
	case c.claude.isStrict():
		dst = append(dst, `,"strict":true`...)
	default:
		c.drop("tools.function.strict")
	}
	if cache := tool.Get("cache_control"); cache.IsObject() {
		dst = append(append(dst, `,"cache_control":`...), cache.Raw...)
	}
	return append(dst, '}'), nil
}

// appendSchema writes the schema of a tool's input. Anthropic wants it to say that the input is an object, which
// OpenAI takes for granted.
func appendSchema(dst []byte, schema gjson.Result) []byte {
	switch {
	case isEmpty(schema):
		return append(dst, `{"type":"object","properties":{}}`...)
	case schema.Get("type").Exists():
		return append(dst, schema.Raw...)
	}
	return append(append(dst, `{"type":"object",`...), schema.Raw[1:]...)
}

// choice is the tool_choice, as JSON; "" leaves it to the model, which is what happens without one.
func (c *chat) choice() (choice string, forced bool, err error) {
	switch asked := c.toolChoice; {
	case !asked.Exists() || asked.Str == "auto":
		choice = `{"type":"auto"`
		if c.parallelTools.Type != gjson.False {
			return "", false, nil
		}
	case asked.Str == "none":
		return `{"type":"none"}`, false, nil
	case asked.Str == "required":
		choice, forced = `{"type":"any"`, true
	case asked.Get("type").String() == "function":
		name := asked.Get("function.name")
		if name.Type != gjson.String || name.Str == "" {
			return "", false, refuse("tool_choice.function.name", "must be a string that is not empty")
		}
		choice, forced = `{"type":"tool","name":`+name.Raw, true
	case asked.Get("type").String() == "allowed_tools":
		return "", false, refuse("tool_choice", "the choice cannot be narrowed down. Send only the tools that are allowed, and auto or required")
	default:
		return "", false, refuse("tool_choice", "must be auto, none, required, or a function's name as {\"type\":\"function\",\"function\":{\"name\":…}}")
	}
	if c.parallelTools.Type == gjson.False {
		choice += `,"disable_parallel_tool_use":true`
	}
	return choice + "}", forced, nil
}
