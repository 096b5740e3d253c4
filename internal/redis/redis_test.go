package redis_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/redis"
	"github.com/openova-io/llm-gateway/internal/redis/redistest"
)

// place is longer than any test runs: a place lapses when a test's clock passes its end, and not before.
const place = 24 * time.Hour

type quota = *redis.Quota

// store is a Redis of some kind.
type store struct {
	url    string
	client goredis.UniversalClient // past the gateway
}

// onEach runs a test on a server of each kind: the imitation that runs in the process, and a real one.
func onEach(t *testing.T, test func(t *testing.T, s store)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		client := goredis.NewClient(&goredis.Options{Addr: miniredis.RunT(t).Addr()})
		t.Cleanup(func() { _ = client.Close() })
		test(t, store{url: "redis://" + client.Options().Addr, client: client})
	})
	t.Run("redis-server", func(t *testing.T) {
		needServer(t)
		server := redistest.Start(t)
		test(t, store{url: server.URL(), client: server.Client()})
	})
}

// onAll is onEach, and a cluster of three real ones.
func onAll(t *testing.T, test func(t *testing.T, s store)) {
	t.Helper()
	onEach(t, test)
	t.Run("cluster", func(t *testing.T) {
		needServer(t)
		cluster := redistest.StartCluster(t, 3)
		test(t, store{url: cluster.URL(), client: cluster.Client()})
	})
}

func needServer(t *testing.T) {
	t.Helper()
	if redistest.Path() == "" {
		t.Skip("there is no redis-server, so this runs on the imitation only: make bin/tools/redis-server")
	}
}

// flush empties the store.
func (s store) flush(tb tester) {
	tb.Helper()
	empty := func(ctx context.Context, node *goredis.Client) error { return node.FlushAll(ctx).Err() }
	var err error
	switch client := s.client.(type) {
	case *goredis.ClusterClient:
		err = client.ForEachMaster(tb.Context(), empty)
	case *goredis.Client:
		err = empty(tb.Context(), client)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// tester is a *testing.T, a *testing.B or a *rapid.T.
type tester interface {
	Helper()
	Context() context.Context
	Cleanup(f func())
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func (s store) open(tb tester, source redis.Source) quota {
	tb.Helper()
	q, err := redis.Open(config.Redis{URL: s.url}, place, source)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = q.Close() })
	return q
}

// entry is a request in the database.
type entry struct {
	gateway.Reservation

	subject string
	window  gateway.Window
	outcome *gateway.Charge // nil while it runs
	ledger  bool            // it is there
}

// record is the database as far as quota goes.
type record struct {
	mu       sync.Mutex
	now      func() time.Time
	requests map[uuid.UUID]*entry
	after    func() // runs when a snapshot has been taken and before it is handed out
}

func newRecord() *record {
	return &record{now: time.Now, requests: map[uuid.UUID]*entry{}}
}

// stage puts a request on record.
func (r *record) stage(a gateway.Ask) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests[a.ID] = &entry{
		Reservation: gateway.Reservation{ID: a.ID, Class: a.Class, Charge: a.Charge}, subject: a.Subject, window: a.Window,
	}
}

// end puts the outcome of a request on record. The first one stands.
func (r *record) end(id uuid.UUID, c gateway.Charge) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.requests[id]
	if e.outcome == nil {
		e.outcome, e.Ended = &c, true
	}
	return e
}

// write moves a request to the ledger, ended with the charge if it has not ended before, and answers how it is to be settled.
func (r *record) write(id uuid.UUID, c gateway.Charge) gateway.Settlement {
	e := r.end(id, c)
	e.ledger = true
	return gateway.Settlement{ID: id, Subject: e.subject, Window: e.window, Class: e.Class, Charge: *e.outcome, Reserved: true}
}

