package activities_test

import (
	"context"
	"errors"
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
	stale   []uuid.UUID
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

func (q *quota) Stale(_ context.Context, _ time.Duration, fn func(string, gateway.Window, []uuid.UUID) error) error {
	return fn("s-1", gateway.Window{Start: time.Unix(0, 0)}, q.stale)
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

func TestReleaseLeaked(t *testing.T) {
	leaked, settled, running := uuid.New(), uuid.New(), uuid.New()
	q := newQuota()
	q.stale = []uuid.UUID{leaked, settled, running}
	charged := gateway.Settlement{ID: settled, Subject: "s-1", Charge: gateway.Charge{Requests: 1, Tokens: 12}, Reserved: true}
	m := &activities.Maintenance{Staging: record{ledger: []gateway.Settlement{charged}, unknown: []uuid.UUID{leaked}}, Quota: q}

	released, err := m.ReleaseLeaked(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, released)
	require.Equal(t, map[uuid.UUID]gateway.Settlement{
		leaked:  {ID: leaked, Subject: "s-1", Window: gateway.Window{Start: time.Unix(0, 0)}, Reserved: true},
		settled: charged,
	}, q.settled)
}
