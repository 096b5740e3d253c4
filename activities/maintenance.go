package activities

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	closeAtOnce = 1000 // abandoned requests that are closed in one statement
	tidyAtOnce  = 2000 // rows of old batches that are deleted in one
	tidyRounds  = 25   // such statements in one sweep; the next one goes on

	// uploadAge is how long an upload may take. What its frontend has left behind by dying is given up then.
	uploadAge = 2 * time.Hour
)

// Staging is where requests are on record while they run.
type Staging interface {
	Abandoned(ctx context.Context, ttl time.Duration) ([]uuid.UUID, error)
	CloseAbandoned(ctx context.Context, instances []uuid.UUID, limit int) (int64, error)
	DropSettledDuplicates(ctx context.Context) (int64, error)
	PruneLeases(ctx context.Context) error
	EnsurePartitions(ctx context.Context) error
	Unknown(ctx context.Context, ids []uuid.UUID) ([]uuid.UUID, error)
	Settlements(ctx context.Context, ids []uuid.UUID) ([]gateway.Settlement, error)
	TidyBatches(ctx context.Context, uploadAge, retention time.Duration, limit int) (int64, error)
}

// Windows are those that are in the quota's store, with the reservations that are open in them.
type Windows interface {
	Settler
	Windows(ctx context.Context, fn func(gateway.OpenWindow) error) error
	Reconcile(ctx context.Context, subject string, w gateway.Window) (*gateway.Drift, error)
}

// Maintenance are the activities that clean up after processes that died.
type Maintenance struct {
	Staging  Staging
	Quota    Windows
	LeaseTTL time.Duration // how long a frontend's lease is given for
	LeakAge  time.Duration // a reservation this old of a request that is nowhere on record has leaked

	BatchRetention time.Duration // of a batch's results, from its end

	OnInterrupted func(n int64)         // told of requests that were closed because their frontend died
	OnDrift       func(d gateway.Drift) // told of windows that were put right
}

// Abandoned answers the frontends that have running requests and no lease. One that was cut off from the database
// for a moment looks the same: look twice.
func (m *Maintenance) Abandoned(ctx context.Context) ([]uuid.UUID, error) {
	return m.Staging.Abandoned(ctx, m.LeaseTTL)
}

// CloseAbandoned stages the outcome "interrupted" for every running request of the frontends, and answers how many
// those were. The relay settles them as it does all others.
func (m *Maintenance) CloseAbandoned(ctx context.Context, frontends []uuid.UUID) (int64, error) {
	var closed int64
	for {
		n, err := m.Staging.CloseAbandoned(ctx, frontends, closeAtOnce)
		closed += n
		m.OnInterrupted(n)
		if err != nil || n < closeAtOnce {
			return closed, err
		}
	}
}

// Tidy drops what was staged a second time, leases that have run out and batches that are past their time, makes the
// partitions of the months to come, and answers how many rows it dropped.
func (m *Maintenance) Tidy(ctx context.Context) (int64, error) {
	dropped, err := m.Staging.DropSettledDuplicates(ctx)
	if err != nil {
		return 0, err
	}
	if err := m.Staging.PruneLeases(ctx); err != nil {
		return dropped, err
	}
	for range tidyRounds {
		n, err := m.Staging.TidyBatches(ctx, uploadAge, m.BatchRetention, tidyAtOnce)
		dropped += n
		if err != nil {
			return dropped, err
		}
		if n == 0 {
			break
		}
	}
	return dropped, m.Staging.EnsurePartitions(ctx)
}
