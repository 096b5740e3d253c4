package translate

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// reasoning is the thinking that reasoning_effort asks for, as JSON, and the effort for output_config; each may be "".
func (c *chat) reasoning(limit int64, forced bool) (thinking, effort string, err error) {
	if !c.effort.Exists() {
		return "", "", nil
	}
	level := c.effort.String()
	effort, budget := reasoningEffort(level)
	switch {
	case effort == "" && level != "none":
		return "", "", refuse("reasoning_effort", "must be one of none, minimal, low, medium, high, xhigh, max")
	case level == "none" && c.claude.mustReason:
		c.drop("reasoning_effort")
		return "", "low", nil
	case level == "none" && c.claude.reasons():
		return `{"type":"disabled"}`, "", nil
	case level == "none":
		return "", "", nil
	case !c.claude.reasons():
		c.drop("reasoning_effort")
		return "", "", nil
	case c.claude.adapts():
		thinking, effort = c.adaptive(effort, forced)
		return thinking, effort, nil
	}
	return c.budgeted(min(budget, limit/2), forced), "", nil // thinking counts towards the limit
}

// reasoningEffort is what a reasoning_effort is for a model that adapts, and the budget in tokens of one that does not.
func reasoningEffort(level string) (effort string, budget int64) {
	switch level {
	case "minimal":
		return "low", minBudget
	case "low":
		return "low", 2048
	case "medium":
		return "medium", 8192
	case "high":
		return "high", 16384
	case "xhigh":
		return "xhigh", 32768
	case "max":
		return "max", 32768
	}
	return "", 0
}

// minBudget is the least that Anthropic takes for a budget.
const minBudget = 1024

// adaptive leaves it to the model how much it thinks. None thinks that is forced to call a tool; the effort counts for
// what it writes, too.
func (c *chat) adaptive(effort string, forced bool) (thinking, _ string) {
	if effort == "xhigh" && !c.claude.knowsXHigh() {
		c.drop("reasoning_effort>high")
		effort = "high"
	}
	if forced {
		c.drop("reasoning_effort")
		return "", effort
	}
	return `{"type":"adaptive"}`, effort
}

// budgeted gives the model tokens to think with, if it may: not when it is forced to call a tool, and not while it
// waits for a tool's result, since such a turn must have begun with thinking, which no OpenAI client brings back.
func (c *chat) budgeted(budget int64, forced bool) (thinking string) {
	if forced || c.midUse || budget < minBudget {
		c.drop("reasoning_effort")
		return ""
	}
	return `{"type":"enabled","budget_tokens":` + strconv.FormatInt(budget, 10) + `}`
}

// appendOutput writes how the answer is to be found and what form it is to have, and reports whether the model thinks.
func (c *chat) appendOutput(dst []byte, limit int64, forced bool) (_ []byte, thinks bool, err error) {
	thinking, effort, err := c.reasoning(limit, forced)
	if err != nil {
		return nil, false, err
	}
	schema, err := c.schema()
	if err != nil {
		return nil, false, err
	}
	if thinking != "" {
		dst = append(append(dst, `,"thinking":`...), thinking...)
	}
	var config []string
	if effort != "" {
		config = append(config, `"effort":"`+effort+`"`)
	}
	if schema != "" {
		config = append(config, `"format":{"type":"json_schema","schema":`+schema+`}`)
	}
	if len(config) > 0 {
		dst = append(dst, `,"output_config":{`+strings.Join(config, ",")+`}`...)
	}
	return dst, thinking != "" && c.effort.Str != "none", nil
}

// schema is the JSON schema that the answer has to follow, "" if there is none. For the older JSON mode, which has no
// counterpart, the model is told in words.
func (c *chat) schema() (string, error) {
	if !c.responseFormat.Exists() {
		return "", nil
	}
	switch kind := c.responseFormat.Get("type").String(); kind {
	case "text":
		return "", nil
	case "json_object":
		c.drop("response_format")
		c.system = append(c.system,
			`,{"type":"text","text":"Answer with one JSON object and nothing else: no words before or behind it, no code fence."}`...)
		return "", nil
	case "json_schema":
		format := c.responseFormat.Get("json_schema")
		schema := format.Get("schema")
		if !schema.IsObject() {
			return "", refuse("response_format.json_schema.schema", "must be a JSON schema")
		}
		c.dropOthers("response_format.json_schema", format, "schema", "strict")
		return schema.Raw, nil
	default:
		return "", refuse("response_format.type", "must be text, json_object or json_schema, not %q", kind)
	}
}

// appendSampling writes temperature and top_p, as far as the model takes them. A value that changes nothing is no loss.
func (c *chat) appendSampling(dst []byte, thinks bool) ([]byte, error) {
	temperature, topP := c.temperature, c.topP
	if temperature.Exists() && (temperature.Type != gjson.Number || temperature.Num < 0 || temperature.Num > 2) {
		return nil, refuse("temperature", "must be a number from 0 to 2")
	}
	if topP.Exists() && (topP.Type != gjson.Number || topP.Num < 0 || topP.Num > 1) {
		return nil, refuse("top_p", "must be a number from 0 to 1")
	}
	refuses := !c.claude.samples() || thinks && !c.claude.isOther()
	switch {
	case !temperature.Exists():
	case refuses && temperature.Num != 1:
		c.drop("temperature")
	case refuses:
	case temperature.Num > 1:
		c.drop("temperature>1")
		dst = append(dst, `,"temperature":1`...)
	default:
		dst = append(append(dst, `,"temperature":`...), temperature.Raw...)
	}
	switch {
	case !topP.Exists():
	case refuses || temperature.Exists() && !c.claude.isOther(): // a Claude takes one of the two
		if topP.Num < 1 {
			c.drop("top_p")
		}
	default:
		dst = append(append(dst, `,"top_p":`...), topP.Raw...)
	}
	return dst, nil
}
