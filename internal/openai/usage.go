package openai

import (
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// ReadAnswer reads the body of an answer that was not streamed: of chat completions, responses or embeddings.
func ReadAnswer(body []byte) gateway.Answer {
	var a gateway.Answer
	fields := gjson.GetManyBytes(body, "usage", "choices.0.finish_reason", "status", "error")
	takeUsage(&a, fields[0])
	a.StopReason = fields[1].String()
	if a.StopReason == "" {
		a.StopReason = fields[2].String() // of a response
	}
	a.ErrorType = errorType(fields[3])
	return a
}

// takeUsage reads a usage object, which is of the whole answer wherever it stands. Chat completions and embeddings
// count a prompt and a completion, responses an input and an output; both count what the cache had as part of the
// first.
func takeUsage(a *gateway.Answer, usage gjson.Result) {
	if !usage.IsObject() {
		return
	}
	a.HasUsage = true
	var input, cached int64
	usage.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "prompt_tokens", "input_tokens":
			input = value.Int()
		case "completion_tokens", "output_tokens":
			a.Usage.Output = value.Int()
		case "prompt_tokens_details", "input_tokens_details":
			cached = value.Get("cached_tokens").Int()
		}
		return true
	})
	a.Usage.CacheRead = min(cached, input)
	a.Usage.Input = input - a.Usage.CacheRead
}

// errorType is the type of an error object, its code where it has no type, and "" where there is no error.
func errorType(object gjson.Result) string {
	if !object.IsObject() {
		return ""
	}
	for _, field := range []string{"type", "code"} {
		if text := object.Get(field).String(); text != "" {
			return text
		}
	}
	return "error"
}
