package redis_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// As long as each step of a request is whole, the store is at every moment what gateway.Limits.Admit and plain sums say,
// whenever it is emptied and however often a step is repeated.
func TestTheStoreAppliesTheRule(t *testing.T) {
	onAll(t, func(t *testing.T, s store) {
		rapid.Check(t, func(rt *rapid.T) {
			s.flush(rt)
			m := newModel(rt, s)
			for range rapid.IntRange(0, 200).Draw(rt, "steps") {
				m.step(rt)
				m.check(rt)
			}
		})
	})
}

// model is a world in which every step is whole, and what the store should say of it.
type model struct {
	s       store
	q       quota
	source  *record
	started time.Time
	now     time.Time
	shift   time.Duration // from now to the calendar of the windows
	limits  map[string]gateway.Limits

	requests []*request
	warm     map[string]bool // windows, by subject and start
}

// request is one in the model.
type request struct {
	gateway.Ask

	counted gateway.Charge // in its window, if that is warm
	open    bool           // it has a reservation there
	minute  bool           // it is counted in the minute
	place   time.Time      // when its place lapses; zero if it has none
	left    bool           // its process has given the place back
}

// berlin has a day of 23 hours and one of 25 in every year.
func berlin(tb tester) *time.Location {
	tb.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		tb.Fatal(err)
	}
	return zone
}

func newModel(rt *rapid.T, s store) *model {
	now := time.Now().Truncate(time.Millisecond)
	m := &model{s: s, source: newRecord(), started: now, now: now, limits: map[string]gateway.Limits{}, warm: map[string]bool{}}
	// The windows' calendar begins shortly before the midnights at which Berlin's clocks are about to change.
	eve := rapid.SampledFrom([]time.Time{
		time.Date(2027, 3, 27, 23, 59, 0, 0, berlin(rt)), time.Date(2027, 10, 30, 23, 59, 0, 0, berlin(rt)),
	}).Draw(rt, "eve")
	m.shift = eve.Sub(now)
	m.source.now = func() time.Time { return m.now }
	m.q = s.open(rt, m.source)
	limit := func(name string, some ...int64) int64 { return rapid.SampledFrom(some).Draw(rt, name) }
	for _, subject := range []string{"ann", "bob"} {
		m.limits[subject] = gateway.Limits{
			DayLimits: gateway.DayLimits{Requests: limit("requests", 9, 20, -1, 2, 0), Tokens: limit("tokens", -1, 90, 30)},
			PerMinute: limit("per minute", 5, -1, 2), Concurrent: limit("concurrent", 4, 2, -1),
			Classes: map[string]gateway.DayLimits{"dear": {Requests: limit("dear requests", 4, -1, 0), Tokens: limit("dear tokens", -1, 40)}},
		}
	}
	return m
}

// step takes one step. Where there is no request that could take it, nothing is done.
func (m *model) step(rt *rapid.T) {
	switch rapid.IntRange(0, 19).Draw(rt, "step") {
	default:
		m.reserve(rt)
	case 6:
		m.askAgain(rt)
	case 7:
		m.admitUncounted(rt)
	case 8, 9:
		m.end(rt)
	case 10:
		m.leave(rt)
	case 11, 12:
		m.settle(rt, m.charge(rt))
	case 13:
		m.settle(rt, gateway.Charge{}) // it is refunded
	case 14:
		m.settleAgain(rt)
	case 15:
		m.loseSettlement(rt)
	case 16:
		m.reconcile(rt)
	case 17:
		m.flush(rt)
	case 18, 19:
		pass := []time.Duration{time.Second, 20 * time.Second, 61 * time.Second, 25 * time.Hour}
		m.now = m.now.Add(rapid.SampledFrom(pass).Draw(rt, "later"))
	}
}

func (m *model) ask(rt *rapid.T) gateway.Ask {
	subject := rapid.SampledFrom([]string{"ann", "bob"}).Draw(rt, "subject")
	return gateway.Ask{
		ID: idAt(m.now), Subject: subject, Window: gateway.DayWindow(m.now.Add(m.shift), berlin(rt)), At: m.now,
		Class:  rapid.SampledFrom([]string{"", "dear", "cheap"}).Draw(rt, "class"),
		Charge: gateway.Charge{Requests: 1, Tokens: rapid.Int64Range(0, 9).Draw(rt, "tokens")}, Limits: m.limits[subject],
	}
}

