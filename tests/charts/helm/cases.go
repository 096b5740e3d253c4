package helm

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Case is a file of values in testdata, whose first lines say what is expected.
type Case struct {
	Name    string
	Options Options
	Text    string   // of the whole file
	Says    string   // what the refusal has to say
	Has     []string // objects that have to be there: "Kind/name"
	HasNot  []string // kinds that may not
}

var directive = regexp.MustCompile(`^# ([a-z]+): (.*)$`)

// Cases reads testdata/<what>/<chart>/*.yaml below dir. The leading comments understood are says, apis, release,
// has and hasnot; the last four take a list with commas and may be repeated.
func Cases(t testing.TB, dir, what, chart string) []Case {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "testdata", what, chart, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Case
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		one := Case{
			Name: strings.TrimSuffix(filepath.Base(file), ".yaml"), Text: string(data),
			Options: Options{Values: []string{file}},
		}
		for line := range strings.Lines(one.Text) {
			if !strings.HasPrefix(line, "#") {
				break
			}
			if m := directive.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && !one.take(m[1], m[2]) {
				t.Fatalf("%s: nobody understands %q", file, m[0])
			}
		}
		all = append(all, one)
	}
	return all
}

func (c *Case) take(key, value string) bool {
	list := slices.DeleteFunc(strings.Split(strings.ReplaceAll(value, " ", ""), ","), func(s string) bool { return s == "" })
	switch key {
	case "says":
		c.Says = strings.TrimSpace(value)
	case "apis":
		c.Options.APIs = append(c.Options.APIs, list...)
	case "release":
		c.Options.Release = list[0]
	case "has":
		c.Has = append(c.Has, list...)
	case "hasnot":
		c.HasNot = append(c.HasNot, list...)
	default:
		return false
	}
	return true
}
