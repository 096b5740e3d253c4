package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// wide are limits that nothing small meets.
func wide() BatchLimits { return BatchLimits{Items: 1000, ItemBytes: 1 << 20} }

type readItem struct{ id, params string }

func readAll(r io.Reader, limits BatchLimits) (items []readItem, err error) {
	n, err := ReadBatch(r, limits, func(n int, customID string, params []byte) error {
		if n != len(items) {
			return fmt.Errorf("item %d is called %d", len(items), n)
		}
		items = append(items, readItem{customID, string(params)})
		return nil
	})
	if n != len(items) {
		err = fmt.Errorf("%d of %d items: %w", n, len(items), err)
	}
	return items, err
}

// shaped are bodies that say the same thing.
func shaped() map[string]string {
	a := `{"model":"m", "messages":[{"role":"user","content":"say \"}]\\\" \\"}],"n":1.50}`
	return map[string]string{
		"plain":                `{"requests":[{"custom_id":"a","params":` + a + `},{"custom_id":"b_-9","params":{}}]}`,
		"params first":         `{"requests":[{"params":` + a + `,"custom_id":"a"},{"params":{},"custom_id":"b_-9"}]}`,
		"white space":          "\r\n{ \"requests\" :\t[ {\"custom_id\" : \"a\" , \"params\" : " + a + " } ,\n{\"custom_id\":\"b_-9\",\"params\":{} } ] }\n \n",
		"escapes in names":     `{"request\u0073":[{"custom\u005fid":"\u0061","params":` + a + `},{"custom_id":"b_-9","par\u0061ms":{}}]}`,
		"unknown members":      `{"v":-1e3,"w":[{"requests":[{}]},"]"],"requests":[{"custom_id":"a","tags":["x"],"params":` + a + `},{"custom_id":"b_-9","params":{},"z":null}],"x":"\\","y":true}`,
		"its own names inside": `{"requests":[{"note":{"custom_id":"x","params":1},"custom_id":"a","params":` + a + `},{"custom_id":"b_-9","params":{}}]}`,
	}
}

func shapedItems() []readItem {
	return []readItem{{"a", `{"model":"m", "messages":[{"role":"user","content":"say \"}]\\\" \\"}],"n":1.50}`}, {"b_-9", `{}`}}
}

func TestReadBatchHandsTheRequestsOver(t *testing.T) {
	for name, body := range shaped() {
		for how, r := range map[string]io.Reader{
			"at once":              strings.NewReader(body),
			"byte by byte":         iotest.OneByteReader(strings.NewReader(body)),
			"in halves":            iotest.HalfReader(strings.NewReader(body)),
			"with its end":         iotest.DataErrReader(strings.NewReader(body)),
			"with reads of naught": &stutterer{r: strings.NewReader(body), every: maxIdle},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				if items, err := readAll(r, wide()); err != nil || !slices.Equal(items, shapedItems()) {
					t.Errorf("%q %v", items, err)
				}
			})
		}
	}
}

// stutterer gives nothing with most reads, and one byte with the others.
type stutterer struct {
	r            io.Reader
	every, reads int
}

func (s *stutterer) Read(p []byte) (int, error) {
	if s.reads++; s.reads%s.every != 0 {
		return 0, nil
	}
	return s.r.Read(p[:1])
}

func TestABodyThatIsCutAnywhereIsRefused(t *testing.T) {
	for name, body := range shaped() {
		body = strings.TrimRight(body, " \n")
		for at := range len(body) {
			items, err := readAll(strings.NewReader(body[:at]), wide())
			refused, ok := errors.AsType[*gateway.Error](err)
			if !ok || refused.Code != gateway.Invalid || !strings.Contains(err.Error(), fmt.Sprintf("at byte %d of the body: it ends too early", at)) {
				t.Fatalf("%s, cut at %d: %v", name, at, err)
			}
			if !slices.Equal(items, shapedItems()[:len(items)]) {
				t.Fatalf("%s, cut at %d: %q", name, at, items)
			}
		}
	}
}

