package translate

import (
	"slices"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/jsonscan"
)

// chat is a request of the Chat Completions API on its way to become one of the Messages API.
type chat struct {
	dropped
	opts   Options
	claude claude
	reply  Reply

	// The client's fields that become something else. One that is null, or not there, does not exist.
	messages, tools, toolChoice, parallelTools, stop       gjson.Result
	maxCompletionTokens, maxTokens                         gjson.Result
	temperature, topP, effort, responseFormat, safetyLabel gjson.Result

	system []byte // the text blocks of system, each behind a comma
	blocks []byte // those of the message at hand
	role   string // of the message that is being written: "user", "assistant"; "" before the first
	midUse bool   // the last assistant message calls tools
}

func toAnthropic(body []byte, opts Options) (Call, error) {
	// The scan bounds the depth, which the stricter check behind it does not.
	if _, err := jsonscan.Scan(body); err != nil {
		return Call{}, refuse("body", "%v", err)
	}
	if !gjson.ValidBytes(body) {
		return Call{}, refuse("body", "is not well-formed JSON")
	}
	c := chat{opts: opts, claude: parseClaude(opts.Model), reply: Reply{Model: opts.Model}}
	if err := c.read(gjson.ParseBytes(body)); err != nil {
		return Call{}, err
	}
	translated, err := c.append(make([]byte, 0, len(body)+1024))
	if err != nil {
		return Call{}, err
	}
	return Call{Body: translated, Dropped: c.dropped, Reply: c.reply}, nil
}

// read takes the fields of the body apart: into those that become something else, those that are refused, and those
// that are dropped.
func (c *chat) read(body gjson.Result) error {
	for name, value := range members(body) {
		switch name {
		case "model": // Options names it
		case "messages":
			c.messages = value
		case "tools":
			c.tools = value
		case "tool_choice":
			c.toolChoice = value
		case "parallel_tool_calls":
			c.parallelTools = value
		case "stop":
			c.stop = value
		case "max_completion_tokens":
			c.maxCompletionTokens = value
		case "max_tokens":
			c.maxTokens = value
		case "temperature":
			c.temperature = value
		case "top_p":
			c.topP = value
		case "reasoning_effort":
			c.effort = value
		case "response_format":
			c.responseFormat = value
		case "safety_identifier":
			c.safetyLabel = value
		case "stream":
			c.reply.Stream = value.Bool()
		case "stream_options":
			c.reply.IncludeUsage = value.Get("include_usage").Bool()
			c.dropOthers("stream_options", value, "include_usage")
		default:
			if reason := refused(name, value); reason != "" {
				return refuse(name, "%s", reason)
			}
			if !isDefault(name, value) {
				c.drop(name)
			}
		}
	}
	return nil
}

// refused says why a field cannot be done without, and what to do; "" if it can.
func refused(name string, value gjson.Result) string {
	switch name {
	case "n":
		if value.Type != gjson.Number || value.Num != 1 {
			return "this model gives one answer to a request. Leave n out, or send as many requests as you want answers"
		}
	case "logprobs", "top_logprobs":
		if value.Type == gjson.True || value.Num != 0 {
			return "this model tells no log probabilities. Leave the field out"
		}
	case "logit_bias":
		if !isEmpty(value) {
			return "the tokens of this model cannot be weighted. Leave the field out"
		}
	case "modalities":
		for _, modality := range value.Array() {
			if modality.String() != "text" {
				return "this model answers in text only. Leave the field out"
			}
		}
	case "functions", "function_call":
		return "functions are given and called as tools here. Send tools and tool_choice instead"
	case "web_search_options":
		return "this model does not search the web by itself. Leave the field out, or give it a tool that does"
	case "moderation":
		return "there is no moderation on the way to this model. Leave the field out"
	}
	return ""
}

// isDefault reports whether the field asks for what happens anyway.
func isDefault(name string, value gjson.Result) bool {
	switch name {
	case "n", "logprobs", "top_logprobs", "logit_bias", "modalities":
		return true // anything else was refused
	case "presence_penalty", "frequency_penalty":
		return value.Type == gjson.Number && value.Num == 0
	case "store":
		return value.Type == gjson.False
	case "service_tier":
		return value.Str == "auto"
	}
	return isEmpty(value)
}

// append writes the request.
func (c *chat) append(dst []byte) ([]byte, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	dst = gjson.AppendJSONString(append(dst, `{"model":`...), c.opts.Model)
	dst = strconv.AppendInt(append(dst, `,"max_tokens":`...), limit, 10)
	if dst, err = c.appendMessages(dst); err != nil {
		return nil, err
	}
	dst, forced, err := c.appendTools(dst)
	if err != nil {
		return nil, err
	}
	dst, thinks, err := c.appendOutput(dst, limit, forced)
	if err != nil {
		return nil, err
	}
	if dst, err = c.appendSampling(dst, thinks); err != nil {
		return nil, err
	}
	if dst, err = c.appendStop(dst); err != nil {
		return nil, err
	}
	if len(c.system) > 0 {
		dst = append(append(dst, `,"system":[`...), c.system[1:]...)
		dst = append(dst, ']')
	}
	if c.safetyLabel.Type == gjson.String {
		dst = append(append(dst, `,"metadata":{"user_id":`...), c.safetyLabel.Raw...)
		dst = append(dst, '}')
	}
	if c.reply.Stream {
		dst = append(dst, `,"stream":true`...)
	}
	return append(dst, '}'), nil
}

// limit is the greatest length of the answer, in tokens.
func (c *chat) limit() (int64, error) {
	name, value := "max_completion_tokens", c.maxCompletionTokens
	if !value.Exists() {
		name, value = "max_tokens", c.maxTokens
	}
	switch limit := value.Int(); {
	case !value.Exists() && c.opts.MaxTokens > 0:
		return c.opts.MaxTokens, nil
	case !value.Exists():
		return c.claude.defaultLimit(), nil
	case value.Type != gjson.Number || limit < 1 || float64(limit) != value.Num:
		return 0, refuse(name, "must be a whole number above 0")
	default:
		return limit, nil
	}
}

// appendStop writes the stop sequences. Those of white space alone are refused by Anthropic.
func (c *chat) appendStop(dst []byte) ([]byte, error) {
	if !c.stop.Exists() {
		return dst, nil
	}
	start := len(dst)
	for _, sequence := range c.stop.Array() { // a lone value is an array of one
		switch {
		case sequence.Type != gjson.String:
			return nil, refuse("stop", "must be a string or an array of strings")
		case isBlank(sequence.Raw):
			c.drop("stop")
		default:
			dst = append(append(dst, ','), sequence.Raw...)
		}
	}
	if len(dst) == start {
		return dst, nil
	}
	dst = slices.Insert(dst, start+1, []byte(`"stop_sequences":[`)...)
	return append(dst, ']'), nil
}
