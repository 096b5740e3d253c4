package quota

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	seeds = 50
	limit = 10 // requests a day, of the tier free
	crowd = 1000
)

func TestAThousandAtOnceAgainstALimitOfTenSendTen(t *testing.T) {
	for name, flush := range map[string]bool{"": false, "with Redis flushed in the middle": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m, url := w.model()
			admin := w.redis.Client()
			var admissions, at atomic.Int64 // as which of them Redis is flushed, before anybody learns of it
			frontends, worker := w.frontends(3, url, func() {
				if admissions.Add(1) != at.Load() {
					return
				}
				if err := admin.FlushAll(t.Context()).Err(); err != nil {
					t.Error(err)
				}
			}), w.worker()
			for seed := range uint64(seeds) {
				subject := fmt.Sprintf("seed %d", seed)
				rng := rand.New(rand.NewPCG(seed, 0))
				admissions.Store(0)
				if flush {
					at.Store(1 + rng.Int64N(2*limit)) // each is admitted twice
				}
				var answered, refused atomic.Int64
				var wg sync.WaitGroup
				for i := range crowd {
					wg.Go(func() {
						err := frontends[i%len(frontends)].ask(t.Context(), subject)
						switch {
						case err == nil:
							answered.Add(1)
						case isSpent(err):
							refused.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if answered.Load() != limit || refused.Load() != crowd-limit || m.seen(subject) != limit {
					t.Errorf("%s: %d answered, %d refused, %d sent; want %d, %d, %d", subject, answered.Load(), refused.Load(), m.seen(subject), limit, crowd-limit, limit)
				}
				if _, err := worker.drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.inLedger(worker, subject)
			}
		})
	}
}

func isSpent(err error) bool {
	var e *gateway.Error
	return errors.As(err, &e) && e.Code == gateway.QuotaSpent
}

// inLedger holds the ledger of a subject against the limit, and Redis against the ledger. What was on record and not sent
// has taken nothing.
func (w *world) inLedger(worker *worker, subject string) {
	w.t.Helper()
	charged := w.postgres.Int(w.t, `SELECT coalesce(sum(charge_requests), 0)::bigint FROM ledger WHERE subject = $1`, subject)
	tokens := w.postgres.Int(w.t, `SELECT coalesce(sum(charge_tokens), 0)::bigint FROM ledger WHERE subject = $1`, subject)
	completed := w.postgres.Int(w.t, `SELECT count(*) FROM ledger WHERE subject = $1 AND status = 'completed'`, subject)
	if charged != limit || completed != limit {
		w.t.Errorf("%s: the ledger charges %d requests and has %d completed; want %d", subject, charged, completed, limit)
	}
	use, err := worker.quota.Use(w.t.Context(), subject, gateway.DayWindow(time.Now(), time.UTC))
	w.check(err)
	if want := (gateway.Used{Requests: charged, Tokens: tokens}); use.Day != want {
		w.t.Errorf("%s: Redis has %+v, the ledger %+v", subject, use.Day, want)
	}
}
