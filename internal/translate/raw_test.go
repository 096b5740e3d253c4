package translate

import (
	"fmt"
	"testing"

	"github.com/tidwall/gjson"
)

// sameMembers compares the members of an object with those that gjson finds.
func sameMembers(object string) error {
	parsed := gjson.Parse(object)
	var want []string
	parsed.ForEach(func(name, value gjson.Result) bool {
		want = append(want, fmt.Sprint(name.Str, value.Type, value.Raw))
		return true
	})
	n := 0
	for name, value := range rawMembers(parsed) {
		if got := fmt.Sprint(name, value.Type, value.Raw); n >= len(want) || got != want[n] {
			return fmt.Errorf("member %d is %s, want %q", n, got, want)
		}
		n++
	}
	if n != len(want) {
		return fmt.Errorf("%d members, want %q", n, want)
	}
	return nil
}

func TestMembersAreFoundAsTheyAreWritten(t *testing.T) {
	for _, object := range []string{
		`{}`, ` { } `, `{"a":1}`, `{ "a" : -1.5e3 , "b":true,"c" :false , "d": null}`,
		`{"quote\"d":"a \" b \\","x":"\\\\\"}"}`, `{"a":{"b":[1,"]}",{"c":"{"}]},"d":[]}`, `{"":"","\u0061":"\n"}`,
	} {
		if err := sameMembers(object); err != nil {
			t.Errorf("%s: %v", object, err)
		}
	}
	if got := raw(gjson.Parse(`{"a":1,"te\u0078t":"\n"}`), "text"); got.Raw != `"\n"` || got.Str != "" {
		t.Errorf("%+v", got)
	}
	if got := raw(gjson.Parse(`[1]`), "text"); got.Exists() {
		t.Errorf("an array has %+v", got)
	}
}

func FuzzMembersAsTheyAreWritten(f *testing.F) {
	f.Add(`{"a":"\\\"","b":[{"c":" }"},2]}`)
	f.Fuzz(func(t *testing.T, object string) {
		if isObject(object) {
			if err := sameMembers(object); err != nil {
				t.Fatalf("%s: %v", object, err)
			}
		}
	})
}
