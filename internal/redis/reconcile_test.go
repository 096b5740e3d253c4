package redis_test

import (
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// What may be planted by hand in a window that has a settled request of 1 and 10, one that runs with the same, both of the
// class "dear", and one that the database does not know of yet.
func TestOneComparisonRepairsAWindow(t *testing.T) {
	key := "quota:{ann}:" + today().Start.Format("20060102T1504Z")
	right := gateway.Used{Requests: 3, Tokens: 30}
	forged := newID()
	for name, c := range map[string]struct {
		plant        func(t *testing.T, s store, running gateway.Ask)
		before       gateway.Used
		reservations int  // that were missing or wrong
		cold         bool // it was not there, so nothing was wrong with it
		stays        gateway.Used
	}{
		"nothing": {before: right},
		"more than there is": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.HIncrBy(t.Context(), key, "requests", 5)
				s.client.HIncrBy(t.Context(), key, "tokens", 7)
			},
			before: gateway.Used{Requests: 8, Tokens: 37},
		},
		"less than there is": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.HIncrBy(t.Context(), key, "requests", -2)
			},
			before: gateway.Used{Requests: 1, Tokens: 30},
		},
		"another sum of the class": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.HIncrBy(t.Context(), key, "requests:dear", 3)
			},
			before: right,
		},
		"a class that nobody uses": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.HSet(t.Context(), key, "requests:cheap", 3, "tokens:cheap", 3)
			},
			before: right,
		},
		"a field that is gone": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.HDel(t.Context(), key, "tokens", "tokens:dear")
			},
			before: gateway.Used{Requests: 3},
		},
		"a field that is no number": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.HSet(t.Context(), key, "tokens", "many")
			},
			before: gateway.Used{Requests: 3},
		},
		"a reservation that is gone": {
			plant: func(t *testing.T, s store, running gateway.Ask) {
				s.client.HDel(t.Context(), key, running.ID.String())
			},
			before: right, reservations: 1,
		},
		"a reservation of another charge": {
			plant: func(t *testing.T, s store, running gateway.Ask) {
				s.client.HSet(t.Context(), key, running.ID.String(), "1 99 dear")
			},
			before: right, reservations: 1,
		},
		"a reservation that is no charge": {
			plant: func(t *testing.T, s store, running gateway.Ask) {
				s.client.HSet(t.Context(), key, running.ID.String(), "much")
			},
			before: right, reservations: 1,
		},
		"a forged reservation that is no charge": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.HSet(t.Context(), key, forged.String(), "much")
			},
			before: right, reservations: 1,
		},
		"a forged reservation that is in no sum": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.HSet(t.Context(), key, forged.String(), "1 5 dear")
			},
			before: right, stays: gateway.Used{Requests: 1, Tokens: 5}, // until it is older than any request that is on its way
		},
		"a window that is gone": {
			plant: func(t *testing.T, s store, _ gateway.Ask) {
				s.client.Del(t.Context(), key)
			},
			cold: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s store) {
				source, settled, running, young := newRecord(), ask(one), ask(one), ask(one)
				q := s.open(t, source)
				for _, a := range []*gateway.Ask{&settled, &running, &young} {
					a.Class = "dear"
					reserve(t, q, *a)
				}
				source.stage(settled)
				source.stage(running)
				settle(t, q, source.write(settled.ID, one))
				if c.plant != nil {
					c.plant(t, s, running)
				}

				drift, err := q.Reconcile(t.Context(), "ann", today())
				if err != nil {
					t.Fatal(err)
				}
				want := gateway.Used{Requests: right.Requests + c.stays.Requests, Tokens: right.Tokens + c.stays.Tokens}
				if c.cold {
					want = gateway.Used{Requests: 2, Tokens: 20} // of the young one nobody knows any more
				}
				switch {
				case c.cold || c.plant == nil:
					if drift != nil {
						t.Errorf("repaired %+v", drift)
					}
				case drift == nil:
					t.Error("it was not told of")
				case drift.Subject != "ann" || drift.Before != c.before || drift.After != want || drift.Reservations != c.reservations:
					t.Errorf("drift = %+v, want %+v to %+v, and %d reservations", drift, c.before, want, c.reservations)
				}
				use, err := q.Use(t.Context(), "ann", today(), "dear", "cheap")
				if err != nil || use.Day != want || use.Classes["dear"] != want || use.Classes["cheap"] != (gateway.Used{}) {
					t.Errorf("use = %+v, %v; want %+v", use, err, want)
				}
				if drift, err = q.Reconcile(t.Context(), "ann", today()); err != nil || drift != nil {
					t.Errorf("repaired a second time: %+v, %v", drift, err)
				}
				settle(t, q, source.write(running.ID, one))
				wantUsed(t, q, "ann", want)
			})
		})
	}
}
