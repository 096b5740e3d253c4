package openai

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestReadLine(t *testing.T) {
	const body = `{"model":"m", "n":1.50,"input":"\"}\\", "stream":false}`
	for name, c := range map[string]struct {
		line string
		e    gateway.Endpoint
		id   string
	}{
		"chat":                       {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":` + body + `}`, gateway.Chat, "a"},
		"embeddings":                 {`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":` + body + `}`, gateway.Embeddings, "a"},
		"responses":                  {`{"custom_id":"a","method":"POST","url":"/v1/responses","body":` + body + `}`, gateway.Responses, "a"},
		"messages":                   {`{"custom_id":"a","method":"POST","url":"/v1/messages","body":` + body + `}`, gateway.Messages, "a"},
		"messages as params":         {`{"custom_id":"a","params":` + body + `}`, gateway.Messages, "a"},
		"another order":              {" {\t\"body\" : " + body + `, "url":"/v1/responses", "method":"POST","custom_id":"a"} `, gateway.Responses, "a"},
		"escapes":                    {`{"custom\u005fid":"\u0061","method":"\u0050OST","url":"\/v1\/responses","b\u006fdy":` + body + `}`, gateway.Responses, "a"},
		"members it does not know":   {`{"x":{"body":1},"custom_id":"a","method":"POST","url":"/v1/responses","params":[],"body":` + body + `}`, gateway.Responses, "a"},
		"a custom_id of any kind":    {`{"custom_id":"Zeile 7: <é>","method":"POST","url":"/v1/responses","body":` + body + `}`, gateway.Responses, "Zeile 7: <é>"},
		"the longest custom_id":      {`{"custom_id":"` + strings.Repeat("é", 512) + `","method":"POST","url":"/v1/responses","body":` + body + `}`, gateway.Responses, strings.Repeat("é", 512)},
		"params that count for none": {`{"custom_id":"a","method":"POST","url":"/v1/messages","body":` + body + `,"params":7}`, gateway.Messages, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			id, got, mistake := ReadLine([]byte(c.line), c.e)
			if mistake != nil || id != c.id || string(got) != body {
				t.Errorf("%q %s %+v", id, got, mistake)
			}
		})
	}
}

func TestReadLineNamesTheMistake(t *testing.T) {
	for name, c := range map[string]struct{ line, code, param, message string }{
		"no JSON":                    {`hello`, "invalid_json_line", "", "This line is no JSON object: the body is not a JSON object, at byte 0 of the line. Write"},
		"a cut line":                 {`{"custom_id":"a","method":"POST","url":"/v1/ch`, "invalid_json_line", "", "a string does not end, at byte 46 of the line"},
		"an array":                   {`[{"custom_id":"a"}]`, "invalid_json_line", "", "is not a JSON object"},
		"two objects":                {`{} {}`, "invalid_json_line", "", "at byte 3 of the line"},
		"nesting without end":        {`{"body":` + strings.Repeat("[", 1<<20), "invalid_json_line", "", "nested too deeply"},
		"no custom_id":               {`{"method":"POST","url":"/v1/chat/completions","body":{}}`, "missing_required_parameter", "custom_id", "This line has no custom_id, which is required."},
		"an empty custom_id":         {`{"custom_id":"","method":"POST","url":"/v1/chat/completions","body":{}}`, "invalid_custom_id", "custom_id", `"" is no custom_id. Use 1 to 512`},
		"a custom_id too long":       {`{"custom_id":"` + strings.Repeat("x", 513) + `","method":"POST","url":"/v1/chat/completions","body":{}}`, "invalid_custom_id", "custom_id", "is no custom_id"},
		"a custom_id of a number":    {`{"custom_id":7,"method":"POST","url":"/v1/chat/completions","body":{}}`, "invalid_custom_id", "custom_id", "7 is no custom_id"},
		"a custom_id of null":        {`{"custom_id":null,"method":"POST","url":"/v1/chat/completions","body":{}}`, "invalid_custom_id", "custom_id", "null is no custom_id"},
		"a custom_id with a NUL":     {`{"custom_id":"a\u0000","method":"POST","url":"/v1/chat/completions","body":{}}`, "invalid_custom_id", "custom_id", "is no custom_id"},
		"half a character":           {`{"custom_id":"\ud83d","method":"POST","url":"/v1/chat/completions","body":{}}`, "invalid_custom_id", "custom_id", "is no custom_id"},
		"bytes of no character":      {"{\"custom_id\":\"\xff\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{}}", "invalid_custom_id", "custom_id", "is no custom_id"},
		"an escape that is none":     {`{"custom_id":"\q","method":"POST","url":"/v1/chat/completions","body":{}}`, "invalid_custom_id", "custom_id", "is no custom_id"},
		"two custom_ids":             {`{"custom_id":"a","custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{}}`, "invalid_json_line", "custom_id", "custom_id is there twice. Write it once."},
		"two bodies":                 {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{},"body":{}}`, "invalid_json_line", "body", "body is there twice"},
		"no method":                  {`{"custom_id":"a","url":"/v1/chat/completions","body":{}}`, "missing_required_parameter", "method", "This line has no method"},
		"another method":             {`{"custom_id":"a","method":"GET","url":"/v1/chat/completions","body":{}}`, "invalid_method", "method", `"GET" is no method of a batch. Use "POST".`},
		"a method of no text":        {`{"custom_id":"a","method":["POST"],"url":"/v1/chat/completions","body":{}}`, "invalid_method", "method", `["POST"] is no method`},
		"no url":                     {`{"custom_id":"a","method":"POST","body":{}}`, "missing_required_parameter", "url", "This line has no url"},
		"an unknown url":             {`{"custom_id":"a","method":"POST","url":"/v1/completions","body":{}}`, "invalid_url", "url", `"/v1/completions" is not the endpoint of this batch. Use "/v1/chat/completions"`},
		"the url of another batch":   {`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{}}`, "url_mismatch", "url", `"/v1/embeddings" is not the endpoint of this batch. Use "/v1/chat/completions"`},
		"a url of no text":           {`{"custom_id":"a","method":"POST","url":7,"body":{}}`, "invalid_url", "url", "7 is not the endpoint"},
		"no body":                    {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions"}`, "missing_required_parameter", "body", "This line has no body"},
		"a body that is no object":   {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":"{}"}`, "invalid_request", "body", "body: the body is not a JSON object. Write"},
		"a body that is null":        {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":null}`, "invalid_request", "body", "body: the body is not a JSON object"},
		"a body with two models":     {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"a","model":"b"}}`, "invalid_request", "body", "body: model must be one string"},
		"a stream":                   {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"stream":true}}`, "invalid_request", "body.stream", "A batch has no streams. Leave stream out"},
		"a line of Anthropic's":      {`{"custom_id":"a","params":{}}`, "missing_required_parameter", "method", "This line has no method"},
		"a long value is not quoted": {`{"custom_id":"a","method":"` + strings.Repeat("x", 1000) + `","url":"","body":{}}`, "invalid_method", "method", strings.Repeat("x", 79) + " is no method"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, mistake := ReadLine([]byte(c.line), gateway.Chat)
			if mistake == nil || mistake.Code != c.code || mistake.Param != c.param || mistake.Line != 0 || !strings.Contains(mistake.Message, c.message) {
				t.Errorf("got  %+v\nwant %+v", mistake, c)
			}
		})
	}
}

