package anthropic

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/jsonscan"
)

// BatchLimits bounds what a batch may hold.
type BatchLimits struct {
	Items     int   // requests of one batch
	ItemBytes int64 // of one request, its custom_id and params together
}

// ReadBatch reads the body that makes a batch, {"requests":[{"custom_id":…,"params":{…}},…]}, to the end of r, and
// hands each request over as soon as it is there; it never holds more than one. params are the bytes as they came, and
// good until item returns. n is how many were handed over without an error.
//
// What is wrong with the body is a *gateway.Error that names the place in the API's way, "requests.7.custom_id: …". An
// error of r is in the chain of the error, one of item is returned as it is.
func ReadBatch(r io.Reader, limits BatchLimits, item func(n int, customID string, params []byte) error) (n int, err error) {
	b := batchReader{
		values: valueReader{r: r, max: limits.ItemBytes},
		limits: limits, item: item, seen: map[string]int{},
	}
	err = b.body()
	return b.n, err
}

type batchReader struct {
	values valueReader
	limits BatchLimits
	item   func(n int, customID string, params []byte) error
	seen   map[string]int // the number of the request that has the custom_id
	n      int            // requests so far
	found  bool           // the list of requests
}

func (b *batchReader) body() error {
	if err := b.values.list('{', '}', b.member); err != nil {
		return err
	}
	if err := b.values.end(); err != nil {
		return err
	}
	if b.n == 0 {
		return b.values.fail("requests", "a batch needs one request at least, each with a custom_id and params.")
	}
	return nil
}

func (b *batchReader) member() error {
	name, err := b.values.key()
	if err != nil {
		return err
	}
	if name != "requests" { // what a later version of the API may have
		return b.values.pass()
	}
	if b.found {
		return b.values.fail("requests", "the list is there twice. Send one.")
	}
	b.found = true
	return b.values.list('[', ']', b.request)
}

func (b *batchReader) request() error {
	if b.n == b.limits.Items {
		return b.values.fail("requests", "a batch takes at most %d requests. Send the others in a batch of their own.", b.limits.Items)
	}
	b.values.place = fmt.Sprintf("requests.%d", b.n)
	raw, err := b.values.object()
	if err != nil {
		return err
	}
	customID, params, err := b.members(raw)
	if err != nil {
		return err
	}
	if err := b.item(b.n, customID, params); err != nil {
		return err
	}
	b.n++
	b.values.place = ""
	return nil
}

// members takes a request apart.
func (b *batchReader) members(raw []byte) (customID string, params []byte, err error) {
	var id, body gjson.Result
	gjson.ParseBytes(raw).ForEach(func(name, value gjson.Result) bool {
		member := &id
		switch name.Str {
		case "params":
			member = &body
		case "custom_id":
		default:
			return true
		}
		if member.Exists() {
			err = b.values.fail(name.Str, "it is there twice. Send one.")
			return false
		}
		*member = value
		return true
	})
	if err != nil {
		return "", nil, err
	}
	if err := b.checkID(id); err != nil {
		return "", nil, err
	}
	params = raw[body.Index : body.Index+len(body.Raw)]
	return id.Str, params, b.checkParams(body, params)
}

// checkID holds a custom_id against the API's rule, and against those before it.
func (b *batchReader) checkID(id gjson.Result) error {
	switch before, used := b.seen[id.Str]; {
	case !id.Exists():
		return b.values.fail("custom_id", "it is required. Give every request a name of its own, to find its result by.")
	case id.Type != gjson.String || !IsCustomID(id.Str):
		return b.values.fail("custom_id", "%.80s is none. Use 1 to 64 letters, digits, hyphens and underscores.", id.Raw)
	case used:
		return duplicate(b.n, id.Str, fmt.Sprintf("requests.%d", before))
	}
	b.seen[strings.Clone(id.Str)] = b.n // the text before it would be kept otherwise
	return nil
}

// DuplicateID is the error of a request whose custom_id the store has found to be another one's.
func DuplicateID(d *gateway.DuplicateItem) *gateway.Error {
	return duplicate(d.N, d.CustomID, "another request")
}

func duplicate(n int, customID, other string) *gateway.Error {
	return &gateway.Error{Code: gateway.Invalid, NoRetry: true, Message: fmt.Sprintf(
		"requests.%d.custom_id: %q is already that of %s. Give every request a name of its own.", n, customID, other)}
}

// IsCustomID reports whether the API takes s for the name of a batch's request.
func IsCustomID(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20 // letters in lower case
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 64
}

func (b *batchReader) checkParams(body gjson.Result, params []byte) error {
	if !body.Exists() {
		return b.values.fail("params", "it is required: the body of a request to the Messages API.")
	}
	request, err := jsonscan.Scan(params)
	if broken, ok := errors.AsType[*jsonscan.Error](err); ok {
		return b.values.fail("params", "%s. Send the body of a request to the Messages API.", broken.Reason)
	}
	if request.Stream {
		return b.values.fail("params.stream", "a batch has no streams. Leave stream out: the results are read when the batch has ended.")
	}
	return nil
}
