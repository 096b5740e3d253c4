package routing

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// firstBackoff is the pause before a target is tried a second time, where it has not named one itself.
const firstBackoff = 250 * time.Millisecond

// Trip is one request's way through the targets of its rule: each in turn, those that are well before those that are
// left alone, and round again while attempts are left. It belongs to one goroutine.
type Trip struct {
	health  *Health
	order   []gateway.Target
	left    int           // attempts
	budget  time.Duration // for pauses
	pause   time.Duration // before the next round
	untried []gateway.Target
	asked   time.Duration // the shortest time that a target of this round asked for
}

// NewTrip begins the way of a request. The key says which session it belongs to: all requests of a session have the
// same order. wait is how long the request may pause in all.
func (t *Table) NewTrip(rule gateway.Rule, key, asked string, health *Health, wait time.Duration) *Trip {
	order := rule.Order(key)
	for i, target := range order {
		order[i] = t.Resolve(target, asked)
	}
	return &Trip{health: health, order: order, untried: slices.Clone(order), left: rule.Attempts, budget: wait, pause: firstBackoff}
}

// Next answers the next target and how long to wait before it is tried; ok is false where there is none.
func (t *Trip) Next() (target gateway.Target, wait time.Duration, ok bool) {
	if t.left <= 0 || len(t.order) == 0 {
		return gateway.Target{}, 0, false
	}
	if len(t.untried) == 0 {
		if wait, ok = t.rest(); !ok {
			return gateway.Target{}, 0, false
		}
		t.untried, t.asked = slices.Clone(t.order), 0
	}
	i := max(0, slices.IndexFunc(t.untried, t.health.Usable))
	target = t.untried[i]
	t.untried = slices.Delete(t.untried, i, i+1)
	t.left--
	return target, wait, true
}

// rest is the pause before a new round. It is as long as the targets asked for, or else twice the one before, with
// some chance in it, so that many requests do not come back at once.
func (t *Trip) rest() (time.Duration, bool) {
	wait := t.asked
	if wait == 0 {
		wait = t.pause/2 + rand.N(t.pause) //nolint:gosec // it only spreads load
		t.pause *= 2
	}
	t.budget -= wait
	return wait, t.budget >= 0
}

// More reports whether Next would answer a target, and at once.
func (t *Trip) More() bool { return t.left > 0 && len(t.untried) > 0 }

// Asked notes that a target asked for a pause.
func (t *Trip) Asked(d time.Duration) {
	if t.asked == 0 || d < t.asked {
		t.asked = d
	}
}

// Forget takes a target out of the trip: it cannot take this request at all.
func (t *Trip) Forget(target gateway.Target) {
	t.left++
	same := func(other gateway.Target) bool { return other == target }
	t.order, t.untried = slices.DeleteFunc(t.order, same), slices.DeleteFunc(t.untried, same)
}

// Again has a target tried once more, before any other.
func (t *Trip) Again(target gateway.Target) {
	t.untried = slices.Insert(t.untried, 0, target)
	t.left++
}
