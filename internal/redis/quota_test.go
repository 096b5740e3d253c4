package redis_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/redis"
	"github.com/openova-io/llm-gateway/internal/redis/redistest"
)

var one = gateway.Charge{Requests: 1, Tokens: 10}

func TestAThousandAtOnceAgainstALimitOfTenAdmitTen(t *testing.T) {
	onAll(t, func(t *testing.T, s store) {
		source := newRecord()
		quotas := []quota{s.open(t, source), s.open(t, source), s.open(t, source)}
		var admitted, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				a := ask(gateway.Charge{Requests: 1})
				a.Limits = atMost(10)
				_, refusal, err := quotas[i%3].Reserve(t.Context(), a)
				switch {
				case err != nil:
					t.Error(err)
				case refusal == gateway.Admitted:
					admitted.Add(1)
				case refusal == gateway.NoRequests:
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if admitted.Load() != 10 || refused.Load() != 990 {
			t.Fatalf("admitted %d and refused %d, want 10 and 990", admitted.Load(), refused.Load())
		}
	})
}

func TestAColdWindowIsRestoredFromTheSource(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, open, done := newRecord(), ask(gateway.Charge{Requests: 1, Tokens: 7}), ask(one)
		source.stage(open)
		source.stage(done)
		source.write(done.ID, gateway.Charge{Requests: 2, Tokens: 30})
		q := s.open(t, source)
		wantUsed(t, q, "ann", gateway.Used{Requests: 3, Tokens: 37})

		ttl := s.client.TTL(t.Context(), "quota:{ann}:"+today().Start.Format("20060102T1504Z")).Val()
		want := time.Until(today().Reset.Add(48 * time.Hour))
		if d := want - ttl; d > time.Minute || d < -time.Minute {
			t.Errorf("the window is kept for %v, want %v", ttl, want)
		}
	})
}

type failing struct{ err error }

func (f failing) Snapshot(context.Context, string, gateway.Window, []uuid.UUID) (gateway.Snapshot, error) {
	return gateway.Snapshot{}, f.err
}

func TestWithoutItsSourceAColdWindowIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		away := errors.New("the database is away")
		q := s.open(t, failing{away})
		for range 2 { // the first leaves nothing behind that the second would wait for
			if _, _, err := q.Reserve(t.Context(), ask(one)); !errors.Is(err, away) {
				t.Fatalf("error = %v, want %v", err, away)
			}
		}
	})
}

func TestARequestReservedAgainTakesNothingMore(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		q, a := s.open(t, newRecord()), ask(gateway.Charge{Requests: 1, Tokens: 5})
		a.Class = "dear"
		a.Limits = gateway.Limits{
			DayLimits: gateway.DayLimits{Requests: 1, Tokens: 5}, PerMinute: 1, Concurrent: 1,
			Classes: map[string]gateway.DayLimits{"dear": {Requests: 1, Tokens: 5}},
		}
		for range 3 {
			use := reserve(t, q, a)
			if used := (gateway.Used{Requests: 1, Tokens: 5}); use.Day != used || use.Classes["dear"] != used || use.Minute != 1 || use.Running != 1 {
				t.Fatalf("use = %+v", use)
			}
		}
	})
}

func TestLargeNumbersStayExact(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source := newRecord()
		q, c := s.open(t, source), gateway.Charge{Requests: 1, Tokens: 1 << 50}
		first := ask(c)
		source.stage(first)
		reserve(t, q, first)
		reserve(t, q, ask(c))
		settle(t, q, source.write(first.ID, gateway.Charge{Requests: 1, Tokens: 1<<50 + 1}))
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 1<<51 + 1})
	})
}

func TestSubjectsAndClassesMayContainAnything(t *testing.T) {
	names := []string{"ann", "a}b", "{a}:b", "a b", "a+b", "a%7Db", "*", "héllo", "x:late", "minute", "\x00\n\xff", newID().String()}
	onAll(t, func(t *testing.T, s store) {
		q := s.open(t, newRecord())
		for i, name := range names {
			a := ask(gateway.Charge{Requests: 1, Tokens: int64(i)})
			a.Subject, a.Class, a.Limits.PerMinute, a.Limits.Concurrent = name, name, 5, 5
			reserve(t, q, a)
		}
		seen := map[string]int{}
		err := q.Windows(t.Context(), func(w gateway.OpenWindow) error {
			if !w.Window.Start.Equal(today().Start) || !w.Window.Reset.Equal(today().Reset) || len(w.Open) != 1 {
				t.Errorf("%q: window %v, %d reservations", w.Subject, w.Window, len(w.Open))
			}
			seen[w.Subject]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			if seen[name] != 1 {
				t.Errorf("the window of %q was found %d times", name, seen[name])
			}
			use, err := q.Use(t.Context(), name, today(), name)
			want := gateway.Used{Requests: 1, Tokens: int64(i)}
			if err != nil || use.Day != want || use.Classes[name] != want {
				t.Errorf("%q: %+v, %v", name, use, err)
			}
		}
	})
}

func TestAnEmptiedRedisIsAMereMiss(t *testing.T) {
	onEach(t, func(t *testing.T, s store) {
		source, a := newRecord(), ask(one)
		q := s.open(t, source)
		reserve(t, q, a)
		source.stage(a)
		s.flush(t)
		s.client.ScriptFlush(t.Context())
		wantUsed(t, q, "ann", gateway.Used{Requests: 1, Tokens: 10})

		settlement := source.write(a.ID, gateway.Charge{Requests: 1, Tokens: 4})
		s.client.ScriptFlush(t.Context())
		for range 2 {
			settle(t, q, settlement)
			wantUsed(t, q, "ann", gateway.Used{Requests: 1, Tokens: 4})
		}
	})
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
			quota, err := redis.Open(cfg, place, nil)
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

func BenchmarkReserve(b *testing.B) {
	if redistest.Path() == "" {
		b.Skip("there is no redis-server: make bin/tools/redis-server")
	}
	q := store{url: redistest.Start(b).URL()}.open(b, newRecord())
	b.ReportAllocs()
	for b.Loop() {
		reserve(b, q, ask(one))
	}
}
