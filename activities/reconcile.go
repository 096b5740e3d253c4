package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Reconciled is what a comparison of the quota's store with the record came to.
type Reconciled struct {
	Windows      int   // that were compared
	Busy         int   // that changed too fast to be compared; the next comparison will tell
	Repaired     int   // that were wrong
	Requests     int64 // by which they were wrong in all, up or down
	Tokens       int64 // the same
	Reservations int   // that were missing or wrong
	Released     int   // reservations that nobody was going to settle
}

// ReleaseLeaked looks at reservations that have been open for long. It gives back those of requests that were never
// admitted, and settles those of requests the ledger has; requests that still run keep theirs. It answers how many
// it released.
func (m *Maintenance) ReleaseLeaked(ctx context.Context) (int, error) {
	var released int
	err := m.Quota.Windows(ctx, func(w gateway.OpenWindow) error {
		n, err := m.release(ctx, w)
		released += n
		return err
	})
	return released, err
}

func (m *Maintenance) release(ctx context.Context, w gateway.OpenWindow) (int, error) {
	before := time.Now().Add(-m.LeakAge)
	old := slices.DeleteFunc(w.Open, func(id uuid.UUID) bool { return !gateway.IDTime(id).Before(before) })
	if len(old) == 0 {
		return 0, nil
	}
	// Settled first: a request may reach the ledger between the two questions, but never leave it.
	settlements, err := m.Staging.Settlements(ctx, old)
	if err != nil {
		return 0, err
	}
	unknown, err := m.Staging.Unknown(ctx, old)
	if err != nil {
		return 0, err
	}
	for _, id := range unknown {
		settlements = append(settlements, gateway.Settlement{ID: id, Subject: w.Subject, Window: w.Window, Reserved: true})
	}
	if len(settlements) == 0 {
		return 0, nil
	}
	return len(settlements), m.Quota.Settle(ctx, settlements...)
}

// Reconcile compares every window of the quota's store with the record, and puts right what is wrong. Requests go on
// meanwhile.
func (m *Maintenance) Reconcile(ctx context.Context) (Reconciled, error) {
	var found Reconciled
	err := m.Quota.Windows(ctx, func(w gateway.OpenWindow) error {
		released, err := m.release(ctx, w)
		if err != nil {
			return err
		}
		found.Released += released
		drift, err := m.Quota.Reconcile(ctx, w.Subject, w.Window)
		found.Windows++
		switch {
		case errors.Is(err, gateway.ErrWindowBusy):
			found.Busy++
		case err != nil:
			return err
		case drift != nil:
			found.add(drift)
			m.OnDrift(*drift)
		}
		activity.RecordHeartbeat(ctx, found)
		return nil
	})
	return found, err
}

func (r *Reconciled) add(d *gateway.Drift) {
	r.Repaired++
	r.Requests += d.Requests()
	r.Tokens += d.Tokens()
	r.Reservations += d.Reservations
}
