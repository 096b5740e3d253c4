package backend

import (
	"bytes"
	"encoding/json"
	"strings"
)

// paths is a set of members of a JSON object as a tree of their names. A nil branch stands for the member itself; "*"
// for every element of an array: {"model": nil, "tools": {"*": {"strict": nil}}}.
type paths map[string]paths

// newPaths makes the tree of paths that are written "model" or "tools.*.strict".
func newPaths(list []string) paths {
	tree := paths{}
	for _, path := range list {
		tree.add(strings.Split(path, "."))
	}
	return tree
}

func (p paths) add(names []string) {
	branch, known := p[names[0]]
	switch {
	case len(names) == 1:
		p[names[0]] = nil
	case known && branch == nil: // the whole of it is in the set
	default:
		if !known {
			branch = paths{}
			p[names[0]] = branch
		}
		branch.add(names[1:])
	}
}

// edit returns the body without the members at the paths, and with the members in head, which is JSON without braces,
// before the others. The rest stays what it was, byte for byte. It takes over the caller's hold on b; the result, which
// is another body unless there was nothing to change, is the caller's. What others read of b does not change.
func (b *Body) edit(without []string, head string) *Body {
	if len(without) == 0 && head == "" {
		return b
	}
	f := find(b.buf, without)
	if len(f.cuts) == 0 && head == "" {
		return b
	}
	if head != "" && f.left {
		head += ","
	}
	to := b.fresh(len(b.buf) + len(head))
	at := bytes.IndexByte(b.buf, '{') + 1
	to.buf = append(append(to.buf, b.buf[:at]...), head...)
	for _, cut := range f.cuts {
		to.buf = append(to.buf, b.buf[at:cut.begin]...)
		at = cut.end
	}
	to.buf = append(to.buf, b.buf[at:]...)
	b.release()
	return to
}

// span is a range of bytes: from begin, up to end.
type span struct{ begin, end int }

// finder walks JSON that is known to be well-formed. Of anything else it may find the wrong ranges, but none outside.
type finder struct {
	b    []byte
	i    int
	cuts []span // what holds the members, in order, each with a comma beside it
	left bool   // the outermost object has other members
}

// find looks for the members of an object. Where each member of an object further in is looked for, that object is
// taken to be looked for itself.
func find(object []byte, list []string) *finder {
	f := &finder{b: object}
	if f.space() == '{' {
		_, f.left = f.object(newPaths(list))
	}
	return f
}

// object walks the object at i and reports whether it has members, and whether there are others than those named.
func (f *finder) object(named paths) (some, left bool) {
	f.i++
	kept, mark := f.i, len(f.cuts) // the end of the last member that stays, and the cuts up to there
	for f.space() == '"' {
		some = true
		begin, before := f.i, len(f.cuts)
		branch, known := named[f.key()]
		gone := f.value(branch, known)
		end := f.i
		last := f.space() != ','
		if !last {
			f.i++
			f.space()
		}
		switch {
		case !gone:
			kept, mark, left = end, len(f.cuts), true
		case last:
			f.cuts = append(f.cuts[:mark], span{kept, end})
		default:
			f.cuts = append(f.cuts[:before], span{begin, f.i})
		}
	}
	f.pass('}')
	return some, left
}

// value walks the value at i. It reports whether the value is looked for: known without a branch, or an object of which
// nothing else is left.
func (f *finder) value(branch paths, known bool) (gone bool) {
	c := f.space()
	switch {
	case branch != nil && c == '{':
		some, left := f.object(branch)
		return some && !left
	case branch["*"] != nil && c == '[':
		f.array(branch["*"])
		return false
	}
	f.skip()
	return known && branch == nil
}

func (f *finder) array(element paths) {
	f.i++
	for c := f.space(); c != ']' && c != 0; c = f.space() {
		if c == ',' {
			f.i++
			continue
		}
		before := f.i
		if f.value(element, true); f.i == before {
			return
		}
	}
	f.pass(']')
}

// key reads the name of a member and passes the colon.
func (f *finder) key() string {
	begin := f.i
	f.str()
	raw := f.b[begin:min(f.i, len(f.b))]
	f.pass(':')
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(bytes.Trim(raw, `"`))
	}
	var name string
	_ = json.Unmarshal(raw, &name) // what cannot be read is none of those looked for
	return name
}

// skip passes the value at i.
func (f *finder) skip() {
	for depth := 0; f.i < len(f.b); {
		switch f.b[f.i] {
		case '"':
			f.str()
		case '{', '[':
			depth++
			f.i++
		case '}', ']':
			if depth == 0 { // the end of what the value is in
				return
			}
			depth--
			f.i++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return
			}
			f.i++
			continue
		default:
			f.i++
			continue
		}
		if depth == 0 {
			return
		}
	}
}

// str passes the string at i. A quote ends it unless an odd number of backslashes stands before it.
func (f *finder) str() {
	begin := f.i
	f.i++
	for f.i < len(f.b) {
		k := bytes.IndexByte(f.b[f.i:], '"')
		if k < 0 {
			f.i = len(f.b)
			return
		}
		quote := f.i + k
		f.i = quote + 1
		slashes := quote
		for slashes > begin+1 && f.b[slashes-1] == '\\' {
			slashes--
		}
		if (quote-slashes)%2 == 0 {
			return
		}
	}
}

// pass passes the mark, if it is what follows.
func (f *finder) pass(mark byte) {
	if f.space() == mark {
		f.i++
	}
}

// space passes over white space and returns the byte that follows, 0 at the end.
func (f *finder) space() byte {
	for ; f.i < len(f.b); f.i++ {
		switch c := f.b[f.i]; c {
		case ' ', '\n', '\t', '\r':
		default:
			return c
		}
	}
	return 0
}
