package activities_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

var errAway = errors.New("away")

// ledger writes all but the requests in missing.
type ledger struct {
	missing map[uuid.UUID]bool
	calls   int
}

func (l *ledger) WriteLedger(_ context.Context, ids []uuid.UUID) (settlements []gateway.Settlement, err error) {
	l.calls++
	for _, id := range ids {
		if l.missing[id] {
			err = errors.New("no outcome: " + id.String())
			continue
		}
		settlements = append(settlements, gateway.Settlement{ID: id})
	}
	return settlements, err
}

// quota notes what is settled.
type quota struct {
	err     error
	settled map[uuid.UUID]gateway.Settlement
	windows []gateway.OpenWindow
	drift   map[string]*gateway.Drift
	failing map[string]error
}

func newQuota() *quota { return &quota{settled: map[uuid.UUID]gateway.Settlement{}} }

func (q *quota) Settle(_ context.Context, settlements ...gateway.Settlement) error {
	if q.err != nil {
		return q.err
	}
	for _, s := range settlements {
		q.settled[s.ID] = s
	}
	return nil
}

func (q *quota) Windows(_ context.Context, fn func(gateway.OpenWindow) error) error {
	for _, w := range q.windows {
		if err := fn(w); err != nil {
			return err
		}
	}
	return nil
}

func (q *quota) Reconcile(_ context.Context, subject string, _ gateway.Window) (*gateway.Drift, error) {
	return q.drift[subject], q.failing[subject]
}

// record is what the database knows of requests.
type record struct {
	activities.Staging
	ledger  []gateway.Settlement
	unknown []uuid.UUID
}

func (r record) Unknown(context.Context, []uuid.UUID) ([]uuid.UUID, error) { return r.unknown, nil }
func (r record) Settlements(context.Context, []uuid.UUID) ([]gateway.Settlement, error) {
	return r.ledger, nil
}

func TestWriteLedgerTellsWhatIsOnRecord(t *testing.T) {
	here, missing := uuid.New(), uuid.New()
	var told []uuid.UUID
	r := &activities.Requests{
		Ledger: &ledger{missing: map[uuid.UUID]bool{missing: true}}, Quota: newQuota(),
		OnRecord: func(ids []uuid.UUID) { told = append(told, ids...) },
	}
	s, err := r.WriteLedger(t.Context(), here)
	require.NoError(t, err)
	require.Equal(t, here, s.ID)
	_, err = r.WriteLedger(t.Context(), missing)
	require.ErrorContains(t, err, "no outcome")
	require.Equal(t, []uuid.UUID{here}, told)
}

func TestSettleManySettlesWhatCanBeThoughOneCannot(t *testing.T) {
	var ids []uuid.UUID
	for range 250 {
		ids = append(ids, uuid.New())
	}
	for name, c := range map[string]struct {
		missing map[uuid.UUID]bool
		away    error
		settled int
		err     string
	}{
		"all":                        {settled: 250},
		"all but one without an end": {missing: map[uuid.UUID]bool{ids[7]: true}, settled: 249, err: "no outcome"},
		"none: the quota is away":    {away: errAway, err: "away"},
	} {
		t.Run(name, func(t *testing.T) {
			q, l := newQuota(), &ledger{missing: c.missing}
			q.err = c.away
			env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
			env.RegisterActivity(&activities.Requests{Ledger: l, Quota: q})
			_, err := env.ExecuteActivity("SettleMany", ids)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
			} else {
				require.NoError(t, err)
			}
			require.Len(t, q.settled, c.settled)
			require.Equal(t, 3, l.calls, "every chunk reaches the ledger")
		})
	}
}

// at is a request's id of a time ago.
func at(ago time.Duration) (id uuid.UUID) {
	id = uuid.Must(uuid.NewV7())
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().Add(-ago).UnixMilli())<<16|uint64(id[6])<<8|uint64(id[7]))
	return id
}

func TestReleaseLeaked(t *testing.T) {
	leaked, settled, running, young := at(time.Hour), at(time.Hour), at(time.Hour), at(time.Second)
	day := gateway.Window{Start: time.Unix(0, 0)}
	q := newQuota()
	q.windows = []gateway.OpenWindow{
		{Subject: "s-1", Window: day, Open: []uuid.UUID{leaked, settled, running, young}},
		{Subject: "s-2", Window: day, Open: []uuid.UUID{young}},
	}
	charged := gateway.Settlement{ID: settled, Subject: "s-1", Charge: gateway.Charge{Requests: 1, Tokens: 12}, Reserved: true}
	m := &activities.Maintenance{Staging: record{ledger: []gateway.Settlement{charged}, unknown: []uuid.UUID{leaked}}, Quota: q, LeakAge: time.Minute}

	released, err := m.ReleaseLeaked(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, released)
	require.Equal(t, map[uuid.UUID]gateway.Settlement{
		leaked:  {ID: leaked, Subject: "s-1", Window: day, Reserved: true},
		settled: charged,
	}, q.settled)
}

func TestReconcileTellsWhatItPutRight(t *testing.T) {
	drift := &gateway.Drift{Subject: "low", Before: gateway.Used{Requests: 3, Tokens: 90}, After: gateway.Used{Requests: 5, Tokens: 20}, Reservations: 2}
	leaked := at(time.Hour)
	q := newQuota()
	q.windows = []gateway.OpenWindow{{Subject: "right"}, {Subject: "low", Open: []uuid.UUID{leaked}}, {Subject: "busy"}}
	q.drift = map[string]*gateway.Drift{"low": drift}
	q.failing = map[string]error{"busy": fmt.Errorf("redis: %w", gateway.ErrWindowBusy)}
	var told []gateway.Drift
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	env.RegisterActivity(&activities.Maintenance{
		Staging: record{unknown: []uuid.UUID{leaked}}, Quota: q, LeakAge: time.Minute, OnDrift: func(d gateway.Drift) { told = append(told, d) },
	})
	reconcile := func() (found activities.Reconciled, err error) {
		value, err := env.ExecuteActivity("Reconcile")
		if err == nil {
			err = value.Get(&found)
		}
		return found, err
	}
	found, err := reconcile()
	require.NoError(t, err)
	require.Equal(t, activities.Reconciled{Windows: 3, Busy: 1, Repaired: 1, Requests: 2, Tokens: 70, Reservations: 2, Released: 1}, found)
	require.Equal(t, []gateway.Drift{*drift}, told)

	q.failing["right"] = errAway
	_, err = reconcile()
	require.ErrorContains(t, err, "away")
}
