package seal

import (
	"bytes"
	"container/heap"
	"slices"

	"github.com/google/uuid"
)

// listing is what a seal has of an id.
type listing struct {
	seal   int64
	digest Digest
}

// merge goes through the entries of many seals in the order of the ids.
type merge struct {
	cursors cursors
	taken   []listing
}

// cursor is the place in the entries of a seal.
type cursor struct {
	seal int64
	rest Entries
	id   uuid.UUID // of the first
}

// open adds the entries of a seal. Those that were edited may be in any order.
func (m *merge) open(seal int64, e Entries) {
	e = e[:e.Len()*entryBytes]
	if len(e) == 0 {
		return
	}
	if !sorted(e) {
		e = inOrder(e)
	}
	heap.Push(&m.cursors, cursor{seal, e, e.At(0).ID})
}

// peek is the lowest id that was not taken; ok is false if there is none.
func (m *merge) peek() (id uuid.UUID, ok bool) {
	if len(m.cursors) == 0 {
		return uuid.Nil, false
	}
	return m.cursors[0].id, true
}

// take removes the lowest id, if it is the given one, and answers what the seals have of it, the oldest seal first. The answer
// is good until the next call.
func (m *merge) take(id uuid.UUID) []listing {
	m.taken = m.taken[:0]
	for len(m.cursors) > 0 && m.cursors[0].id == id {
		c := &m.cursors[0]
		m.taken = append(m.taken, listing{c.seal, c.rest.At(0).Digest})
		if c.rest = c.rest[entryBytes:]; len(c.rest) == 0 {
			heap.Pop(&m.cursors)
			continue
		}
		copy(c.id[:], c.rest)
		heap.Fix(&m.cursors, 0)
	}
	return m.taken
}

func sorted(e Entries) bool {
	for i := 1; i < e.Len(); i++ {
		if compare(e.At(i-1).ID, e.At(i).ID) >= 0 {
			return false
		}
	}
	return true
}

func inOrder(e Entries) Entries {
	list := make([]Entry, e.Len())
	for i := range list {
		list[i] = e.At(i)
	}
	slices.SortStableFunc(list, func(a, b Entry) int { return compare(a.ID, b.ID) })
	out := make(Entries, 0, len(e))
	for _, at := range list {
		out = out.Append(at.ID, at.Digest)
	}
	return out
}

func compare(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// cursors are a heap: the lowest id first, of one id the oldest seal.
type cursors []cursor

func (c cursors) Len() int { return len(c) }
func (c cursors) Less(i, j int) bool {
	if d := compare(c[i].id, c[j].id); d != 0 {
		return d < 0
	}
	return c[i].seal < c[j].seal
}
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)   { *c = append(*c, x.(cursor)) } //nolint:forcetypeassert // only open pushes
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}
