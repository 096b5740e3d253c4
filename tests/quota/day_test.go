package quota

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

const (
	dayUsers  = 8
	dayLength = 40 * time.Hour // of the simulated clock, beginning at noon
	dayFaults = 30 * time.Hour // Redis stays what it is from then on: what it has wrong is not forgotten
	dayStep   = 2 * time.Minute
)

// A day and a half of traffic goes by in seconds, with two midnights in Berlin, of which one begins a day of 25 hours.
// Redis is emptied and killed, frontends and workers die, settlements are lost, late and doubled. Then the sweep looks once,
// everything is compared once, and Redis is what the ledger says.
func TestAfterADayOfFaultsRedisIsTheLedger(t *testing.T) {
	d := newDay(t)
	d.live()
	before := len(d.wrong())
	d.sweep()
	found := d.reconcile()
	t.Logf("%d requests in %d windows, of which %d were wrong in the evening; the comparison found %+v", d.requests.Load(), len(d.ledger()), before, found)
	if before == 0 {
		t.Error("nothing was wrong: the day shows nothing")
	}
	d.same()
	d.withinLimits()

	t.Run("what is planted by hand is repaired by one comparison", d.plantedIsRepaired)
}

// day is the simulated clock, and the processes that live by it.
type day struct {
	*world

	zone     *time.Location
	elapsed  atomic.Int64 // nanoseconds of the simulated clock
	begin    time.Time
	wk       *worker
	requests atomic.Int64

	mu      sync.Mutex
	drifted []gateway.Drift
}

func newDay(t *testing.T) *day {
	t.Helper()
	w := newWorld(t)
	zone, err := time.LoadLocation("Europe/Berlin")
	w.check(err)
	d := &day{world: w, zone: zone, begin: time.Date(2026, 10, 24, 12, 0, 0, 0, zone), wk: w.worker()}
	d.wk.maintenance.OnDrift = func(drift gateway.Drift) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.drifted = append(d.drifted, drift)
	}
	return d
}

func (d *day) now() time.Time { return d.begin.Add(time.Duration(d.elapsed.Load())) }

func user(n int) string { return fmt.Sprintf("user %d", n) }

// limits are those of a user. The last one's requests pass while Redis is away.
func limits(n int) gateway.Limits {
	l := gateway.NoLimits()
	l.Open = n == dayUsers-1
	l.Requests = []int64{5, 20, 50, 100, 200, -1, 40, -1}[n]
	l.Classes = map[string]gateway.DayLimits{"dear": {Requests: []int64{2, -1, 10, 5, -1, -1, 0, -1}[n], Tokens: -1}}
	return l
}

// live has the day go by: three frontends, two workers, and what goes wrong.
func (d *day) live() {
	ctx, stop := context.WithCancel(d.t.Context())
	var processes sync.WaitGroup
	for n := range uint64(3) {
		p, rng := d.process(postgrestest.Frontend), rand.New(rand.NewPCG(n, 1))
		processes.Go(func() { d.frontend(ctx, p, rng) })
	}
	for n := range uint64(2) {
		p, rng := d.process(postgrestest.Worker), rand.New(rand.NewPCG(n, 2))
		processes.Go(func() { d.worker(ctx, p, rng) })
	}
	for rng := rand.New(rand.NewPCG(0, 3)); d.elapsed.Load() < int64(dayLength); time.Sleep(5 * time.Millisecond) {
		d.elapsed.Add(int64(dayStep))
		if d.elapsed.Load() < int64(dayFaults) {
			d.fault(rng)
		}
	}
	stop()
	processes.Wait()
}

// fault is what befalls Redis now and then.
func (d *day) fault(rng *rand.Rand) {
	switch rng.IntN(120) {
	case 0, 1:
		d.check(d.redis.Client().FlushAll(d.t.Context()).Err())
	case 2:
		d.redis.Stop()
		time.Sleep(100 * time.Millisecond)
		d.redis.Restart()
	case 3: // requests go on meanwhile, so it may find nothing wrong
		d.wk.maintenance.LeakAge = time.Hour
		_, err := run(d.wk, d.wk.maintenance.Reconcile)
		d.check(err)
	}
}

// frontend takes requests until ctx ends.
func (d *day) frontend(ctx context.Context, p process, rng *rand.Rand) {
	instance := uuid.New()
	d.note(p.db.Renew(ctx, instance, time.Hour))
	for ctx.Err() == nil {
		d.request(context.WithoutCancel(ctx), p, rng, instance)
		time.Sleep(time.Duration(rng.IntN(4)) * time.Millisecond)
	}
}