// used is what a subject has used of a window, and of the classes in it.
func (r *record) used(subject string, w gateway.Window) gateway.Use {
	r.mu.Lock()
	defer r.mu.Unlock()
	use := gateway.Use{Classes: map[string]gateway.Used{}}
	for _, e := range r.requests {
		if e.subject == subject && e.window.Start.Equal(w.Start) {
			add(&use, e.Class, e.counts())
		}
	}
	return use
}

// counts is what a request takes from its window.
func (e *entry) counts() gateway.Charge {
	if e.outcome != nil {
		return *e.outcome
	}
	return e.Charge
}

// add adds a charge to what is used.
func add(use *gateway.Use, class string, c gateway.Charge) {
	use.Day.Requests, use.Day.Tokens = use.Day.Requests+c.Requests, use.Day.Tokens+c.Tokens
	if class != "" {
		of := use.Classes[class]
		use.Classes[class] = gateway.Used{Requests: of.Requests + c.Requests, Tokens: of.Tokens + c.Tokens}
	}
}

// Snapshot is what quota_state answers.
func (r *record) Snapshot(_ context.Context, subject string, w gateway.Window, asked []uuid.UUID) (gateway.Snapshot, error) {
	snap := r.snapshot(subject, w, asked)
	if r.after != nil {
		r.after()
	}
	return snap, nil
}

func (r *record) snapshot(subject string, w gateway.Window, asked []uuid.UUID) gateway.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	snap := gateway.Snapshot{Settled: map[string]gateway.Used{}}
	wanted := map[uuid.UUID]bool{}
	for _, id := range asked {
		wanted[id] = true
	}
	for id, e := range r.requests {
		if e.subject != subject {
			continue
		}
		if e.counts().Requests > 0 && gateway.IDTime(id).After(r.now().Add(-time.Minute)) {
			snap.Minute = append(snap.Minute, id)
		}
		if !e.Ended {
			snap.Running = append(snap.Running, id)
		}
		as := e.Reservation
		as.Charge = e.counts()
		switch here := e.window.Start.Equal(w.Start); {
		case here && e.ledger:
			sum := snap.Settled[e.Class]
			snap.Settled[e.Class] = gateway.Used{Requests: sum.Requests + as.Charge.Requests, Tokens: sum.Tokens + as.Charge.Tokens}
			if wanted[id] {
				snap.Asked = append(snap.Asked, as)
			}
		case here && as.Charge != (gateway.Charge{}):
			snap.Open = append(snap.Open, as)
		}
	}
	return snap
}

func today() gateway.Window { return gateway.DayWindow(time.Now(), time.UTC) }

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// idAt is an id of a request that came at a time.
func idAt(at time.Time) uuid.UUID {
	id := newID()
	for i, ms := 5, at.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
		id[i] = byte(ms)
	}
	return id
}

// ask is a request of ann's, now.
func ask(c gateway.Charge) gateway.Ask {
	return gateway.Ask{ID: newID(), Subject: "ann", Window: today(), Charge: c, At: time.Now(), Limits: gateway.NoLimits()}
}

// atMost are limits of requests in a day, and no others.
func atMost(n int64) gateway.Limits {
	l := gateway.NoLimits()
	l.Requests = n
	return l
}

func reserve(tb tester, q quota, a gateway.Ask) gateway.Use {
	tb.Helper()
	use, refusal, err := q.Reserve(tb.Context(), a)
	if err != nil || refusal != gateway.Admitted {
		tb.Fatalf("reserve = %q, %v", refusal, err)
	}
	return use
}

func settle(tb tester, q quota, s gateway.Settlement) {
	tb.Helper()
	if err := q.Settle(tb.Context(), s); err != nil {
		tb.Fatal(err)
	}
}

func wantUsed(tb tester, q quota, subject string, want gateway.Used) {
	tb.Helper()
	got, err := q.Use(tb.Context(), subject, today())
	if err != nil {
		tb.Fatal(err)
	}
	if got.Day != want {
		tb.Fatalf("used = %+v, want %+v", got.Day, want)
	}
}
