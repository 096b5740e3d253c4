package workflows_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

func TestReconcileAnswersWhatItFound(t *testing.T) {
	st := &staging{store: newStore(), stale: []uuid.UUID{uuid.New()}}
	env := newEnvironment()
	env.RegisterActivity(&activities.Maintenance{Staging: st, Quota: st, OnDrift: func(gateway.Drift) {}})
	env.ExecuteWorkflow(workflows.Reconcile)
	require.NoError(t, env.GetWorkflowError())
	var found activities.Reconciled
	require.NoError(t, env.GetWorkflowResult(&found))
	require.Equal(t, activities.Reconciled{Windows: 1, Repaired: 1, Requests: 2}, found)
}