func (m *model) reserve(rt *rapid.T) {
	a := m.ask(rt)
	m.touch(a.Subject, a.Window)
	use := m.use(a.Subject, a.Window)
	want := a.Limits.Admit(use, a.Class, a.Charge)
	got, refusal, err := m.q.Reserve(rt.Context(), a)
	if err != nil || refusal != want {
		rt.Fatalf("reserve = %q, %v; want %q with %+v", refusal, err, want, use)
	}
	if refusal == gateway.Admitted {
		m.source.stage(a)
		m.requests = append(m.requests, &request{
			Ask: a, counted: a.Charge, open: true, minute: a.Limits.PerMinute >= 0, place: a.At.Add(place),
		})
	}
	m.sameUse(rt, a, got)
}

// sameUse compares the use that a reservation was answered with: of the day, of its class, and of what is limited.
func (m *model) sameUse(rt *rapid.T, a gateway.Ask, got gateway.Use) {
	want := m.use(a.Subject, a.Window)
	if got.Day != want.Day || got.Classes[a.Class] != want.Classes[a.Class] {
		rt.Fatalf("use = %+v, want %+v", got, want)
	}
	if a.Limits.PerMinute >= 0 && (got.Minute != want.Minute || !got.MinuteFree.Equal(want.MinuteFree)) {
		rt.Fatalf("minute = %d, free at %v; want %d, at %v", got.Minute, got.MinuteFree, want.Minute, want.MinuteFree)
	}
	if a.Limits.Concurrent >= 0 && got.Running != want.Running {
		rt.Fatalf("running = %d, want %d", got.Running, want.Running)
	}
}

// askAgain changes nothing, unless others passed meanwhile that were not counted: then the request is one too many.
func (m *model) askAgain(rt *rapid.T) {
	r := m.pick(rt, func(r *request) bool {
		return r.open && !r.left && !m.source.requests[r.ID].Ended && m.isWarm(r.Subject, r.Window)
	})
	if r == nil {
		return
	}
	r.At = m.now
	want, use := gateway.Admitted, m.use(r.Subject, r.Window)
	switch most := r.Limits.Of(r.Class).Requests; {
	case r.Limits.Requests >= 0 && use.Day.Requests > r.Limits.Requests:
		want = gateway.NoRequests
	case most >= 0 && use.Classes[r.Class].Requests > most:
		want = gateway.NoClassRequests
	}
	got, refusal, err := m.q.Reserve(rt.Context(), r.Ask)
	if err != nil || refusal != want {
		rt.Fatalf("asked again: %q, %v; want %q with %+v", refusal, err, want, use)
	}
	if refusal != gateway.Admitted { // it is not sent
		m.source.write(r.ID, gateway.Charge{})
		r.counted, r.open, r.minute, r.place = gateway.Charge{}, false, false, time.Time{}
		return
	}
	m.sameUse(rt, r.Ask, got)
}

// admitUncounted is a request that passes while Redis is away, and is settled when it is back.
func (m *model) admitUncounted(rt *rapid.T) {
	a := m.ask(rt)
	m.source.stage(a)
	final := m.charge(rt)
	s := m.source.write(a.ID, final)
	s.Reserved = false
	settle(rt, m.q, s)
	r := &request{Ask: a, counted: final}
	m.requests = append(m.requests, r)
	if final != (gateway.Charge{}) {
		m.compare(r)
	}
}

func (m *model) end(rt *rapid.T) {
	r := m.pick(rt, func(r *request) bool { return r.open && !m.source.requests[r.ID].Ended })
	if r != nil {
		m.source.end(r.ID, m.charge(rt))
		m.giveBackPlace(rt, r)
	}
}

// leave is a process that gives a place back and dies before the outcome is on record.
func (m *model) leave(rt *rapid.T) {
	if r := m.pick(rt, func(r *request) bool { return r.open }); r != nil {
		m.giveBackPlace(rt, r)
	}
}

func (m *model) giveBackPlace(rt *rapid.T, r *request) {
	if err := m.q.Leave(rt.Context(), r.ID); err != nil {
		rt.Fatal(err)
	}
	if !r.left { // once; a place that is restored afterwards lapses, or ends with the settlement
		r.place, r.left = time.Time{}, true
	}
}

// settle settles a request. If it was in the ledger before, or has ended, that is what counts.
func (m *model) settle(rt *rapid.T, c gateway.Charge) {
	r := m.pick(rt, func(r *request) bool { return r.open })
	if r == nil {
		return
	}
	s := m.source.write(r.ID, c)
	settle(rt, m.q, s)
	if r.place = (time.Time{}); s.Charge.Requests == 0 {
		r.minute = false
	}
	r.counted, r.open = s.Charge, false
}

