package exchange

import (
	"fmt"
	"slices"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
	"github.com/openova-io/llm-gateway/internal/routing"
	"github.com/openova-io/llm-gateway/internal/translate"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// call is one attempt: the request as one target is to get it, and how its answer has to be told.
type call struct {
	target   gateway.Target
	backend  *routing.Backend
	endpoint gateway.Endpoint // at the backend
	body     *backend.Body    // nil: the client's own, with the model's name patched when it is sent
	format   wire.Format      // the backend's dialect

	translated bool
	reply      translate.Reply // where translated
	dropped    []string        // what the translation left out
	unasked    bool            // the usage was asked for in the client's place, and is kept from it
}

// prepare makes x.call for a target. An error says why the target cannot take the request; it is for the client.
func (x *exchange) prepare(target gateway.Target) error {
	b := x.table.Backends[target.Backend]
	if b == nil {
		return fmt.Errorf("there is no backend %q", target.Backend) // the configuration was checked
	}
	at, ok := b.Endpoint(x.req.Endpoint)
	if !ok {
		return &gateway.Error{Code: gateway.NotFound, NoRetry: true, Message: fmt.Sprintf(
			"model: %s is not served at this endpoint, only in a conversation. Use POST /v1/messages or /v1/chat/completions.", x.asked)}
	}
	if x.scan.Threaded && at == gateway.Messages && !b.KeepsThreads() {
		return gateway.NoThreads(x.asked)
	}
	c := call{target: target, backend: b, endpoint: at, format: wire.Of(at)}
	if at != x.req.Endpoint {
		if err := x.translate(&c); err != nil {
			return err
		}
	} else if at == gateway.Chat && x.scan.Stream && b.TellsUsage() {
		if err := x.askUsage(&c); err != nil {
			return err
		}
	}
	x.call = c
	return nil
}

// translate makes the body in the backend's dialect.
func (x *exchange) translate(c *call) error {
	client := x.req.Endpoint.Dialect()
	body := x.req.Body.Bytes()
	cfg := &c.backend.Config
	made, err := translate.Request(client, body, translate.Options{
		Model: c.target.Model, MaxTokens: cfg.MaxTokens, MaxTokensField: cfg.MaxTokensName, StreamUsage: c.backend.TellsUsage(), Reasoning: cfg.Reasoning,
	})
	if err != nil {
		return err
	}
	c.body, c.dropped, c.translated, c.reply = backend.NewBody(made.Body), made.Dropped, true, made.Reply
	c.reply.ID, c.reply.Stream, c.reply.Model = x.req.ID.String(), x.scan.Stream, c.target.Model
	c.reply.InputTokens, c.reply.Created = gateway.EstimateTokens(len(body)), x.began.Unix()
	return nil
}

// askUsage asks for the usage of a stream whose client has not asked for it: what a request took has to be known.
func (x *exchange) askUsage(c *call) error {
	body := x.req.Body.Bytes()
	switch options := gjson.GetBytes(body, "stream_options"); {
	case options.Get("include_usage").Bool():
		return nil
	case options.Type != gjson.Null && !options.IsObject():
		return invalid("stream_options: must be an object. Leave it out, or send {\"include_usage\": true}.", nil)
	}
	named := x.scan
	asking, err := sjson.SetRawBytes(named.SetModel(slices.Clone(body), c.target.Model), "stream_options.include_usage", []byte("true"))
	if err != nil {
		return err // it is well-formed JSON, and so can be changed
	}
	c.body, c.unasked = backend.NewBody(asking), true
	return nil
}

// stage is what a stream goes through on its way to the client; nil where it passes unchanged.
func (c *call) stage() translate.Stream {
	switch {
	case c.translated:
		return translate.NewStream(c.endpoint.Dialect(), c.reply)
	case c.unasked:
		return &openai.Unasked{}
	}
	return nil
}

// outgoing is the call as the backend takes it, with a hold on its body.
func (x *exchange) outgoing() backend.Call {
	c := &x.call
	body := c.body
	switch {
	case body != nil:
		body.Hold()
	case x.sent == 1:
		// What the client sent is on record by now, so its memory may be used.
		x.req.Body.Set(x.scan.SetModel(x.req.Body.Bytes(), c.target.Model))
		body = x.req.Body.Hold()
	default:
		// The attempt before may still be reading that memory.
		named := x.scan
		body = backend.NewBody(named.SetModel(slices.Clone(x.req.Body.Bytes()), c.target.Model))
	}
	return backend.Call{
		ID: x.intent.ID.String(), Endpoint: c.endpoint, Model: c.target.Model, Stream: x.scan.Stream,
		Query: x.query(), Header: x.req.Header, Caller: x.req.Caller, Body: body,
	}
}

// query is the client's query, where the backend speaks the client's dialect.
func (x *exchange) query() string {
	if x.call.translated {
		return ""
	}
	return x.req.Query
}