func TestAReadThatFailsIsNoMistakeOfTheBody(t *testing.T) {
	gone := errors.New("the client is gone")
	for name, body := range shaped() {
		for at := range len(body) {
			for _, r := range []io.Reader{
				io.MultiReader(strings.NewReader(body[:at]), iotest.ErrReader(gone)),
				iotest.DataErrReader(io.MultiReader(strings.NewReader(body[:at]), iotest.ErrReader(gone))),
			} {
				_, err := readAll(r, wide())
				if _, mistake := errors.AsType[*gateway.Error](err); !errors.Is(err, gone) || mistake {
					t.Fatalf("%s, cut at %d: %v", name, at, err)
				}
			}
		}
	}
	for _, body := range []string{"", `{"requests":[{"cust`} {
		if _, err := readAll(io.MultiReader(strings.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF)), wide()); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a broken connection: %v", err)
		}
	}
	if _, err := readAll(&stutterer{r: strings.NewReader(shaped()["plain"]), every: maxIdle + 1}, wide()); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

func TestReadBatchNamesTheMistake(t *testing.T) {
	before := `{"requests":[{"custom_id":"a","params":{}},` // 43 bytes
	limits := BatchLimits{Items: 3, ItemBytes: 100}
	for name, c := range map[string]struct{ body, want string }{
		"nothing":                     {``, "body: the JSON is broken at byte 0 of the body: it ends too early."},
		"no object":                   {`["requests"]`, "body: the JSON is broken at byte 0 of the body: { is expected."},
		"no requests":                 {`{}`, "requests: a batch needs one request at least"},
		"an empty list":               {`{"requests":[]}`, "requests: a batch needs one request at least"},
		"no list":                     {`{"requests":{}}`, "byte 12 of the body: [ is expected"},
		"the list twice":              {`{"requests":[],"requests":[{"custom_id":"a","params":{}}]}`, "requests: the list is there twice"},
		"the list twice in disguise":  {`{"requests":[],"request\u0073":[]}`, "requests: the list is there twice"},
		"a request that is none":      {before + `7]}`, "requests.1: the JSON is broken at byte 43 of the body: an object is expected"},
		"a comma too many":            {before + `]}`, "requests.1: the JSON is broken at byte 43 of the body: an object is expected"},
		"no comma":                    {strings.TrimSuffix(before, ",") + ` {}]}`, "body: the JSON is broken at byte 43 of the body: a comma or ] is expected"},
		"a broken request":            {before + `{"custom_id":"b","params":{"a":tru}}]}`, "requests.1: the JSON is broken at byte 74 of the body: a value is expected"},
		"mismatched brackets":         {before + `{"custom_id":"b","params":{"a":[}]}]}`, "requests.1: the JSON is broken at byte 75 of the body"},
		"a broken name":               {`{"req\u00":[]}`, "byte 1 of the body: a name is malformed"},
		"no name":                     {`{requests:[]}`, "byte 1 of the body: a name in quotes is expected"},
		"no colon":                    {`{"requests"[]}`, "byte 11 of the body: : is expected"},
		"a broken unknown member":     {`{"x":1.,"requests":[]}`, "byte 5 of the body: a value is malformed"},
		"an unknown member unsaid":    {`{"x":,"requests":[]}`, "byte 5 of the body: a value is malformed"},
		"an unknown member too large": {`{"x":"` + strings.Repeat("x", 100) + `","requests":[]}`, "body: it has more than the 100 bytes"},
		"something behind it":         {before + `{"custom_id":"b","params":{}}]} {}`, "body: the JSON is broken at byte 75 of the body: there is something behind the JSON object"},
		"a second list behind it":     {`{"requests":[{"custom_id":"a","params":{}}],}`, "a name in quotes is expected"},
		"no custom_id":                {before + `{"params":{}}]}`, "requests.1.custom_id: it is required"},
		"an empty custom_id":          {before + `{"custom_id":"","params":{}}]}`, `requests.1.custom_id: "" is none. Use 1 to 64`},
		"a custom_id of 65":           {before + `{"custom_id":"` + strings.Repeat("x", 65) + `","params":{}}]}`, "requests.1.custom_id: \"xxx"},
		"a custom_id with a space":    {before + `{"custom_id":"a b","params":{}}]}`, `requests.1.custom_id: "a b" is none`},
		"a custom_id with an at sign": {before + `{"custom_id":"a@b","params":{}}]}`, `requests.1.custom_id: "a@b" is none`},
		"a custom_id with an é":       {before + `{"custom_id":"é","params":{}}]}`, `requests.1.custom_id: "é" is none`},
		"a custom_id with a NUL":      {before + `{"custom_id":"\u0000","params":{}}]}`, `requests.1.custom_id: "\u0000" is none`},
		"a custom_id that is null":    {before + `{"custom_id":null,"params":{}}]}`, "requests.1.custom_id: null is none"},
		"a custom_id that is a num":   {before + `{"custom_id":7,"params":{}}]}`, "requests.1.custom_id: 7 is none"},
		"a custom_id twice":           {before + `{"custom_id":"b","params":{},"custom_id":"c"}]}`, "requests.1.custom_id: it is there twice"},
		"another's custom_id":         {before + `{"custom_id":"b","params":{}},{"custom_id":"a","params":{}}]}`, `requests.2.custom_id: "a" is already that of requests.0. Give every`},
		"no params":                   {before + `{"custom_id":"b"}]}`, "requests.1.params: it is required"},
		"params that are none":        {before + `{"custom_id":"b","params":[]}]}`, "requests.1.params: the body is not a JSON object"},
		"params that are null":        {before + `{"custom_id":"b","params":null}]}`, "requests.1.params: the body is not a JSON object"},
		"params twice":                {before + `{"custom_id":"b","params":{},"params":{}}]}`, "requests.1.params: it is there twice"},
		"a stream":                    {before + `{"custom_id":"b","params":{"stream":true}}]}`, "requests.1.params.stream: a batch has no streams"},
		"two models":                  {before + `{"custom_id":"b","params":{"model":"a","model":"b"}}]}`, "requests.1.params: model must be one string"},
		"a request too large":         {before + `{"custom_id":"b","params":{"x":"` + strings.Repeat("x", 70) + `"}}]}`, "requests.1: it has more than the 100 bytes"},
		"a request without an end":    {before + `{"custom_id":"b","params":{"x":"` + strings.Repeat("x", 1<<20), "requests.1: it has more than the 100 bytes"},
		"a request too many":          {before + `{"custom_id":"b","params":{}},{"custom_id":"c","params":{}},{"custom_id":"d","params":{}}]}`, "requests: a batch takes at most 3 requests"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(c.body), limits)
			refused, ok := errors.AsType[*gateway.Error](err)
			if !ok || refused.Code != gateway.Invalid || !refused.NoRetry || !strings.Contains(refused.Message, c.want) || !strings.HasSuffix(refused.Message, ".") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestADuplicateOfTheStoreIsWordedAsOneOfTheBody(t *testing.T) {
	err := DuplicateID(&gateway.DuplicateItem{N: 7, CustomID: "a"})
	want := `requests.7.custom_id: "a" is already that of another request. Give every request a name of its own.`
	if err.Code != gateway.Invalid || !err.NoRetry || err.Message != want {
		t.Errorf("%+v", err)
	}
}

func TestALimitIsWhatMayBe(t *testing.T) {
	request := func(id string, size int) string {
		return `{"custom_id":"` + id + `","params":{"x":"` + strings.Repeat("x", size-34-len(id)) + `"}}`
	}
	limits := BatchLimits{Items: 3, ItemBytes: 100}
	body := `{"requests":[` + request(strings.Repeat("Az09-_z_", 8), 100) + `,` + request("b", 100) + `,` + request("c", 99) + `]}`
	if items, err := readAll(strings.NewReader(body), limits); err != nil || len(items) != 3 {
		t.Errorf("%d items, %v", len(items), err)
	}
	body = `{"requests":[` + request("a", 101) + `]}`
	if _, err := readAll(strings.NewReader(body), limits); err == nil || !strings.Contains(err.Error(), "requests.0: it has more than the 100 bytes") {
		t.Errorf("a byte too many: %v", err)
	}
}

func TestAMistakeIsFoundFarBehind(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"requests":[`)
	for i := range 700 {
		fmt.Fprintf(&body, `{"custom_id":"%d","params":{"x":"%s"}},`, i, strings.Repeat(`\\\"`, i))
	}
	want := fmt.Sprintf("requests.700: the JSON is broken at byte %d of the body: a value is expected", body.Len()+len(`{"a":`))
	body.WriteString(`{"a":?}]}`)
	for how, r := range map[string]io.Reader{
		"at once":   strings.NewReader(body.String()),
		"in pieces": &stepper{[]byte(body.String()), 1000},
	} {
		if items, err := readAll(r, wide()); len(items) != 700 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d items, %v, want %s", how, len(items), err, want)
		}
	}
}

func TestNestingWithoutEndIsRefused(t *testing.T) {
	deep := strings.Repeat("[", 100<<10) + strings.Repeat("]", 100<<10)
	for body, want := range map[string]string{
		`{"requests":[{"custom_id":"a","params":{"x":` + deep + `}}]}`: "requests.0: the JSON is broken at byte 554 of the body: the JSON is nested too deeply",
		`{"x":` + deep + `,"requests":[]}`:                             "byte 5 of the body: a value is malformed",
	} {
		if _, err := readAll(strings.NewReader(body), wide()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestARequestIsHandedOverBeforeTheNextIsRead(t *testing.T) {
	body, client := io.Pipe()
	taken := make(chan struct{})
	go func() {
		_, _ = io.WriteString(client, `{"requests":[`)
		for i := range 5 {
			if i > 0 {
				_, _ = io.WriteString(client, ",")
			}
			_, _ = fmt.Fprintf(client, `{"custom_id":"%d","params":{}}`, i)
			<-taken
		}
		_, _ = io.WriteString(client, "]}")
		_ = client.Close()
	}()
	n, err := ReadBatch(body, wide(), func(int, string, []byte) error {
		taken <- struct{}{}
		return nil
	})
	if n != 5 || err != nil {
		t.Errorf("%d %v", n, err)
	}
}

func TestAnErrorOfTheTakerEndsTheReading(t *testing.T) {
	full := errors.New("the database is away")
	n, err := ReadBatch(strings.NewReader(shaped()["plain"]), wide(), func(n int, _ string, _ []byte) error {
		if n == 1 {
			return full
		}
		return nil
	})
	if n != 1 || err != full { //nolint:errorlint // as it is, without a chain
		t.Errorf("%d %v", n, err)
	}
}

func FuzzReadBatch(f *testing.F) {
	for _, body := range shaped() {
		f.Add([]byte(body), uint8(3))
	}
	f.Add([]byte(`{"requests":[{"custom_id":"a","params":{"stream":true}}]}`), uint8(1))
	f.Add([]byte(`{"a":1"b","requests":[{"custom_id":"a","params":{"a":"\q"}}]}`), uint8(200))
	f.Fuzz(func(t *testing.T, body []byte, step uint8) {
		limits := BatchLimits{Items: 10, ItemBytes: 1000}
		items, err := readAll(bytes.NewReader(body), limits)
		again, errAgain := readAll(&stepper{body, int(step)}, limits)
		if !slices.Equal(items, again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("%q %v at once, %q %v in steps of %d", items, err, again, errAgain, step)
		}
		if err != nil || !json.Valid(body) {
			return // strings are not looked into: whether an escape is a good one is for the backend to say
		}
		var top map[string]json.RawMessage
		var requests []map[string]json.RawMessage
		if json.Unmarshal(body, &top) != nil || json.Unmarshal(top["requests"], &requests) != nil || len(requests) != len(items) {
			t.Fatalf("%d items of %s", len(items), body)
		}
		for i, want := range requests {
			var id string
			if json.Unmarshal(want["custom_id"], &id) != nil || id != items[i].id || string(want["params"]) != items[i].params {
				t.Errorf("%d: %q, encoding/json says %s", i, items[i], want)
			}
		}
	})
}

// stepper reads a few bytes at a time.
type stepper struct {
	rest []byte
	step int
}

func (s *stepper) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step+1)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func BenchmarkReadBatch(b *testing.B) {
	for name, size := range map[string]int{"items of 2 KB": 2 << 10, "items of 200 KB": 200 << 10} {
		b.Run(name, func(b *testing.B) {
			line := `func main() {\n\tfmt.Println(\"a line of code as a prompt holds it, %d\", i)\n}\n`
			params := `{"model":"claude-opus-5-5","max_tokens":1024,"messages":[{"role":"user","content":"` + strings.Repeat(line, size/len(line)) + `"}]}`
			var body bytes.Buffer
			body.WriteString(`{"requests":[{"custom_id":"first","params":{}}`)
			for i := 0; body.Len() < 32<<20; i++ {
				fmt.Fprintf(&body, `,{"custom_id":"request-%d","params":%s}`, i, params)
			}
			body.WriteString("]}")
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				_, err := ReadBatch(bytes.NewReader(body.Bytes()), BatchLimits{1 << 20, 32 << 20}, func(int, string, []byte) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
