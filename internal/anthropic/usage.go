package anthropic

import (
	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// ReadAnswer reads the body of an answer that was not streamed.
func ReadAnswer(body []byte) gateway.Answer {
	var a gateway.Answer
	fields := gjson.GetManyBytes(body, "usage", "stop_reason", "error.type")
	takeUsage(&a, fields[0])
	a.StopReason, a.ErrorType = fields[1].String(), fields[2].String()
	return a
}

// takeUsage merges a usage object. A stream tells its usage in parts, each cumulative: what a part does not mention
// stays as it was.
func takeUsage(a *gateway.Answer, usage gjson.Result) {
	if !usage.IsObject() {
		return
	}
	a.HasUsage = true
	usage.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "input_tokens":
			a.Usage.Input = value.Int()
		case "output_tokens":
			a.Usage.Output = value.Int()
		case "cache_read_input_tokens":
			a.Usage.CacheRead = value.Int()
		case "cache_creation_input_tokens":
			a.Usage.CacheWrite = value.Int()
		}
		return true
	})
}