func (m *model) settleAgain(rt *rapid.T) {
	r := m.pick(rt, func(r *request) bool { return !r.open })
	if r == nil {
		return
	}
	s := m.source.write(r.ID, gateway.Charge{})
	settle(rt, m.q, s)
	m.compare(r)
}

// loseSettlement is a worker that dies between the ledger and Redis.
func (m *model) loseSettlement(rt *rapid.T) {
	r := m.pick(rt, func(r *request) bool { return r.open })
	if r != nil {
		m.source.write(r.ID, m.charge(rt))
	}
}

func (m *model) flush(rt *rapid.T) {
	m.s.flush(rt)
	clear(m.warm)
	for _, r := range m.requests {
		r.minute, r.place = false, time.Time{}
	}
}

// reconcile is of a window of any request. Nothing was wrong with it, and nothing is afterwards.
func (m *model) reconcile(rt *rapid.T) {
	r := m.pick(rt, func(*request) bool { return true })
	if r == nil {
		return
	}
	drift, err := m.q.Reconcile(rt.Context(), r.Subject, r.Window)
	if err != nil || drift != nil {
		rt.Fatalf("repaired %+v, %v", drift, err)
	}
	m.touch(r.Subject, r.Window)
}

func (m *model) check(rt *rapid.T) {
	for _, r := range m.requests {
		if !m.isWarm(r.Subject, r.Window) {
			continue // to look would warm it
		}
		want := m.use(r.Subject, r.Window)
		got, err := m.q.Use(rt.Context(), r.Subject, r.Window, "dear", "cheap")
		if err != nil || got.Day != want.Day || got.Classes["dear"] != want.Classes["dear"] || got.Classes["cheap"] != want.Classes["cheap"] {
			rt.Fatalf("%s on %v: use = %+v, %v; want %+v", r.Subject, r.Window.Start, got, err, want)
		}
	}
}

func (m *model) isWarm(subject string, w gateway.Window) bool {
	return m.warm[subject+w.Start.UTC().String()]
}

// touch warms a window, if it is cold: it, the minute and the places are filled with what the database knows.
func (m *model) touch(subject string, w gateway.Window) {
	if m.isWarm(subject, w) {
		return
	}
	m.warm[subject+w.Start.UTC().String()] = true
	for _, r := range m.requests {
		if r.Subject != subject {
			continue
		}
		e := m.source.requests[r.ID]
		if r.Window.Start.Equal(w.Start) {
			r.counted, r.open = e.counts(), !e.ledger && e.counts() != (gateway.Charge{})
		}
		if e.counts().Requests > 0 && gateway.IDTime(r.ID).After(m.now.Add(-time.Minute)) {
			r.minute = true
		}
		if !e.Ended && r.place.IsZero() {
			r.place = m.started.Add(place)
		}
	}
}

// compare is what becomes of a window that is settled twice: it is compared with the database. A cold one stays cold.
func (m *model) compare(r *request) {
	e := m.source.requests[r.ID]
	if e.counts().Requests == 0 {
		r.minute = false
	}
	r.place = time.Time{}
}

// use is what the store should say.
func (m *model) use(subject string, w gateway.Window) gateway.Use {
	use := gateway.Use{Classes: map[string]gateway.Used{}}
	var minute []time.Time
	for _, r := range m.requests {
		if r.Subject != subject {
			continue
		}
		if r.Window.Start.Equal(w.Start) {
			add(&use, r.Class, r.counted)
		}
		if at := gateway.IDTime(r.ID); r.minute && at.After(m.now.Add(-time.Minute)) {
			minute = append(minute, at)
		}
		if r.place.After(m.now) {
			use.Running++
		}
	}
	if use.Minute = int64(len(minute)); use.Minute > 0 {
		use.MinuteFree = slices.MinFunc(minute, time.Time.Compare).Add(time.Minute)
	}
	return use
}

// pick is any request of which something is so; nil if there is none.
func (m *model) pick(rt *rapid.T, is func(*request) bool) *request {
	var some []*request
	for _, r := range m.requests {
		if is(r) {
			some = append(some, r)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[rapid.IntRange(0, len(some)-1).Draw(rt, "request")]
}

func (m *model) charge(rt *rapid.T) gateway.Charge {
	return gateway.Charge{Requests: rapid.Int64Range(0, 1).Draw(rt, "requests"), Tokens: rapid.Int64Range(0, 20).Draw(rt, "tokens")}
}