// request is one, by the steps of an exchange: reserve, put on record, ask again, send, and put the outcome on record. In
// places its frontend dies, or Redis is away.
func (d *day) request(ctx context.Context, p process, rng *rand.Rand, instance uuid.UUID) {
	in := d.intent(rng, instance)
	n := rng.IntN(dayUsers)
	in.Principal = gateway.Principal{Subject: user(n), User: user(n), Tier: "pro"}
	a := gateway.Ask{
		ID: in.ID, Subject: in.Principal.Subject, Window: in.Window, Class: in.Class, Charge: in.Charge, At: in.AdmittedAt, Limits: limits(n),
	}
	_, refusal, err := p.quota.Reserve(ctx, a)
	if in.Reserved = err == nil; refusal != gateway.Admitted || err != nil && !a.Limits.Open {
		return
	}
	if rng.IntN(20) == 0 {
		return // it dies, and nobody will settle the reservation
	}
	dies := rng.IntN(20) == 0
	if dies {
		in.Instance = uuid.New() // whose lease has run out
	}
	d.note(p.db.Stage(ctx, []*gateway.Intent{in}, nil, nil))
	d.requests.Add(1)
	out := &gateway.Outcome{
		ID: in.ID, Status: gateway.Completed, HTTPStatus: 200, Target: in.Target, Attempts: 1, EndedAt: time.Now(),
		Charge: gateway.Charge{Requests: 1, Tokens: rng.Int64N(500)},
	}
	if _, refusal, err = p.quota.Reserve(ctx, a); in.Reserved && (refusal != gateway.Admitted || err != nil && !a.Limits.Open) {
		out.Status, out.Attempts, out.Charge = gateway.Failed, 0, gateway.Charge{}
	} else if dies {
		return
	}
	if rng.IntN(10) == 0 {
		out.Status, out.Charge = gateway.Failed, gateway.Charge{} // the backend did not answer
	}
	d.note(p.db.Stage(ctx, nil, nil, []*gateway.Outcome{out}))
}

func (d *day) intent(rng *rand.Rand, instance uuid.UUID) *gateway.Intent {
	at := d.now()
	return &gateway.Intent{
		ID: uuid.Must(uuid.NewV7()), Instance: instance, AdmittedAt: at, Endpoint: gateway.Messages, Dialect: gateway.Anthropic,
		ModelRequested: "a model", Target: gateway.Target{Backend: "internal", Model: "a model"},
		Window: gateway.DayWindow(at, d.zone), Class: []string{"", "", "dear", "cheap"}[rng.IntN(4)],
		Charge: gateway.Charge{Requests: 1, Tokens: rng.Int64N(300)},
	}
}

// worker writes and settles what has ended, until ctx ends.
func (d *day) worker(ctx context.Context, p process, rng *rand.Rand) {
	var later []gateway.Settlement
	for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		later = d.settle(context.WithoutCancel(ctx), p, rng, later)
	}
}

// settle takes what has ended once, and answers what is to be settled later. Some settlements it forgets, as a worker that
// dies after the ledger, some it makes twice, and those that fail it leaves for later.
func (d *day) settle(ctx context.Context, p process, rng *rand.Rand, todo []gateway.Settlement) (later []gateway.Settlement) {
	ended, err := p.db.Pending(ctx, nil, 20)
	d.note(err)
	ids := make([]uuid.UUID, len(ended))
	for i, e := range ended {
		ids[i] = e.ID
	}
	written, err := p.db.WriteLedger(ctx, ids)
	d.note(err)
	for _, s := range written {
		switch rng.IntN(12) {
		case 0:
		case 1:
			later = append(later, s)
		case 2:
			todo = append(todo, s, s)
		default:
			todo = append(todo, s)
		}
	}
	if p.quota.Settle(ctx, todo...) != nil { // Redis is away
		later = append(later, todo...)
	}
	return later
}

// note fails the test for an error, in whatever goroutine.
func (d *day) note(err error) {
	if err != nil {
		d.t.Error(err)
	}
}

// sweep closes what dead frontends left behind, has everything settled that has ended, and releases what leaked: once.
func (d *day) sweep() {
	d.t.Helper()
	ctx := d.t.Context()
	dead, err := d.wk.maintenance.Abandoned(ctx)
	d.check(err)
	_, err = d.wk.maintenance.CloseAbandoned(ctx, dead)
	d.check(err)
	_, err = d.wk.drain(ctx)
	d.check(err)
	d.wk.maintenance.LeakAge = -time.Minute // nothing runs any more
	_, err = d.wk.maintenance.ReleaseLeaked(ctx)
	d.check(err)
	if open := d.postgres.Int(d.t, `SELECT count(*) FROM intents`); open > 0 {
		d.t.Fatalf("%d requests are still open", open)
	}
}

func (d *day) reconcile() activities.Reconciled {
	d.t.Helper()
	found, err := run(d.wk, d.wk.maintenance.Reconcile)
	d.check(err)
	return found
}
