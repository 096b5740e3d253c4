package batch_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/batch"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// forgetful is a store in whose first commit of requests the quota is lost, and taken by another.
type forgetful struct {
	batch.Store
	w    *world
	used int64 // of the new window
	done bool
}

func (s *forgetful) Commit(ctx context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, endings []*gateway.Ending) ([]gateway.Settlement, error) {
	if len(intents) > 0 && !s.done {
		s.done = true
		s.w.redis.FlushAll()
		in := intents[0]
		_, _, err := s.w.quota.Reserve(ctx, gateway.Ask{
			ID: uuid.Must(uuid.NewV7()), Subject: in.Principal.Subject, Window: in.Window, Charge: gateway.Charge{Requests: s.used, Tokens: 1},
			At: time.Now(), Limits: gateway.NoLimits(),
		})
		s.w.check(err)
	}
	return s.Store.Commit(ctx, intents, attempts, endings)
}

func TestAnItemWhoseReservationWasLostWaitsAsIfItHadNeverBegun(t *testing.T) {
	w := newWorld(t)
	w.store = &forgetful{Store: w.db, w: w, used: 10}
	w.options.Concurrency = 1
	b := w.batch("free", 3)
	got := w.run(w.runner(), b, 3)
	if got.Left != 3 || got.Wait.Reason != gateway.WaitQuota {
		t.Errorf("%+v, want all to wait for the quota", got)
	}
	if sent, open := len(w.seen()), w.open(b); sent != 0 || open != 0 {
		t.Errorf("%d sent, %d on record as running", sent, open)
	}
}
