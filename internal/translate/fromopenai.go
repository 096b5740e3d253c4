package translate

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// delta is what one choice says, in a whole answer or in a chunk of a stream. What it does not say does not exist.
type delta struct {
	content, thinking, refusal, toolCalls gjson.Result
}

// readDelta reads a message, or a part of one. Services name the text of their thinking differently, and some send it
// under both names.
func readDelta(message gjson.Result) (d delta) {
	var other gjson.Result
	message.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "content":
			d.content = value
		case "reasoning_content":
			d.thinking = value
		case "reasoning":
			other = value
		case "refusal":
			d.refusal = value
		case "tool_calls":
			d.toolCalls = value
		}
		return true
	})
	if !says(d.thinking) {
		d.thinking = other
	}
	return d
}

// says reports whether a value is a string with something in it.
func says(value gjson.Result) bool { return value.Type == gjson.String && len(value.Raw) > len(`""`) }

// eachText calls visit for the texts of a message's content, in their order, as JSON strings. Content is a string, or
// parts of which some may be thoughts, as Mistral sends them.
func eachText(content gjson.Result, visit func(text gjson.Result, isThinking bool)) error {
	if content.Type == gjson.Null || content.Type == gjson.String {
		if says(content) {
			visit(content, false)
		}
		return nil
	}
	if !content.IsArray() {
		return failed("content that is neither text nor parts", nil)
	}
	var err error
	content.ForEach(func(_, part gjson.Result) bool {
		switch part.Get("type").String() {
		case "text":
			if text := part.Get("text"); says(text) {
				visit(text, false)
			}
		case "thinking":
			part.Get("thinking").ForEach(func(_, thought gjson.Result) bool {
				if text := thought.Get("text"); says(text) {
					visit(text, true)
				}
				return true
			})
		default:
			err = failed("a part of type "+strconv.Quote(part.Get("type").String()), nil)
		}
		return err == nil
	})
	return err
}

// ending is how an answer ended.
type ending struct {
	reason   string // finish_reason; "" before it came
	sequence string // the stop sequence that was met, as JSON, where the service tells; vLLM does
	refused  bool   // the model declined
	tools    bool   // it called tools
}

// read takes the ending from a choice, which has none before its last chunk. It keeps nothing of the choice's memory.
func (e *ending) read(reason, sequence gjson.Result) {
	if says(reason) {
		e.reason = strings.Clone(reason.Str)
	}
	if sequence.Type == gjson.String {
		e.sequence = strings.Clone(sequence.Raw)
	}
}

// stopReason is the ending in Anthropic's words. Some services say "stop" where tools were called, and the calls decide.
func (e *ending) stopReason() (string, error) {
	switch e.reason {
	case "length", "model_length":
		return "max_tokens", nil
	case "error", "abort", "insufficient_system_resource":
		return "", failed("finish_reason "+e.reason, nil)
	case "content_filter":
		return "refusal", nil
	}
	switch {
	case e.refused:
		return "refusal", nil
	case e.tools:
		return "tool_use", nil
	case e.sequence != "":
		return "stop_sequence", nil
	}
	return "end_turn", nil
}

// appendStop appends the members stop_reason and stop_sequence.
func (e *ending) appendStop(dst []byte) ([]byte, error) {
	reason, err := e.stopReason()
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, `"stop_reason":"`...), reason...)
	dst = append(dst, `","stop_sequence":`...)
	if reason == "stop_sequence" {
		return append(dst, e.sequence...), nil
	}
	return append(dst, "null"...), nil
}

// tokens is the usage of an answer in Anthropic's terms: input without what was read from a cache.
type tokens struct {
	known                    bool // told by the backend
	input, cacheRead, output int64
}

// readTokens reads OpenAI's usage; ok is false where there is none.
func readTokens(usage gjson.Result) (t tokens, ok bool) {
	prompt := usage.Get("prompt_tokens")
	if prompt.Type != gjson.Number {
		return tokens{}, false
	}
	cached := usage.Get("prompt_tokens_details.cached_tokens")
	if !cached.Exists() {
		cached = usage.Get("prompt_cache_hit_tokens") // DeepSeek
	}
	t.known = true
	t.cacheRead = min(max(cached.Int(), 0), max(prompt.Int(), 0))
	t.input = max(prompt.Int(), 0) - t.cacheRead
	t.output = max(usage.Get("completion_tokens").Int(), 0)
	return t, true
}

func (t tokens) append(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `"usage":{"input_tokens":`...), t.input, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_creation_input_tokens":0,"cache_read_input_tokens":`...), t.cacheRead, 10)
	dst = strconv.AppendInt(append(dst, `,"output_tokens":`...), t.output, 10)
	return append(dst, '}')
}

// appendID appends the id of an answer: the backend's, or one made of the request's.
func appendID(dst []byte, id gjson.Result, reply Reply) []byte {
	if says(id) {
		return append(dst, id.Raw...)
	}
	return gjson.AppendJSONString(dst, "msg_"+reply.ID)
}

// appendModel appends the model that answered.
func appendModel(dst []byte, model gjson.Result, reply Reply) []byte {
	if says(model) {
		return append(dst, model.Raw...)
	}
	return gjson.AppendJSONString(dst, reply.Model)
}

// appendToolID appends the id of the nth tool call of an answer: the backend's, or one made of the request's, with what
// has to come back with the call. OpenAI takes no id of more than 40 bytes back.
func appendToolID(dst []byte, id string, extra gjson.Result, n int, reply Reply) []byte {
	if id == "" {
		id = "call_" + strings.ReplaceAll(reply.ID, "-", "") + "_" + strconv.Itoa(n)
	}
	return gjson.AppendJSONString(dst, carry(id, extra))
}

// failed is the error for an answer that is none.
func failed(what string, cause error) error {
	return &gateway.Error{Code: gateway.BackendFailed, Cause: cause, Message: "The backend's answer cannot be used: " + what + ". Try again."}
}

// toolFailed is the error for a tool call whose arguments are no JSON object. Cut by the limit, they would be cut again.
func toolFailed(name, reason string) error {
	if reason == "length" {
		return &gateway.Error{Code: gateway.BackendFailed, NoRetry: true, Message: "The answer reached max_tokens in the midst of a call of the tool " +
			strconv.Quote(name) + ". Ask again with a larger max_tokens."}
	}
	return failed("a call of the tool "+strconv.Quote(name)+" with arguments that are no JSON object", nil)
}
