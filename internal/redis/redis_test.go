package redis_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/redis"
)

// onEach runs a test on each kind of server there is: the in-process one, and redis-server if it is installed.
func onEach(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		test(t, "redis://"+miniredis.RunT(t).Addr())
	})
	t.Run("redis-server", func(t *testing.T) {
		url := serve(t)
		if url == "" {
			t.Log("redis-server is not in PATH: tested on miniredis only")
			return
		}
		test(t, url)
	})
}

// serve starts a redis-server that ends with the test, and answers its URL; "" if there is none.
func serve(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return ""
	}
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	cmd := exec.CommandContext(tb.Context(), path, "--port", fmt.Sprint(addr.Port), "--bind", "127.0.0.1", "--save", "", "--dir", tb.TempDir())
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cmd.Wait() })
	client := goredis.NewClient(&goredis.Options{Addr: addr.String()})
	defer client.Close()
	for deadline := time.Now().Add(10 * time.Second); client.Ping(tb.Context()).Err() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("redis-server does not answer")
		}
	}
	return "redis://" + addr.String()
}

// tester is a *testing.T, a *testing.B or a *rapid.T.
type tester interface {
	Helper()
	Context() context.Context
	Cleanup(f func())
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func open(tb tester, url string, source redis.Source) *redis.Quota {
	tb.Helper()
	q, err := redis.Open(config.Redis{URL: url}, source)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = q.Close() })
	return q
}

func rawClient(tb testing.TB, url string) *goredis.Client {
	tb.Helper()
	options, err := goredis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	c := goredis.NewClient(options)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// record is the database as far as quota goes: who is open, and what is settled.
type record struct {
	mu     sync.Mutex
	open   map[uuid.UUID]gateway.Charge
	ledger map[uuid.UUID]gateway.Settlement
	after  func() // runs when a snapshot has been taken and before it is handed out
}

func newRecord() *record {
	return &record{open: map[uuid.UUID]gateway.Charge{}, ledger: map[uuid.UUID]gateway.Settlement{}}
}

func (r *record) stage(id uuid.UUID, c gateway.Charge) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[id] = c
}

func (r *record) write(s gateway.Settlement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, s.ID)
	r.ledger[s.ID] = s
}

func (r *record) settled() (u gateway.Used) {
	for _, s := range r.ledger {
		u.Requests += s.Charge.Requests
		u.Tokens += s.Charge.Tokens
	}
	return u
}

func (r *record) Snapshot(context.Context, string, gateway.Window) (gateway.Snapshot, error) {
	r.mu.Lock()
	snap := gateway.Snapshot{Settled: r.settled()}
	for id, c := range r.open {
		snap.Open = append(snap.Open, gateway.Reservation{ID: id, Charge: c})
	}
	r.mu.Unlock()
	if r.after != nil {
		r.after()
	}
	return snap, nil
}

func today() gateway.Window { return gateway.DayWindow(time.Now(), time.UTC) }

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func wantUsed(tb tester, q *redis.Quota, subject string, want gateway.Used) {
	tb.Helper()
	got, err := q.Used(tb.Context(), subject, today())
	if err != nil {
		tb.Fatal(err)
	}
	if got != want {
		tb.Fatalf("used = %+v, want %+v", got, want)
	}
}

func TestThePasswordMayComeFromElsewhereThanTheURL(t *testing.T) {
	server := miniredis.RunT(t)
	server.RequireUserAuth("gateway", "p@ss/w:rd")
	for name, cfg := range map[string]config.Redis{
		"one server":          {URL: "redis://" + server.Addr(), Username: "gateway", Password: "p@ss/w:rd"},
		"over a URL":          {URL: "redis://old:old@" + server.Addr(), Username: "gateway", Password: "p@ss/w:rd"},
		"its user in the URL": {URL: "redis://gateway@" + server.Addr(), Password: "p@ss/w:rd"},
		"a cluster":           {URL: "redis://" + server.Addr() + "?addr=" + server.Addr(), Username: "gateway", Password: "p@ss/w:rd"},
	} {
		t.Run(name, func(t *testing.T) {
			quota, err := redis.Open(cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = quota.Close() }()
			if err := quota.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
