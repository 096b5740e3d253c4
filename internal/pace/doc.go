// Package pace gives the items of batches their turns at the backends: how many a worker has there at once, and whose
// is next.
//
// Turns are shared fairly. The next one at a backend goes to the tenant that has the fewest there, so one with ten
// thousand items does not keep another waiting for longer than a turn takes. A backend that is full or left alone keeps
// no item waiting that goes to another.
//
// What a backend bears is learnt from its answers. If it has too much to do, or is away, its limit is halved and it is
// left alone for as long as it asks, or else for longer each time; while it answers, its limit grows back, one by one.
package pace
