package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// most is the limit of requests in the race below.
const most = 3

// A request takes its steps one by one, and between any two of them others take theirs, snapshots become old, and
// Redis is emptied. At no time has more been sent than the limit allows; and in the end, when all are settled, Redis is what
// the ledger says.
func TestInTheEndTheStoreIsTheLedger(t *testing.T) {
	onAll(t, func(t *testing.T, s store) {
		rapid.Check(t, func(rt *rapid.T) {
			s.flush(rt)
			r := &race{
				tb: rt, ctx: rt.Context(), s: s, source: newRecord(), sent: map[string]int{},
			}
			length := rapid.IntRange(0, 500).Draw(rt, "length")
			r.choices = rapid.SliceOfN(rapid.IntRange(0, 1000), length, length).Draw(rt, "choices")
			r.source.after = r.meanwhile
			for range 3 { // frontends and workers: a restore in one does not make another wait
				r.quotas = append(r.quotas, s.open(rt, r.source))
			}
			for len(r.choices) > 0 && len(r.errs) == 0 {
				r.step()
			}
			r.finish()
			if err := errors.Join(r.errs...); err != nil {
				rt.Fatal(err)
			}
		})
	})
}

// race is a world of requests in which each step is chosen.
type race struct {
	tb      tester
	ctx     context.Context //nolint:containedctx // the test's
	s       store
	source  *record
	quotas  []quota
	depth   int            // of snapshots within snapshots
	choices []int          // what is still to be chosen
	sent    map[string]int // requests, by subject and window

	reserved []gateway.Ask // and no intent yet
	staged   []gateway.Ask // and not asked for a second time
	running  []gateway.Ask
	recorded []gateway.Settlement // and not settled
	done     []gateway.Settlement
	errs     []error
}

func (r *race) quota() quota { return r.quotas[r.depth] }

// meanwhile lets others act between the reading of a snapshot and its use.
func (r *race) meanwhile() {
	if r.depth++; r.depth < len(r.quotas) {
		for range r.choose(5) {
			r.step()
		}
	}
	r.depth--
}

func (r *race) step() {
	switch r.choose(16) {
	case 0, 1, 2:
		r.reserve()
	case 3: // admitted while Redis is away
		r.source.stage(r.ask())
	case 4, 5, 6:
		r.stage()
	case 7, 8:
		r.confirm()
	case 9:
		r.write()
	case 10, 11:
		r.settle()
	case 12:
		if len(r.done) > 0 { // a second time
			r.check(r.quota().Settle(r.ctx, r.done[r.choose(len(r.done))]))
		}
	case 13:
		r.s.flush(r.tb)
	case 14:
		if len(r.reserved) > 0 {
			pop(r, &r.reserved) // its frontend died, or could not put it on record
		}
	case 15:
		if a := r.ask(); !r.waits(a, false) {
			_, err := r.quota().Reconcile(r.ctx, a.Subject, a.Window)
			r.check(err)
		}
	}
}

// waits reports whether a step would wait until a window is rebuilt. Who is to end that, in a step further out, waits for
// this one; so it is not taken. A reservation waits for a cold window only.
func (r *race) waits(a gateway.Ask, cold bool) bool {
	key := "quota:{" + a.Subject + "}:" + a.Window.Start.Format("20060102T1504Z")
	fields := r.s.client.HMGet(r.ctx, key, "requests", "rebuild").Val()
	return fields[1] != nil && (fields[0] == nil || !cold)
}

// ask is a request of one of two subjects, on one of two days, most often of the same.
func (r *race) ask() gateway.Ask {
	a := ask(gateway.Charge{Requests: 1, Tokens: int64(r.choose(10))})
	a.Subject, a.Class = []string{"ann", "ann", "ann", "bob"}[r.choose(4)], []string{"", "dear"}[r.choose(2)]
	a.Window = gateway.DayWindow(a.At.AddDate(0, 0, max(0, r.choose(4)-2)), time.UTC)
	a.Limits = atMost(most)
	return a
}

func (r *race) reserve() {
	a := r.ask()
	if r.waits(a, true) {
		return
	}
	_, refusal, err := r.quota().Reserve(r.ctx, a)
	if r.check(err); refusal == gateway.Admitted && err == nil {
		r.reserved = append(r.reserved, a)
	}
}

