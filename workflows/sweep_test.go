package workflows_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/workflows"
)

func TestSweep(t *testing.T) {
	dead, slow, late := uuid.New(), uuid.New(), uuid.New()
	leaked, running := uuid.MustParse("01900000-0000-7000-8000-000000000001"), uuid.MustParse("01900000-0000-7000-8000-000000000002")
	for name, c := range map[string]struct {
		staging staging
		want    workflows.Swept
		closed  []uuid.UUID
		took    time.Duration
		err     string
	}{
		"finds nothing to do but tidy up": {
			want: workflows.Swept{Dropped: 2},
		},
		"closes a frontend that is dead at both looks, all its requests": {
			staging: staging{abandoned: [][]uuid.UUID{{dead, slow}, {late, dead}}},
			want:    workflows.Swept{Closed: 1003, Dropped: 2},
			closed:  []uuid.UUID{dead, dead}, // twice, as one statement does not take all
			took:    5 * time.Second,
		},
		"leaves alone a frontend that came back": {
			staging: staging{abandoned: [][]uuid.UUID{{slow}, {}}},
			want:    workflows.Swept{Dropped: 2},
			took:    5 * time.Second,
		},
		"releases what leaked": {
			staging: staging{stale: []uuid.UUID{leaked, running}, unknown: []uuid.UUID{leaked}},
			want:    workflows.Swept{Released: 1, Dropped: 2},
		},
		"closes and tidies though the quota is away, and says so": {
			staging: staging{abandoned: [][]uuid.UUID{{dead}, {dead}}, failing: errAway},
			closed:  []uuid.UUID{dead, dead},
			took:    5 * time.Second,
			err:     "away",
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := c.staging
			st.store = newStore()
			env := newEnvironment()
			var interrupted int64
			env.RegisterActivity(&activities.Maintenance{
				Staging: &st, Quota: &st, LeaseTTL: 15 * time.Second, LeakAge: time.Minute,
				OnInterrupted: func(n int64) { interrupted += n },
			})
			begun := env.Now()
			env.ExecuteWorkflow(workflows.Sweep, workflows.SweepInput{Recheck: 5 * time.Second})
			require.True(t, env.IsWorkflowCompleted())
			require.InDelta(t, c.took, env.Now().Sub(begun), float64(time.Second))
			require.Equal(t, c.closed, st.closed)
			require.Equal(t, 2, st.tidied)
			if c.err != "" {
				require.ErrorContains(t, env.GetWorkflowError(), c.err)
				return
			}
			require.NoError(t, env.GetWorkflowError())
			var found workflows.Swept
			require.NoError(t, env.GetWorkflowResult(&found))
			require.Equal(t, c.want, found)
			require.Equal(t, found.Closed, interrupted)
			require.Len(t, st.settled, c.want.Released)
		})
	}
}
