package redis_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestAThousandAtOnceAgainstALimitOfTenAdmitTen(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		source := newRecord()
		quotas := []quota{open(t, url, source), open(t, url, source), open(t, url, source)}
		var admitted, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				_, refusal, err := quotas[i%3].Reserve(t.Context(), "ann", today(), gateway.Limits{Requests: 10, Tokens: -1}, newID(), gateway.Charge{Requests: 1})
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
	onEach(t, func(t *testing.T, url string) {
		source := newRecord()
		source.stage(newID(), gateway.Charge{Requests: 1, Tokens: 7})
		source.write(gateway.Settlement{ID: newID(), Charge: gateway.Charge{Requests: 2, Tokens: 30}})
		q := open(t, url, source)
		wantUsed(t, q, "ann", gateway.Used{Requests: 3, Tokens: 37})

		ttl := rawClient(t, url).TTL(t.Context(), "quota:{ann}:"+today().Start.Format("20060102T1504Z")).Val()
		want := time.Until(today().Reset.Add(48 * time.Hour))
		if d := want - ttl; d > 2*time.Second || d < -2*time.Second {
			t.Errorf("the window is kept for %v, want %v", ttl, want)
		}
	})
}

func TestWithoutItsSourceAColdWindowIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		away := errors.New("the database is away")
		q := open(t, url, failing{away})
		_, _, err := q.Reserve(t.Context(), "ann", today(), gateway.Limits{Requests: 1}, newID(), gateway.Charge{Requests: 1})
		if !errors.Is(err, away) {
			t.Fatalf("error = %v, want %v", err, away)
		}
	})
}

func TestARequestReservedAgainTakesNothingMore(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		q := open(t, url, newRecord())
		id := newID()
		for range 3 {
			used, refusal, err := q.Reserve(t.Context(), "ann", today(), gateway.Limits{Requests: 1, Tokens: 5}, id, gateway.Charge{Requests: 1, Tokens: 5})
			if err != nil || refusal != gateway.Admitted || used != (gateway.Used{Requests: 1, Tokens: 5}) {
				t.Fatalf("reserve = %+v %q %v", used, refusal, err)
			}
		}
	})
}

func TestLargeNumbersStayExact(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		q, id := open(t, url, newRecord()), newID()
		c := gateway.Charge{Requests: 1, Tokens: 1 << 50}
		for _, id := range []uuid.UUID{id, newID()} {
			if _, _, err := q.Reserve(t.Context(), "ann", today(), gateway.Limits{Requests: -1, Tokens: -1}, id, c); err != nil {
				t.Fatal(err)
			}
		}
		c.Tokens++
		if err := q.Settle(t.Context(), gateway.Settlement{ID: id, Subject: "ann", Window: today(), Charge: c, Reserved: true}); err != nil {
			t.Fatal(err)
		}
		wantUsed(t, q, "ann", gateway.Used{Requests: 2, Tokens: 1<<51 + 1})
	})
}

func TestSubjectsMayContainAnything(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		q := open(t, url, newRecord())
		subjects := []string{"ann", "a}b", "{a}:b", "a b", "a+b", "a%7Db", "*", "héllo", "", "x:late", "\x00\n\xff"}
		for i, s := range subjects {
			w := today()
			old := uuid.Must(uuid.NewV7())
			old[0], old[1] = 0, 1 // made in 1970
			if _, _, err := q.Reserve(t.Context(), s, w, gateway.Limits{Requests: -1, Tokens: -1}, old, gateway.Charge{Requests: 1, Tokens: int64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		seen := map[string]bool{}
		err := q.Stale(t.Context(), time.Hour, func(s string, w gateway.Window, ids []uuid.UUID) error {
			if !w.Start.Equal(today().Start) || !w.Reset.Equal(today().Reset) || len(ids) != 1 {
				t.Errorf("%q: window %v, %d reservations", s, w, len(ids))
			}
			seen[s] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range subjects {
			if !seen[s] {
				t.Errorf("the reservation of %q was not found", s)
			}
			wantUsed(t, q, s, gateway.Used{Requests: 1, Tokens: int64(i)})
		}
	})
}

func TestStaleNamesOldReservationsOnly(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		q := open(t, url, newRecord())
		if _, _, err := q.Reserve(t.Context(), "ann", today(), gateway.Limits{Requests: 9, Tokens: 9}, newID(), gateway.Charge{Requests: 1}); err != nil {
			t.Fatal(err)
		}
		for olderThan, want := range map[time.Duration]int{time.Hour: 0, -time.Minute: 1} {
			var found int
			err := q.Stale(t.Context(), olderThan, func(_ string, _ gateway.Window, ids []uuid.UUID) error {
				found += len(ids)
				return nil
			})
			if err != nil || found != want {
				t.Errorf("older than %v: %d, %v; want %d", olderThan, found, err, want)
			}
		}
	})
}

func TestAnEmptiedRedisIsAMereMiss(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		source, id := newRecord(), newID()
		q, c := open(t, url, source), gateway.Charge{Requests: 1, Tokens: 10}
		if _, _, err := q.Reserve(t.Context(), "ann", today(), gateway.Limits{Requests: 5, Tokens: -1}, id, c); err != nil {
			t.Fatal(err)
		}
		source.stage(id, c)
		client := rawClient(t, url)
		client.FlushAll(t.Context())
		client.ScriptFlush(t.Context())
		wantUsed(t, q, "ann", gateway.Used{Requests: 1, Tokens: 10})

		s := gateway.Settlement{ID: id, Subject: "ann", Window: today(), Charge: gateway.Charge{Requests: 1, Tokens: 4}, Reserved: true}
		source.write(s)
		client.ScriptFlush(t.Context())
		for range 2 {
			if err := q.Settle(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			wantUsed(t, q, "ann", gateway.Used{Requests: 1, Tokens: 4})
		}
	})
}

func BenchmarkReserve(b *testing.B) {
	url := serve(b)
	if url == "" {
		b.Skip("redis-server is not in PATH")
	}
	q := open(b, url, newRecord())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := q.Reserve(b.Context(), "ann", today(), gateway.Limits{Requests: -1, Tokens: -1}, newID(), gateway.Charge{Requests: 1, Tokens: 100}); err != nil {
			b.Fatal(err)
		}
	}
}
