package translate

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the translation gives into the goldens")

// golden is one case: a txtar file whose name is a sentence. Text before the first section says what it is about.
type golden struct {
	path    string
	comment string
	files   []section
	changed bool
}

type section struct{ name, text string }

// eachGolden runs a test for every case in a folder of testdata, and writes the case back where -update is given.
func eachGolden(t *testing.T, dir string, test func(t *testing.T, g *golden)) {
	t.Helper()
	for _, g := range everyGolden(t, dir) {
		name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(g.path), ".txtar"), "-", " ")
		t.Run(name, func(t *testing.T) {
			test(t, g)
			g.write(t)
		})
	}
}

// everyGolden reads all cases in a folder of testdata.
func everyGolden(t testing.TB, dir string) []*golden {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in testdata/%s: %v", dir, err)
	}
	var all []*golden
	for _, path := range paths {
		all = append(all, readGolden(t, path))
	}
	return all
}

// readGolden reads the txtar format: sections that begin with a line "-- name --".
func readGolden(t testing.TB, path string) *golden {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{path: path}
	text := &g.comment
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(rest, " --\n") {
			g.files = append(g.files, section{name: strings.TrimSuffix(rest, " --\n")})
			text = &g.files[len(g.files)-1].text
			continue
		}
		*text += line
	}
	return g
}

func (g *golden) write(t testing.TB) {
	t.Helper()
	if !g.changed || t.Failed() {
		return
	}
	text := g.comment
	for _, f := range g.files {
		text += "-- " + f.name + " --\n" + f.text
	}
	if err := os.WriteFile(g.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// has reports whether the case has a section.
func (g *golden) has(name string) bool {
	for _, f := range g.files {
		if f.name == name {
			return true
		}
	}
	return false
}

// section returns the text of a section; a case without it gives nil.
func (g *golden) section(name string) []byte {
	for _, f := range g.files {
		if f.name == name {
			return []byte(f.text)
		}
	}
	return nil
}

// check compares a section with what came out, or takes that over where -update is given. An empty text wants the
// section to be missing.
func (g *golden) check(t testing.TB, name, got string) {
	t.Helper()
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	want := string(g.section(name))
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		return
	}
	g.changed = true
	for i := range g.files {
		if g.files[i].name == name {
			if got == "" {
				g.files = append(g.files[:i], g.files[i+1:]...)
			} else {
				g.files[i].text = got
			}
			return
		}
	}
	g.files = append(g.files, section{name, got})
}

// checkJSON compares a section with a JSON text, whatever the white space between its tokens.
func (g *golden) checkJSON(t testing.TB, name string, got []byte) {
	t.Helper()
	if !json.Valid(got) {
		t.Fatalf("%s is not JSON: %s", name, got)
	}
	if !*update && bytes.Equal(compact(g.section(name)), compact(got)) {
		return
	}
	var pretty bytes.Buffer
	_ = json.Indent(&pretty, got, "", "  ")
	g.check(t, name, pretty.String())
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	_ = json.Compact(&out, b)
	return out.Bytes()
}

// feed gives a stream its input in parts and returns all that it wrote, with its error.
func feed(s Stream, parts ...[]byte) (out []byte, err error) {
	for _, part := range parts {
		if out, err = s.Next(out, part); err != nil {
			return out, err
		}
	}
	return out, nil
}

// checkCuts feeds a stream in every way that a network may cut it: the output has to be the same, and the client's final
// event must not be written before the backend's has come.
func checkCuts(t *testing.T, start func() Stream, in []byte, final string) {
	t.Helper()
	want, wantErr := feed(start(), in)
	same := func(how string, got []byte, err error) {
		t.Helper()
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Errorf("%s gives\n%s\nerror %v, want\n%s\nerror %v", how, got, err, want, wantErr)
		}
	}
	var bytewise [][]byte
	for i := range in {
		bytewise = append(bytewise, in[i:i+1])
	}
	got, err := feed(start(), bytewise...)
	same("one byte at a time", got, err)
	got, err = feed(start(), bytes.ReplaceAll(in, []byte("\n"), []byte("\r\n")))
	same("CRLF", got, err)

	for cut := range len(in) + 1 {
		s := start()
		before, err := feed(s, in[:cut:cut])
		if err == nil {
			if got, err := s.Next(bytes.Clone(before), in[cut:]); !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
				t.Fatalf("cut at byte %d it gives\n%s\nerror %v, want\n%s\nerror %v", cut, got, err, want, wantErr)
			}
		}
		if !bytes.HasPrefix(want, before) {
			t.Fatalf("cut at byte %d it gives\n%s\nwhich is no beginning of\n%s", cut, before, want)
		}
		if bytes.Contains(before, []byte(final)) && !hasEnded(in[:cut]) {
			t.Fatalf("cut at byte %d, before %q, it is complete:\n%s", cut, in[cut:], before)
		}
	}
}

// hasEnded reports whether a stream of either dialect has come to its final event.
func hasEnded(stream []byte) bool {
	return bytes.Contains(stream, []byte("[DONE]\n")) || bytes.Contains(stream, []byte(`"message_stop"`))
}
