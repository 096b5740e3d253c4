package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestScanReadsTheTopLevelOnly(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		model  string
		stream bool
	}{
		"plain":                     {`{"model":"claude-opus-5-5","stream":true}`, "claude-opus-5-5", true},
		"stream last, as the CLI":   {`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}`, "m", true},
		"model last":                {`{"stream":false,"messages":[],"model":"m"}`, "m", false},
		"nested names are not ours": {`{"metadata":{"model":"x","stream":true},"model":"m"}`, "m", false},
		"names inside text":         {`{"messages":"say \"model\":\"x\" \\","model":"m"}`, "m", false},
		"escaped key":               {`{"mod\u0065l":"m"}`, "m", false},
		"escaped value":             {`{"model":"a\/b"}`, "a/b", false},
		"white space":               {" {\n\t\"model\" : \"m\" ,\r\n \"stream\" : true } \n", "m", true},
		"no model":                  {`{}`, "", false},
		"numbers and words":         {`{"a":-1.5e+3,"b":[true,false,null,{}],"model":"m","stream":null}`, "m", false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Scan([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if r.Model != c.model || r.Stream != c.stream {
				t.Errorf("got %q %v, want %q %v", r.Model, r.Stream, c.model, c.stream)
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                "",
		"an array":               `[]`,
		"a cut body":             `{"model":"m","messages":[{"role":"us`,
		"a missing brace":        `{"model":"m"`,
		"text behind it":         `{"model":"m"} {"model":"n"}`,
		"a model given twice":    `{"model":"cheap","model":"dear"}`,
		"… also in disguise":     `{"model":"cheap","mod\u0065l":"dear"}`,
		"a stream given twice":   `{"stream":true,"stream":false}`,
		"a model that is no str": `{"model":7}`,
		"a stream that is no bo": `{"stream":"yes"}`,
		"a trailing comma":       `{"model":"m",}`,
		"a bare word":            `{"model":m}`,
		"a broken number":        `{"a":1.}`,
		"mismatched brackets":    `{"a":[1}`,
		"nesting without end":    `{"a":` + strings.Repeat("[", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Scan([]byte(body))
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("got %v, want an *Error", err)
			}
		})
	}
}

func TestAThreadIsSeen(t *testing.T) {
	for body, want := range map[string]bool{
		`{"model":"m","thread":{"type":"create"}}`: true, `{"model":"m","thread":null}`: false, `{"model":"m","messages":[{"thread":1}]}`: false,
	} {
		if r, err := Scan([]byte(body)); err != nil || r.Threaded != want {
			t.Errorf("%s: %v %v", body, r.Threaded, err)
		}
	}
}

func TestSetModelChangesNothingElse(t *testing.T) {
	body := []byte(`{"x" : [1, 2.50],"model":"claude-opus-5-5" ,"text":"\u00e9 \"model\":\"claude-opus-5-5\"","stream":true}`)
	for _, model := range []string{"m", "claude-opus-5-5", strings.Repeat("long", 50), `quo"te`} {
		for _, spare := range []int{0, 512} {
			own := append(make([]byte, 0, len(body)+spare), body...)
			r, err := Scan(own)
			if err != nil {
				t.Fatal(err)
			}
			quoted, _ := json.Marshal(model)
			want := bytes.Replace(body, []byte(`"claude-opus-5-5" ,`), append(quoted, " ,"...), 1)
			got := r.SetModel(own, model)
			if !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if back := r.SetModel(got, "claude-opus-5-5"); !bytes.Equal(back, body) {
				t.Errorf("set back, it is %s", back)
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"model":"m","stream":true,"messages":[{"content":"a\"b\\"}]}`))
	f.Add([]byte(`{"a":{"b":[1,-2e3,null]},"model":"\u0041"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Scan(body)
		if !json.Valid(body) {
			return // we are laxer inside strings, never stricter on the outside
		}
		var top map[string]json.RawMessage
		if json.Unmarshal(body, &top) != nil {
			return
		}
		if err != nil {
			return // duplicates, wrong types and depth are refused on purpose
		}
		var model string
		if raw, ok := top["model"]; ok && json.Unmarshal(raw, &model) == nil && model != r.Model {
			t.Errorf("model %q, encoding/json says %q", r.Model, model)
		}
	})
}

func BenchmarkScan200KB(b *testing.B) {
	line := `func main() {\n\tfmt.Println(\"a line of code as a prompt holds it, %d\", i)\n}\n`
	body := []byte(`{"model":"claude-opus-5-5","messages":[{"role":"user","content":"` + strings.Repeat(line, 200<<10/len(line)) + `"}],"stream":true}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := Scan(body); err != nil {
			b.Fatal(err)
		}
	}
}
