package seal

import (
	"cmp"
	"slices"

	"github.com/google/uuid"
)

// Report is what a verification found.
type Report struct {
	Header   Header
	End      End    // what was there
	Since    int64  // the first seal; 0 if there is none
	Head     *Seal  // the newest seal; nil if there is none
	Signed   int64  // signatures that were checked
	Retired  int64  // rows that are missing because their months were retired
	Notes    []Note // all measures, the oldest first
	Bad      int64  // rows and seals
	BadRows  []Finding
	BadSeals []Finding
}

// Finding is a row or a seal with which something is wrong. Both lists of a report are in order, and have their first
// [Most] findings.
type Finding struct {
	Row  uuid.UUID // zero if it is a seal
	Seal int64     // of a row the last that lists it; 0 if none does
	What string    // "it was edited, …"
}

// Most is how many findings of a kind a report names.
const Most = 21

// compared is how many findings are kept to find rows that were put in each other's place.
const compared = 1000

// findings are the first of those that were added, in the order of the rows or seals.
type findings struct {
	n     int64
	first []finding
}

type finding struct {
	Finding
	stored, expected Digest // beside the row, and in the seal; zero if there is none
}

func (f *findings) add(x finding) {
	f.n++
	f.first = append(f.first, x)
	if len(f.first) == 2*compared {
		f.sort()
		f.first = f.first[:compared]
	}
}

func (f *findings) sort() {
	slices.SortStableFunc(f.first, func(a, b finding) int { return cmp.Or(compare(a.Row, b.Row), cmp.Compare(a.Seal, b.Seal)) })
}

// list answers the first findings. A row that has the digest of another was put in its place.
func (f *findings) list() []Finding {
	f.sort()
	owner := map[Digest]uuid.UUID{}
	for _, x := range f.first {
		if x.expected != (Digest{}) {
			owner[x.expected] = x.Row
		}
	}
	list := make([]Finding, min(len(f.first), Most))
	for i := range list {
		list[i] = f.first[i].Finding
		x := f.first[i]
		switch other, ok := owner[x.stored]; {
		case !ok || other == x.Row:
		case x.expected == Digest{}:
			list[i].What = "it was put in: the digest beside it is of the row " + other.String() + ", which was given another id"
		default:
			list[i].What = "the row " + other.String() + " was put in its place: the digest beside it is of that row"
		}
	}
	return list
}
