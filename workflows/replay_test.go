package workflows_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/openova-io/llm-gateway/workflows"
)

// TestRecordedHistoriesReplay runs every history in testdata against the code of today. One that fails means that
// workflows which are under way when this version is deployed would be stuck: put the change behind
// workflow.GetVersion. TestRecordHistories makes new histories; the old ones stay.
func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			replayer := worker.NewWorkflowReplayer()
			registerAll(replayer)
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), file))
		})
	}
}

func registerAll(w interface{ RegisterWorkflow(workflow any) }) {
	for _, workflow := range []any{workflows.Request, workflows.SettleBacklog, workflows.Sweep, workflows.Reconcile, workflows.Seal, workflows.Batch} {
		w.RegisterWorkflow(workflow)
	}
}
