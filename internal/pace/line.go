package pace

import (
	"cmp"
	"container/list"
)

// tenant is whoever has items that run or wait.
type tenant struct {
	name    string
	running int    // turns at all backends
	lines   int    // at all backends
	served  uint64 // the last moment when it was given a turn or left one; when it came, if it had none yet
}

// line is the items of one tenant for one backend.
type line struct {
	backend *backend
	tenant  *tenant
	running int
	items   *list.List // of *Turn: those that wait, first come first served
	passed  int        // turns at the backend that others got since it got one, or began to wait
}

func (l *line) first() *Turn { return l.items.Front().Value.(*Turn) }

// compare orders lines by who is to be served first: the tenant with the fewest turns at the backend, then the one with
// the fewest anywhere, then the one served longest ago. Who comes anew is taken for served when it came; otherwise
// tenants that send one item after the other would always be before one that waits. But a tenant is not passed over for
// ever because it has turns elsewhere.
func (l *line) compare(m *line) int {
	return cmp.Or(
		cmp.Compare(l.running, m.running),
		cmp.Compare(m.late(), l.late()),
		cmp.Compare(l.tenant.running, m.tenant.running),
		cmp.Compare(l.tenant.served, m.tenant.served),
		cmp.Compare(l.first().came, m.first().came), // of one tenant, at two backends
	)
}

// late is how many turns others got after each of them could have had one.
func (l *line) late() int { return max(0, l.passed-len(l.backend.lines)) }
