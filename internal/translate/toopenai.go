package translate

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/jsonscan"
)

// messagesRequest is a request of the Messages API on its way to become one of the Chat Completions API. The JSON of
// the client is copied, not decoded, wherever its meaning stays the same.
type messagesRequest struct {
	opts   Options
	fields map[string]gjson.Result // of the body, those that are not null; what is used is taken out
	out    []byte
	reply  Reply
	dropped
}

func toOpenAI(body []byte, opts Options) (Call, error) {
	// The scan bounds the depth, which the stricter check behind it does not.
	if _, err := jsonscan.Scan(body); err != nil {
		return Call{}, refuse("body", "%v", err)
	}
	if !gjson.ValidBytes(body) {
		return Call{}, refuse("body", "is not well-formed JSON")
	}
	r := messagesRequest{opts: opts, fields: map[string]gjson.Result{}, out: make([]byte, 0, len(body)+len(body)/8+1024)}
	for name, value := range members(gjson.ParseBytes(body)) {
		if _, twice := r.fields[name]; twice {
			return Call{}, refuse(name, "is given twice")
		}
		r.fields[name] = value
	}
	r.out = gjson.AppendJSONString(append(r.out, `{"model":`...), opts.Model)
	delete(r.fields, "model")
	for _, write := range [...]func() error{
		r.refuseFeatures, r.writeMessages, r.writeTools, r.writeThinking, r.writeFormat, r.writeStop, r.writeSampling, r.writeStream,
	} {
		if err := write(); err != nil {
			return Call{}, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.fields)) {
		if !isEmpty(r.fields[name]) {
			r.drop(name)
		}
	}
	return Call{Body: append(r.out, '}'), Dropped: r.dropped, Reply: r.reply}, nil
}

// take returns a field of the body, which is dealt with by that. One that is null, or not there, does not exist.
func (r *messagesRequest) take(name string) gjson.Result {
	value := r.fields[name]
	delete(r.fields, name)
	return value
}

// refuseFeatures refuses what only Anthropic's own service does, and what the answer would be wrong without.
func (r *messagesRequest) refuseFeatures() error {
	if !isEmpty(r.take("thread")) {
		return gateway.NoThreads(r.opts.Model)
	}
	for _, f := range [...]struct{ name, reason string }{
		{"mcp_servers", "this model's service does not connect to MCP servers. Connect to them in the client and send their tools"},
		{"container", "this model's service runs no containers. Leave the field out"},
		{"inference_geo", "where this model runs cannot be chosen by the request. Leave the field out, or choose a model of Anthropic's"},
	} {
		if !isEmpty(r.take(f.name)) {
			return refuse(f.name, "%s", f.reason)
		}
	}
	return nil
}

// writeThinking translates how much the model shall think: by the effort, else by the budget.
func (r *messagesRequest) writeThinking() error {
	thinking, config := r.take("thinking"), r.fields["output_config"]
	var effort string
	switch kind := thinking.Get("type").String(); {
	case !thinking.Exists(), kind == "disabled":
	case kind == "enabled":
		effort = effortOf(thinking.Get("budget_tokens").Int())
		fallthrough
	case kind == "adaptive":
		r.reply.Thinking = thinking.Get("display").String() != "omitted"
	default:
		return refuse("thinking.type", "must be enabled, adaptive or disabled, not %q", kind)
	}
	if wanted := config.Get("effort"); wanted.Exists() {
		switch wanted.String() {
		case "low", "medium", "high":
			effort = wanted.String()
		case "xhigh", "max":
			effort = "high"
		default:
			return refuse("output_config.effort", "must be low, medium, high, xhigh or max, not %q", wanted.String())
		}
		if !r.opts.Reasoning || thinking.Get("type").String() == "disabled" {
			r.drop("output_config.effort")
		} else if effort != wanted.String() {
			r.drop("output_config.effort>high")
		}
	}
	switch {
	case thinking.Get("type").String() == "disabled", thinking.Exists() && !r.opts.Reasoning:
		r.drop("thinking")
	case effort != "" && r.opts.Reasoning:
		r.out = append(r.out, `,"reasoning_effort":"`+effort+`"`...)
	}
	return nil
}

// effortOf is the reasoning effort that is nearest to a budget of thinking tokens.
func effortOf(budget int64) string {
	switch {
	case budget < 4096:
		return "low"
	case budget < 16384:
		return "medium"
	}
	return "high"
}

// writeFormat translates the schema that the answer has to follow.
func (r *messagesRequest) writeFormat() error {
	config := r.take("output_config")
	path, format := "output_config.format", config.Get("format")
	if !format.IsObject() { // the field of the time before output_config
		path, format = "output_format", r.take("output_format")
	}
	r.dropOthers("output_config", config, "effort", "format")
	if !format.Exists() {
		return nil
	}
	schema := format.Get("schema")
	if kind := format.Get("type").String(); kind != "json_schema" || !schema.IsObject() {
		return refuse(path, "must be of type json_schema with a schema")
	}
	r.out = append(r.out, `,"response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":`...)
	r.out = append(append(r.out, schema.Raw...), `}}`...)
	return nil
}

// maxStop is how many stop sequences OpenAI takes.
const maxStop = 4

func (r *messagesRequest) writeStop() error {
	stop := r.take("stop_sequences")
	n := 0
	if err := each("stop_sequences", stop, func(_ int, sequence gjson.Result) error {
		if n++; sequence.Type != gjson.String {
			return refuse("", "must be a string")
		}
		return nil
	}); err != nil {
		return err
	}
	if n > maxStop {
		return refuse("stop_sequences", "this model takes at most %d, not %d. Leave some out", maxStop, n)
	}
	if n > 0 {
		r.out = append(append(r.out, `,"stop":`...), stop.Raw...)
	}
	return nil
}

// writeSampling copies the numbers that mean the same on both sides, and the limit, which has two names.
func (r *messagesRequest) writeSampling() error {
	limit := cmp.Or(r.opts.MaxTokensField, "max_tokens")
	if _, ok := r.fields["max_tokens"]; !ok && r.opts.MaxTokens > 0 {
		r.out = strconv.AppendInt(append(r.out, `,"`+limit+`":`...), r.opts.MaxTokens, 10)
	}
	for _, f := range [...]struct{ from, to string }{{"max_tokens", limit}, {"temperature", "temperature"}, {"top_p", "top_p"}} {
		value := r.take(f.from)
		if !value.Exists() {
			continue
		}
		if value.Type != gjson.Number {
			return refuse(f.from, "must be a number")
		}
		r.out = append(append(r.out, `,"`+f.to+`":`...), value.Raw...)
	}
	return nil
}

func (r *messagesRequest) writeStream() error {
	stream := r.take("stream")
	if stream.Exists() && !stream.IsBool() {
		return refuse("stream", "must be true or false")
	}
	if r.reply.Stream = stream.Bool(); !r.reply.Stream {
		return nil
	}
	r.out = append(r.out, `,"stream":true`...)
	if r.opts.StreamUsage {
		r.out = append(r.out, `,"stream_options":{"include_usage":true}`...)
	}
	return nil
}
