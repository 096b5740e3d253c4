package openai

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestReadBatchRequest(t *testing.T) {
	pairs := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"key %d":"v"`, i))
		}
		return `{` + strings.Join(all, ",") + `}`
	}
	base := `"input_file_id":"file-0198c8f27e117c3a8b1d000000000002","completion_window":"24h"`
	for name, body := range map[string]string{
		"chat":                     `{` + base + `,"endpoint":"/v1/chat/completions"}`,
		"embeddings":               `{` + base + `,"endpoint":"/v1/embeddings","metadata":null}`,
		"responses":                `{` + base + `,"endpoint":"/v1/responses","metadata":{},"output_expires_after":null}`,
		"the most metadata":        `{` + base + `,"endpoint":"/v1/responses","metadata":` + pairs(16) + `}`,
		"the longest metadata":     `{` + base + `,"endpoint":"/v1/responses","metadata":{"` + strings.Repeat("é", 64) + `":"` + strings.Repeat("é", 512) + `"}}`,
		"members it does not know": `{` + base + `,"endpoint":"/v1/responses","future":[{}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ReadBatchRequest([]byte(body))
			if err != nil || r.InputFile != anID("2") || !strings.Contains(body, `"`+r.Endpoint.Path()+`"`) {
				t.Errorf("%+v %v", r, err)
			}
		})
	}

	for name, c := range map[string]struct{ body, want string }{
		"nothing":               {``, "body: it is no JSON object. Send one with"},
		"no object":             {`[]`, "body: it is no JSON object"},
		"a cut object":          {`{` + base, "body: it is no JSON object"},
		"no file":               {`{"endpoint":"/v1/responses","completion_window":"24h"}`, `input_file_id: "" is no file of this gateway. Upload`},
		"another's file":        {`{"input_file_id":"file-abc","endpoint":"/v1/responses","completion_window":"24h"}`, `input_file_id: "file-abc" is no file`},
		"a file that is a num":  {`{"input_file_id":7}`, "input_file_id: this is of the type number. Use a string."},
		"no endpoint":           {`{` + base + `}`, `endpoint: "" takes no batches. Use`},
		"another endpoint":      {`{` + base + `,"endpoint":"/v1/moderations"}`, `endpoint: "/v1/moderations" takes no batches`},
		"the other dialect":     {`{` + base + `,"endpoint":"/v1/messages"}`, `endpoint: "/v1/messages" takes no batches`},
		"another window":        {`{"input_file_id":"file-0198c8f27e117c3a8b1d000000000002","endpoint":"/v1/responses","completion_window":"7d"}`, `completion_window: "7d" cannot be had. Use "24h".`},
		"an expiry":             {`{` + base + `,"endpoint":"/v1/responses","output_expires_after":{"anchor":"created_at","seconds":3600}}`, "output_expires_after: this gateway keeps"},
		"metadata as a list":    {`{` + base + `,"endpoint":"/v1/responses","metadata":["a"]}`, "metadata: this is of the type array. Use an object whose values are strings."},
		"metadata with numbers": {`{` + base + `,"endpoint":"/v1/responses","metadata":{"a":1}}`, "metadata: this is of the type number. Use an object whose values are strings."},
		"too much metadata":     {`{` + base + `,"endpoint":"/v1/responses","metadata":` + pairs(17) + `}`, "metadata: it has 17 pairs. Use at most 16."},
		"a key too long":        {`{` + base + `,"endpoint":"/v1/responses","metadata":{"` + strings.Repeat("k", 65) + `":""}}`, "metadata: the key"},
		"an empty key":          {`{` + base + `,"endpoint":"/v1/responses","metadata":{"":""}}`, `metadata: the key "" is none`},
		"a value too long":      {`{` + base + `,"endpoint":"/v1/responses","metadata":{"k":"` + strings.Repeat("v", 513) + `"}}`, `metadata: the value of "k" is none`},
		"a value with a NUL":    {`{` + base + `,"endpoint":"/v1/responses","metadata":{"k":"a\u0000"}}`, `metadata: the value of "k" is none`},
		"a key that is half":    {`{` + base + `,"endpoint":"/v1/responses","metadata":{"\ud800":"v"}}`, "metadata: the key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadBatchRequest([]byte(c.body))
			refused, ok := errors.AsType[*gateway.Error](err)
			if !ok || refused.Code != gateway.Invalid || !refused.NoRetry || !strings.HasPrefix(refused.Message, c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestMetadataIsKeptAsItIs(t *testing.T) {
	r, err := ReadBatchRequest([]byte(`{"input_file_id":"file-0198c8f27e117c3a8b1d000000000002","completion_window":"24h","endpoint":"/v1/embeddings","metadata":{"a":"<1>","é\n":""}}`))
	if err != nil || !maps.Equal(r.Metadata, map[string]string{"a": "<1>", "é\n": ""}) || r.Endpoint != gateway.Embeddings {
		t.Errorf("%+v %v", r, err)
	}
}

func TestEveryPathOfBatchesLeadsBack(t *testing.T) {
	for _, e := range []gateway.Endpoint{gateway.Messages, gateway.Chat, gateway.Responses, gateway.Embeddings} {
		if got, ok := ParseEndpoint(e.Path()); !ok || got != e {
			t.Errorf("%s: %s", e, got)
		}
	}
	for _, path := range []string{"", "/v1/messages/count_tokens", "/v1/messages/", "v1/messages"} {
		if e, ok := ParseEndpoint(path); ok {
			t.Errorf("%q is taken for %s", path, e)
		}
	}
}
