package adapter

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/jsonscan"
	"github.com/openova-io/llm-gateway/internal/translate"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// exchange is one request on its way to the backend, and its answer.
type exchange struct {
	*Adapter

	client *client
	in     *http.Request
	id     string
	path   string      // for the metrics
	format wire.Format // the client's
	body   *backend.Body
	out    backend.Call
	reply  *translate.Reply // how the answer is to be translated; nil if it passes as it is
}

// call answers the paths whose requests go to the backend.
func (a *Adapter) call(endpoint gateway.Endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{
			Adapter: a, client: newClient(w, a.cfg.WriteTimeout), in: r, id: w.Header().Get("Request-Id"),
			path: r.URL.Path, format: wire.Of(endpoint),
		}
		defer x.client.done()
		err := x.read()
		defer x.body.Release()
		if err == nil {
			err = x.prepare(endpoint)
		}
		if err == nil {
			err = x.answer(r.Context())
		}
		if err != nil {
			a.fail(w, r, err)
		}
	}
}

// read takes in the whole body.
func (x *exchange) read() (err error) {
	// The deadline is lifted again once the body is here: the answer may take as long as it takes.
	_ = x.client.conn.SetReadDeadline(time.Now().Add(x.cfg.ReadTimeout))
	x.body, err = x.bodies.Read(x.in.Body, min(x.in.ContentLength, x.cfg.MaxBody+1), x.cfg.MaxBody)
	_ = x.client.conn.SetReadDeadline(time.Time{})
	if int64(len(x.body.Bytes())) > x.cfg.MaxBody {
		x.client.Header().Set("Connection", "close") // the rest of the body is not worth reading
		return &gateway.Error{Code: gateway.TooLarge, NoRetry: true, Message: fmt.Sprintf("The request body is larger than this adapter takes (%d bytes). Send less.", x.cfg.MaxBody)}
	}
	if err != nil {
		return &gateway.Error{Code: gateway.Invalid, Message: "The request body could not be read: it ended too early or came too slowly. Send it again.", Cause: err}
	}
	return nil
}

// prepare makes the backend's request of the client's.
func (x *exchange) prepare(endpoint gateway.Endpoint) error {
	target, ok := endpoint.In(x.cfg.Backend)
	if !ok {
		return &gateway.Error{Code: gateway.NotFound, NoRetry: true, Message: "The backend of this adapter does not count tokens."}
	}
	text := x.body.Bytes()
	scan, err := jsonscan.Scan(text)
	if err != nil {
		return &gateway.Error{Code: gateway.Invalid, NoRetry: true, Message: "The request body cannot be read: " + err.Error() + "."}
	}
	model, _ := x.models().resolve(cmp.Or(scan.Model, x.cfg.DefaultModel))
	switch {
	case model == "":
		return &gateway.Error{Code: gateway.Invalid, NoRetry: true, Message: "model: the request must name one."}
	case scan.Model == "" && !gjson.GetBytes(text, "model").Exists():
		text = with(text, "model", model)
	default:
		text = scan.SetModel(text, model)
	}
	if target != endpoint {
		if text, err = x.translate(endpoint.Dialect(), text, model); err != nil {
			return err
		}
	}
	if target != gateway.CountTokens {
		text = x.cfg.fill(text)
	}
	x.body.Set(text)
	x.out = backend.Call{ID: x.id, Endpoint: target, Model: model, Stream: scan.Stream, Header: x.header(), Body: x.body}
	if x.reply == nil {
		x.out.Query = x.in.URL.RawQuery
	}
	return nil
}

// translate puts the body into the backend's dialect and notes how the answer has to be told.
func (x *exchange) translate(from gateway.Dialect, body []byte, model string) ([]byte, error) {
	call, err := translate.Request(from, body, translate.Options{
		Model: model, MaxTokens: x.cfg.maxTokens(), MaxTokensField: x.cfg.maxTokensField(),
		StreamUsage: x.cfg.OpenAIStreamUsage, Reasoning: x.cfg.OpenAIReasoning,
	})
	if err != nil {
		return nil, err
	}
	if len(call.Dropped) > 0 {
		x.log.Debug("fields without a counterpart were left out", "request", x.id, "fields", call.Dropped)
	}
	x.reply = &call.Reply
	x.reply.ID, x.reply.Model, x.reply.Created = x.id, model, time.Now().Unix()
	x.reply.InputTokens = gateway.EstimateTokens(len(body))
	return call.Body, nil
}

// header is the client's, with the version of the API that is meant where the client names none. The backend leaves out
// what is not for it.
func (x *exchange) header() http.Header {
	h := x.in.Header
	if x.cfg.Backend == gateway.Anthropic && h.Get("Anthropic-Version") == "" {
		h = maps.Clone(h)
		h.Set("Anthropic-Version", x.cfg.AnthropicVersion)
	}
	return h
}

// fill puts in what the operator has chosen for requests that leave it open. A temperature is also left out where the
// request says what does not go together with one.
func (c *Config) fill(body []byte) []byte {
	open := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return gjson.GetBytes(body, name).Exists() })
	}
	if t := c.DefaultTemperature; t != nil && open("temperature", "top_p", "thinking", "reasoning_effort") {
		body = with(body, "temperature", *t)
	}
	if n := c.maxTokens(); n > 0 && open("max_tokens", "max_completion_tokens") {
		body = with(body, c.maxTokensField(), n)
	}
	return body
}

// with puts a member in at the beginning of an object.
func with(object []byte, name string, value any) []byte {
	member, err := json.Marshal(map[string]any{name: value})
	if err != nil { // names and finite numbers always marshal
		panic(err)
	}
	member = member[1 : len(member)-1]
	at := bytes.IndexByte(object, '{') + 1
	if bytes.TrimLeft(object[at:], " \t\r\n")[0] != '}' {
		member = append(member, ',')
	}
	return slices.Insert(object, at, member...)
}
