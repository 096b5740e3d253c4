package backend

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestMembersAreTakenOutAndPutInAndTheRestStays(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		without []string
		head    string
		want    string
	}{
		"nothing to do":               {`{"a":1}`, nil, "", `{"a":1}`},
		"nothing to be found":         {`{"a" : 1}`, []string{"b", "a.c", "a.*.c"}, "", `{"a" : 1}`},
		"the first":                   {`{"a":1, "b":2}`, []string{"a"}, "", `{"b":2}`},
		"the last":                    {`{"a":1, "b":2 }`, []string{"b"}, "", `{"a":1 }`},
		"one in the middle":           {`{"a":1, "b":{"x":[1,"}"]} , "c":2}`, []string{"b"}, "", `{"a":1, "c":2}`},
		"the last two":                {`{"a":1,"b":2,"c":3}`, []string{"b", "c"}, "", `{"a":1}`},
		"first and last":              {`{"a":1,"b":2,"c":3}`, []string{"a", "c"}, "", `{"b":2}`},
		"all of them":                 {`{"a":1,"b":2}`, []string{"a", "b"}, "", `{}`},
		"all, for others":             {`{"a":1,"b":2}`, []string{"a", "b"}, `"x":9`, `{"x":9}`},
		"put in before the others":    {` { "a":1}`, nil, `"x":9`, ` {"x":9, "a":1}`},
		"put into nothing":            {`{ }`, nil, `"x":9`, `{"x":9 }`},
		"further in":                  {`{"o":{"e":1,"f":2},"z":0}`, []string{"o.e"}, "", `{"o":{"f":2},"z":0}`},
		"all of what is further in":   {`{"a":0,"o":{"e":1}}`, []string{"o.e"}, "", `{"a":0}`},
		"what was empty before stays": {`{"o":{},"z":0}`, []string{"o.e"}, "", `{"o":{},"z":0}`},
		"in every element":            {`{"t":[{"d":true,"n":1},{"n":2},{"d":1},3]}`, []string{"t.*.d"}, "", `{"t":[{"n":1},{"n":2},{},3]}`},
		"an object where a list is":   {`{"t":{"d":1}}`, []string{"t.*.d"}, "", `{"t":{"d":1}}`},
		"text where a list is":        {`{"m":[{"c":"d"},{"c":[{"d":1,"e":2}]}]}`, []string{"m.*.c.*.d"}, "", `{"m":[{"c":"d"},{"c":[{"e":2}]}]}`},
		"names inside text":           {`{"m":"\"a\":1,\\","a":1}`, []string{"a"}, "", `{"m":"\"a\":1,\\"}`},
		"a name in disguise":          {`{"\u0061":1,"b":2}`, []string{"a"}, "", `{"b":2}`},
		"the whole before a part":     {`{"o":{"e":1,"f":2},"z":0}`, []string{"o", "o.e"}, "", `{"z":0}`},
		"a part before the whole":     {`{"o":{"e":1,"f":2},"z":0}`, []string{"o.e", "o"}, "", `{"z":0}`},
	} {
		t.Run(name, func(t *testing.T) {
			var pool Pool
			b := body(t, &pool, c.body)
			got := b.Hold().edit(c.without, c.head)
			if string(got.Bytes()) != c.want {
				t.Errorf("got  %s\nwant %s", got.Bytes(), c.want)
			}
			got.Release()
			if string(b.Bytes()) != c.body || b.held.Load() != 1 {
				t.Errorf("the body others hold is %s, with %d holders", b.Bytes(), b.held.Load())
			}
		})
	}
}

func TestABodyIsEditedWhileOthersReadIt(t *testing.T) {
	text := `{"model":"m","messages":"` + strings.Repeat("x", 100<<10) + `","stream":true}`
	var pool Pool
	b := body(t, &pool, text)
	var all sync.WaitGroup
	for range 8 {
		b.Hold()
		all.Go(func() {
			e := b.edit([]string{"model"}, `"v":1`)
			defer e.Release()
			if got, _ := io.ReadAll(bytes.NewReader(e.Bytes())); string(got) != strings.Replace(text, `"model":"m"`, `"v":1`, 1) {
				t.Errorf("got %.60s…", got)
			}
		})
	}
	all.Wait()
	if string(b.Bytes()) != text || b.held.Load() != 1 {
		t.Errorf("the body changed, or has %d holders", b.held.Load())
	}
}

// without is what edit does, told with encoding/json.
func without(v any, path []string) (gone bool) {
	switch v := v.(type) {
	case map[string]any:
		inner, ok := v[path[0]]
		if ok && (len(path) == 1 || without(inner, path[1:])) {
			delete(v, path[0])
			return len(v) == 0
		}
	case []any:
		for _, element := range v {
			if path[0] == "*" && len(path) > 1 {
				without(element, path[1:])
			}
		}
	}
	return false
}

func FuzzEdit(f *testing.F) {
	f.Add([]byte(`{"model":"m","tools":[{"d":1,"n":{"d":2}}],"o":{"e":[1,{"d":"\\\""}]}}`))
	f.Add([]byte(` { "o" : { "e" : null } , "model" : 1.5e3 } `))
	f.Add([]byte(`{"o":{"e":{"d":1}},"tools":[[],{},"x"]`))
	paths := []string{"model", "o.e", "tools.*.d"}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := NewBody(text).edit(paths, "").Bytes() // of anything: no panic
		var want, have map[string]any
		if json.Unmarshal(text, &want) != nil || want == nil || duplicates(text) {
			return
		}
		for _, path := range paths {
			without(want, strings.Split(path, "."))
		}
		if err := json.Unmarshal(got, &have); err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%s\nbecame %s\nwant %v (%v)", text, got, want, err)
		}
	})
}

// duplicates reports whether an object names a member twice: encoding/json keeps the last, edit removes both.
func duplicates(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	type level struct {
		object, value bool
		names         map[string]bool
	}
	stack := []*level{{}}
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		top := stack[len(stack)-1]
		if name, ok := token.(string); ok && top.object && !top.value {
			if top.names[name] {
				return true
			}
			top.names[name], top.value = true, true
			continue
		}
		top.value = false
		switch token {
		case json.Delim('{'):
			stack = append(stack, &level{object: true, names: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, &level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
	}
}

func BenchmarkEdit200KB(b *testing.B) {
	line := `func main() {\n\tfmt.Println(\"a line of code as a prompt holds it, %d\", i)\n}\n`
	text := `{"model":"claude-opus-5-5","messages":[{"role":"user","content":"` + strings.Repeat(line, 200<<10/len(line)) + `"}],"stream":true}`
	var pool Pool
	whole, err := pool.Read(strings.NewReader(text), int64(len(text)), 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		whole.Hold().edit([]string{"model", "stream"}, `"anthropic_version":"bedrock-2023-05-31"`).Release()
	}
}
