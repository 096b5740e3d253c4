package seal

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/google/uuid"
)

// unsealed is the number of the seal that a note will be in.
const unsealed = math.MaxInt64

// chain verifies the seals as such.
type chain struct {
	Options
	seals  map[int64]sealed
	since  int64 // the first
	head   *Seal // the last
	signed int64 // how many signatures were checked
	notes  []Note
	gone   []retirement
	bad    findings
}

// sealed is what is kept of a seal until its entries are there.
type sealed struct {
	rows        int
	first, last uuid.UUID
	root        Digest
}

// retirement says that rows may be missing: those below an id which no later seal lists.
type retirement struct {
	below uuid.UUID
	noted int64
}

func newChain(o Options) *chain { return &chain{Options: o, seals: map[int64]sealed{}} }

func (c *chain) found(n int64, what string) {
	c.bad.add(finding{Finding: Finding{Seal: n, What: what}})
}

// add takes the next seal. If it is the first here, part tells whether others may have come before it.
func (c *chain) add(s Seal, part bool) {
	switch {
	case c.head == nil:
		c.since = s.N
		if s.N != 1 && !part {
			c.found(s.N, fmt.Sprintf("it is the first that is there: the %d before it are missing", s.N-1))
		}
		if s.N == 1 && s.Previous != (Digest{}) {
			c.found(s.N, "it was edited: it names a seal before it, and it is the first")
		}
	case s.N <= c.head.N:
		c.found(s.N, fmt.Sprintf("it is out of place: it stands behind seal %d", c.head.N))
	case s.N > c.head.N+1:
		c.found(s.N, fmt.Sprintf("the seals between %d and this one are missing", c.head.N))
	case s.Previous != c.head.Hash:
		c.found(s.N, fmt.Sprintf("it was edited, or put in: the seal before it had the hash %s, and seal %d has %s", s.Previous, c.head.N, c.head.Hash))
	}
	if s.Sum() != s.Hash {
		c.found(s.N, "it was edited: its hash is not that of what it says")
	}
	if want, ok := c.Anchors[s.N]; ok && want != s.Hash {
		c.found(s.N, fmt.Sprintf("it is another than the one that was noted down: that had the hash %s", want))
	}
	c.signature(s)
	c.seals[s.N] = sealed{s.Rows, s.First, s.Last, s.Root}
	c.head = &s
	var notes []Note
	if json.Unmarshal([]byte(s.Notes), &notes) != nil {
		c.found(s.N, "its notes cannot be read")
	}
	for _, n := range notes {
		c.note(n, s.N)
	}
}

// signature checks that of a seal. After one that is signed all are.
func (c *chain) signature(s Seal) {
	switch {
	case len(c.Keys) == 0:
	case s.Signature == nil && c.signed > 0:
		c.found(s.N, "it is not signed, and seals before it are")
	case s.Signature != nil:
		c.signed++
		at := slices.IndexFunc(c.Keys, func(k ed25519.PublicKey) bool { return KeyID(k) == s.Key })
		if at < 0 {
			c.found(s.N, fmt.Sprintf("it is signed with the key %q, which was not given", s.Key))
		} else if !ed25519.Verify(c.Keys[at], s.Hash[:], s.Signature) {
			c.found(s.N, "its signature is not of its hash")
		}
	}
}

// note takes a measure that is noted in a seal.
func (c *chain) note(n Note, seal int64) {
	c.notes = append(c.notes, n)
	if below, ok := n.retires(); ok {
		c.gone = append(c.gone, retirement{below, seal})
	}
}

// retired tells whether a row may be missing that a seal lists, and none after it.
func (c *chain) retired(id uuid.UUID, last int64) bool {
	return slices.ContainsFunc(c.gone, func(r retirement) bool { return r.noted > last && compare(id, r.below) < 0 })
}

// finish looks for what should have been there.
func (c *chain) finish(h Header, listed map[int64]bool) {
	var newest int64
	if c.head != nil {
		newest = c.head.N
		if len(c.Keys) > 0 && c.head.Signature == nil && c.signed == 0 {
			c.found(newest, "it is the newest, and neither it nor any before it is signed")
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.Anchors)) {
		switch _, there := c.seals[n]; {
		case there:
		case n > newest:
			c.found(n, fmt.Sprintf("it was noted down, and it is missing: the chain was cut off behind seal %d", newest))
		case n < c.since && h.From != nil:
			c.found(n, "it was noted down, and this export begins after it: export from the beginning to check it")
		default:
			c.found(n, "it was noted down, and it is missing")
		}
	}
	for n, s := range c.seals {
		if s.rows > 0 && !listed[n] && (h.Before == nil || compare(s.first, Floor(*h.Before)) < 0) && (h.From == nil || compare(s.last, Floor(*h.From)) >= 0) {
			c.found(n, "its entries are missing")
		}
	}
}