func TestLinesOfMessagesHaveTheirOwnMistakes(t *testing.T) {
	for name, c := range map[string]struct{ line, code, param string }{
		"params that are none":   {`{"custom_id":"a","params":[]}`, "invalid_request", "params"},
		"a stream in params":     {`{"custom_id":"a","params":{"stream":true}}`, "invalid_request", "params.stream"},
		"no params and no body":  {`{"custom_id":"a"}`, "missing_required_parameter", "params"},
		"the url of chat":        {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}`, "url_mismatch", "url"},
		"params twice":           {`{"custom_id":"a","params":{},"params":{}}`, "invalid_json_line", "params"},
		"params, but a POST too": {`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{},"params":{}}`, "url_mismatch", "url"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, mistake := ReadLine([]byte(c.line), gateway.Messages); mistake == nil || mistake.Code != c.code || mistake.Param != c.param {
				t.Errorf("got %+v, want %+v", mistake, c)
			}
		})
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add([]byte(`{"custom_id":"a","method":"POST","url":"/v1/messages","body":{"a":"\"}"}}`))
	f.Add([]byte(`{"custom\u005fid":"\u0061","params":{"stream":true}} `))
	f.Add([]byte(`{"custom_id":"\q","params":{"a":[1.5e3,null]},"params":7}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, body, mistake := ReadLine(text, gateway.Messages)
		if mistake != nil {
			if mistake.Code == "" || mistake.Message == "" {
				t.Errorf("%+v", mistake)
			}
			return
		}
		if !json.Valid(text) {
			return // strings are not looked into: whether an escape is a good one is for the backend to say
		}
		var want map[string]json.RawMessage
		var name string
		if err := json.Unmarshal(text, &want); err != nil || json.Unmarshal(want["custom_id"], &name) != nil || name != id {
			t.Errorf("custom_id %q of %s", id, text)
		}
		if string(body) != string(want["body"]) && string(body) != string(want["params"]) {
			t.Errorf("body %s of %s", body, text)
		}
	})
}

func BenchmarkReadLine(b *testing.B) {
	for name, size := range map[string]int{"lines of 2 KB": 2 << 10, "lines of 200 KB": 200 << 10} {
		b.Run(name, func(b *testing.B) {
			prompt := `func main() {\n\tfmt.Println(\"a line of code as a prompt holds it, %d\", i)\n}\n`
			text := fmt.Appendf(nil, `{"custom_id":"request-1","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"%s"}]}}`,
				strings.Repeat(prompt, size/len(prompt)))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, mistake := ReadLine(text, gateway.Chat); mistake != nil {
					b.Fatal(mistake)
				}
			}
		})
	}
}
