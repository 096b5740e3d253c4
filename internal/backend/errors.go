package backend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// maxError bounds an error's body.
const maxError = 1 << 20

// failure is what a cloud says went wrong.
type failure struct {
	status  int    // of HTTP; 0 in the midst of a stream
	name    string // the cloud's own: "ThrottlingException", "RESOURCE_EXHAUSTED"; "" if it gave none
	message string
}

// code finds the kind of a failure, by the cloud's name for it, else by its status.
func (f failure) code() gateway.Code {
	switch strings.ToLower(f.name) {
	case "throttlingexception", "servicequotaexceededexception", "resource_exhausted":
		return gateway.QuotaSpent
	case "modelnotreadyexception", "serviceunavailableexception", "unavailable":
		return gateway.Overloaded
	case "modeltimeoutexception", "deadline_exceeded":
		return gateway.BackendTimeout
	case "validationexception":
		return gateway.Invalid
	}
	switch f.status {
	case http.StatusUnauthorized:
		return gateway.Unauthenticated
	case http.StatusForbidden:
		return gateway.Forbidden
	case http.StatusNotFound:
		return gateway.NotFound
	case http.StatusRequestEntityTooLarge:
		return gateway.TooLarge
	case http.StatusTooManyRequests:
		return gateway.QuotaSpent
	case http.StatusServiceUnavailable, anthropic.StatusOverloaded:
		return gateway.Overloaded
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return gateway.BackendTimeout
	}
	if f.status >= 400 && f.status < 500 && f.status != http.StatusFailedDependency { // the model failed
		return gateway.Invalid
	}
	return gateway.BackendFailed
}

// body is the failure in the envelope of a dialect.
func (f failure) body(d gateway.Dialect, id string) []byte {
	e := &gateway.Error{Code: f.code(), Message: f.message}
	switch {
	case d == gateway.Anthropic:
		_, body := anthropic.ErrorBody(e, id)
		return body
	case e.Code == gateway.QuotaSpent: // the account's rate limit, not a user's quota
		return fmt.Appendf(nil, `{"error":{"message":%s,"type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`, quote(f.message))
	}
	_, body := openai.ErrorBody(e)
	return body
}

// readFailure reads an error as AWS or Google writes it. What is neither is quoted.
func readFailure(status int, name string, body []byte) failure {
	f := failure{status: status, name: name}
	object := gjson.ParseBytes(body)
	if object.IsArray() {
		object = object.Get("0")
	}
	if e := object.Get("error"); e.IsObject() {
		object = e
	}
	for _, key := range [...]string{"message", "Message", "errorMessage"} {
		if f.message == "" {
			f.message = object.Get(key).String()
		}
	}
	for _, key := range [...]string{"status", "__type", "code"} {
		if f.name == "" {
			f.name = object.Get(key).Str
		}
	}
	// AWS may add where the name is declared, before it or behind: com.amazon.x#Name, Name:http://…
	f.name, _, _ = strings.Cut(f.name[strings.LastIndexByte(f.name, '#')+1:], ":")
	if f.message == "" {
		f.message = strings.ToValidUTF8(string(bytes.TrimSpace(body[:min(len(body), 500)])), "")
	}
	if f.message == "" {
		f.message = strings.TrimSpace(f.name + " " + http.StatusText(status))
	}
	return f
}

// inDialect reports whether an error's body is in the dialect's own envelope already.
func inDialect(d gateway.Dialect, body []byte) bool {
	if d == gateway.Anthropic {
		return gjson.GetBytes(body, "type").Str == "error" && gjson.GetBytes(body, "error.type").Exists()
	}
	return gjson.GetBytes(body, "error.type").Exists() && !gjson.GetBytes(body, "error.status").Exists()
}

// tellFailure has the body of an error told in the dialect of its call, unless it is. The body is read when whoever
// relays it asks for it, under their patience.
func tellFailure(res *http.Response, d gateway.Dialect, name string) {
	status, id := res.StatusCode, UpstreamID(res.Header)
	rewrite(res, func(body []byte) []byte {
		if inDialect(d, body) {
			return body
		}
		return readFailure(status, name, body).body(d, id)
	})
}

// rewrite has a response's body converted as a whole when it is read. A body that is cut stays cut.
func rewrite(res *http.Response, convert func([]byte) []byte) {
	res.Body = &rewritten{source: res.Body, convert: convert}
	res.ContentLength = -1
	res.Header.Set("Content-Type", "application/json")
}

type rewritten struct {
	source  io.ReadCloser
	convert func([]byte) []byte
	text    *bytes.Reader
}

func (r *rewritten) Read(p []byte) (int, error) {
	if r.text == nil {
		body, err := io.ReadAll(io.LimitReader(r.source, maxError))
		if err != nil {
			return 0, err
		}
		r.text = bytes.NewReader(r.convert(body))
	}
	return r.text.Read(p)
}

func (r *rewritten) Close() error { return r.source.Close() }

// notServed answers a call that a backend has no endpoint for.
func notServed(c Call, message string) *http.Response {
	c.Body.release()
	f := failure{status: http.StatusNotFound, message: message}
	body := f.body(c.Endpoint.Dialect(), c.ID)
	return &http.Response{
		StatusCode: f.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}
}

// quote is a string or strings as JSON.
func quote(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(text)
}