func (r *race) stage() {
	if len(r.reserved) > 0 {
		a := pop(r, &r.reserved)
		r.source.stage(a)
		r.staged = append(r.staged, a)
	}
}

// confirm asks for a request a second time. It is sent if it is admitted again, else it ends without a charge.
func (r *race) confirm() {
	if len(r.staged) == 0 {
		return
	}
	a := pop(r, &r.staged)
	if r.waits(a, true) {
		r.staged = append(r.staged, a)
		return
	}
	_, refusal, err := r.quota().Reserve(r.ctx, a)
	if r.check(err); err != nil {
		return
	}
	if refusal != gateway.Admitted {
		r.recorded = append(r.recorded, r.source.write(a.ID, gateway.Charge{}))
		return
	}
	r.running = append(r.running, a)
	day := a.Subject + a.Window.Start.String()
	if r.sent[day]++; r.sent[day] > most {
		r.check(fmt.Errorf("%d requests of %s were sent, the limit is %d", r.sent[day], a.Subject, most))
	}
}

func (r *race) write() {
	if len(r.running) > 0 {
		a := pop(r, &r.running)
		if r.choose(3) == 1 {
			r.source.end(a.ID, gateway.Charge{Requests: 1, Tokens: int64(r.choose(10))}) // and the ledger has it later
			r.running = append(r.running, a)
			return
		}
		r.recorded = append(r.recorded, r.source.write(a.ID, gateway.Charge{Requests: 1, Tokens: int64(r.choose(10))}))
	}
}

func (r *race) settle() {
	if len(r.recorded) > 0 {
		s := pop(r, &r.recorded)
		r.check(r.quota().Settle(r.ctx, s))
		r.done = append(r.done, s)
	}
}

// finish ends all requests. What is still wrong then, one look of the sweep and one comparison put right.
func (r *race) finish() {
	for len(r.reserved)+len(r.staged)+len(r.running)+len(r.recorded) > 0 && len(r.errs) == 0 {
		r.stage()
		r.confirm()
		r.write()
		r.settle()
	}
	r.source.after = nil
	for id, e := range r.source.requests { // those that were admitted while Redis was away
		if !e.ledger {
			r.check(r.quota().Settle(r.ctx, r.source.write(id, e.Charge)))
		}
	}
	r.check(r.quota().Windows(r.ctx, r.release))
	r.check(r.quota().Windows(r.ctx, func(w gateway.OpenWindow) error {
		if _, err := r.quota().Reconcile(r.ctx, w.Subject, w.Window); err != nil {
			return err
		}
		return r.same(w)
	}))
}

// release settles the reservations of requests that ended or never were, as the sweep does.
func (r *race) release(w gateway.OpenWindow) error {
	for _, id := range w.Open {
		s := gateway.Settlement{ID: id, Subject: w.Subject, Window: w.Window, Reserved: true}
		if _, ok := r.source.requests[id]; ok {
			s = r.source.write(id, gateway.Charge{})
		}
		r.check(r.quota().Settle(r.ctx, s))
	}
	return nil
}

func (r *race) same(w gateway.OpenWindow) error {
	got, err := r.quota().Use(r.ctx, w.Subject, w.Window, "dear")
	if want := r.source.used(w.Subject, w.Window); err == nil && (got.Day != want.Day || got.Classes["dear"] != want.Classes["dear"]) {
		return fmt.Errorf("%s on %v: %+v; the ledger has %+v", w.Subject, w.Window.Start, got, want)
	}
	return err
}

// check notes an error: a step may be taken where a test must not end. A window that changes too fast to be compared or restored is none.
func (r *race) check(err error) {
	if err != nil && !errors.Is(err, gateway.ErrWindowBusy) {
		r.errs = append(r.errs, err)
	}
}

// choose answers the next choice, below n; 0 when there are no more.
func (r *race) choose(n int) int {
	if len(r.choices) == 0 {
		return 0
	}
	c := r.choices[0]
	r.choices = r.choices[1:]
	return c % n
}

// pop takes any one of the list.
func pop[T any](r *race, list *[]T) T {
	i := r.choose(len(*list))
	one := (*list)[i]
	*list = slices.Delete(slices.Clone(*list), i, i+1)
	return one
}
