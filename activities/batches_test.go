package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestSubmitMakesOneBatchHoweverOftenItRuns(t *testing.T) {
	o := newOffice(t)
	s := activities.Submission{Token: "good", Endpoint: "/v1/messages", Items: inline("a", "b"), Metadata: map[string]string{"job": "7"}}
	workflow := gateway.PublicBatchID(gateway.Anthropic, o.granted)
	for range 3 {
		var id uuid.UUID
		require.NoError(t, o.call(&id, o.steps.Submit, workflow, begun(), s))
		require.Equal(t, o.granted, id)
	}
	b, err := o.Batch(t.Context(), o.granted)
	require.NoError(t, err)
	require.Equal(t, gateway.BatchValidating, b.State)
	require.Equal(t, petra(), b.Principal)
	require.Equal(t, 2, b.Total)
	require.Equal(t, workflow, b.WorkflowID)
	require.Equal(t, s.Metadata, b.Metadata)
	require.InDelta(t, 24*time.Hour, b.ExpiresAt.Sub(b.CreatedAt), float64(time.Second))
	require.Equal(t, []string{"a", "b"}, o.items(o.granted))

	var plan activities.BatchPlan
	require.NoError(t, o.call(&plan, o.steps.Load, o.granted))
	require.Equal(t, "/v1/messages", plan.Endpoint)
	require.Equal(t, 2, plan.Total)
	require.Equal(t, "batch", plan.TaskQueue)

	other := s
	other.Items = inline("a", "c")
	require.ErrorContains(t, o.call(nil, o.steps.Submit, workflow, begun(), other), "The token has been used for another batch.")
	o.server.Exec(t, `UPDATE batches SET subject = 's-2'`)
	require.ErrorContains(t, o.call(nil, o.steps.Submit, workflow, begun(), s), "The token has been used for another batch.")
	require.EqualValues(t, 1, o.server.Int(t, `SELECT count(*) FROM batches`))
}

func TestSubmitThatDiedInTheMiddleIsDoneOver(t *testing.T) {
	o := newOffice(t)
	s := activities.Submission{Token: "good", Endpoint: "/v1/messages", Items: inline("a", "b")}
	workflow := gateway.PublicBatchID(gateway.Anthropic, o.granted)
	o.steps.Store = halfway{o}
	require.ErrorContains(t, o.call(nil, o.steps.Submit, workflow, begun(), s), "away")
	o.steps.Store = o
	require.NoError(t, o.call(nil, o.steps.Submit, workflow, begun(), s))
	require.Equal(t, []string{"a", "b"}, o.items(o.granted))
}

// halfway cannot accept batches.
type halfway struct{ *office }

func (halfway) AcceptBatch(context.Context, uuid.UUID, int, []byte) error { return errAway }

func TestSubmitRefusesAndLeavesNothing(t *testing.T) {
	o := newOffice(t)
	mine, another := o.upload("{}\n", 10), o.upload("{}\n", 10)
	o.server.Exec(t, fmt.Sprintf(`UPDATE files SET subject = 's-2' WHERE id = '%s'`, another))
	for name, c := range map[string]struct {
		change func(*activities.Submission)
		err    string
	}{
		"a token that is over":        {func(s *activities.Submission) { s.Token = "old" }, "token: The token is over."},
		"a token for another dialect": {func(s *activities.Submission) { s.Endpoint = "/v1/embeddings" }, "Start the workflow with that id."},
		"no endpoint":                 {func(s *activities.Submission) { s.Endpoint = "" }, `endpoint: batches cannot be made for ""`},
		"an item twice":               {func(s *activities.Submission) { s.Items = inline("a", "a") }, `items[1].custom_id: "a" is another item's.`},
		"an item that streams":        {func(s *activities.Submission) { s.Items[0].Body = json.RawMessage(`{"stream":true}`) }, "items[0]: A batch has no streams"},
		"an item that is too long": {func(s *activities.Submission) {
			s.Items[0].Body = json.RawMessage(`{"a":"` + strings.Repeat("a", 2000) + `"}`)
		}, "over the limit of 2000"},
		"a name that cannot be stored":   {func(s *activities.Submission) { s.Items[0].CustomID = "a\x00" }, "items[0]: "},
		"metadata that cannot be stored": {func(s *activities.Submission) { s.Metadata = map[string]string{"a": "\x00"} }, "metadata"},
		"too many items":                 {func(s *activities.Submission) { s.Items = make([]activities.BatchItem, 1001) }, "Upload a file"},
		"items and a file":               {func(s *activities.Submission) { s.FileID = gateway.PublicFileID(mine) }, "use one of them"},
		"nothing to do":                  {func(s *activities.Submission) { s.Items = nil }, "the batch has none"},
		"no file's id":                   {func(s *activities.Submission) { s.Items, s.FileID = nil, "in.jsonl" }, `"in.jsonl" is no file's id`},
		"another's file":                 {func(s *activities.Submission) { s.Items, s.FileID = nil, gateway.PublicFileID(another) }, "petra has no file"},
	} {
		t.Run(name, func(t *testing.T) {
			s := activities.Submission{Token: "good", Endpoint: "/v1/messages", Items: inline("x")}
			c.change(&s)
			err := o.call(nil, o.steps.Submit, gateway.PublicBatchID(gateway.Anthropic, o.granted), begun(), s)
			require.ErrorContains(t, err, c.err)
			said, ok := errors.AsType[*temporal.ApplicationError](err)
			require.True(t, ok && said.NonRetryable(), "it is not tried again")
			require.Zero(t, o.server.Int(t, `SELECT count(*) FROM batches`))
		})
	}
	o.steps.Submissions = nil
	require.ErrorContains(t, o.call(nil, o.steps.Submit, "x", begun(), activities.Submission{}), "batch.submission_key_file")
}

func TestSubmitRefusesTheIdOfAnothersBatch(t *testing.T) {
	o := newOffice(t)
	for name, upload := range map[string]bool{"that is there": false, "that is uploaded": true} {
		t.Run(name, func(t *testing.T) {
			o.granted = uuid.Must(uuid.NewV7())
			id := o.accepted(func(b *gateway.Batch) { b.ID, b.Principal.Subject = o.granted, "s-2" }, "a")
			if upload {
				o.server.Exec(t, `UPDATE batches SET state = 'uploading'`)
			}
			err := o.call(nil, o.steps.Submit, gateway.PublicBatchID(gateway.Anthropic, id), begun(), activities.Submission{Token: "good", Endpoint: "/v1/messages", Items: inline("x")})
			require.ErrorContains(t, err, "The token has been used for another batch.")
			require.Equal(t, []string{"a"}, o.items(id))
		})
	}
}

func TestAddItemsAddsAllOrNone(t *testing.T) {
	o := newOffice(t)
	id := o.accepted(func(b *gateway.Batch) { b.Open = true }, "a")
	require.NoError(t, o.call(nil, o.steps.Begin, id))
	var total int
	for range 2 {
		require.NoError(t, o.call(&total, o.steps.AddItems, activities.AddedItems{Batch: id, From: 1, Items: inline("b", "c")}))
		require.Equal(t, 3, total)
	}
	err := o.call(&total, o.steps.AddItems, activities.AddedItems{Batch: id, From: 3, Items: inline("d", "b")})
	require.ErrorContains(t, err, `items[1].custom_id: "b" is another item's. None of the items was added.`)
	err = o.call(&total, o.steps.AddItems, activities.AddedItems{Batch: id, From: 3, Items: make([]activities.BatchItem, 18)})
	require.ErrorContains(t, err, "at most 20 items")
	require.Equal(t, []string{"a", "b", "c"}, o.items(id))

	// The workflow is terminated before it could count what was added: the next one finds it.
	require.NoError(t, o.AddItems(t.Context(), []gateway.Item{{Batch: id, N: 3, CustomID: "e", Body: o.bodies.Body([]byte("{}"))}}))
	var again activities.Begun
	require.NoError(t, o.call(&again, o.steps.Begin, id))
	require.Equal(t, activities.Begun{Total: 4}, again)

	require.NoError(t, o.call(&total, o.steps.AddItems, activities.AddedItems{Batch: id, From: 4, Close: true}))
	b, err := o.Batch(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 4, b.Total)
	require.False(t, b.Open)
}

func TestChunkTellsThatItLivesAndWhatWasDoneBefore(t *testing.T) {
	o := newOffice(t)
	id := o.accepted(func(*gateway.Batch) {}, "a", "b", "c")
	require.NoError(t, o.call(nil, o.steps.Begin, id))
	require.NoError(t, o.CloseBatch(t.Context(), id)) // so that there are results
	beats := make(chan string, 10)
	env := o.env()
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var next int
		_ = details.Get(&next)
		beats <- fmt.Sprint(next)
	})
	o.steps.Runner = runner{run: func(_ gateway.Chunk, heartbeat func(int)) (gateway.ChunkResult, error) {
		_, err := o.Commit(t.Context(), nil, nil, []*gateway.Ending{{Result: gateway.ItemResult{
			ItemRef: gateway.ItemRef{Batch: id, N: 1}, CustomID: "b", State: gateway.ItemErrored, Line: o.bodies.Body([]byte("{}")),
		}}})
		heartbeat(2)
		require.Equal(t, "2", <-beats)
		return gateway.ChunkResult{Left: 1, Next: 2, Counts: gateway.ItemCounts{Succeeded: 7}}, err
	}}
	answer, err := env.ExecuteActivity(o.steps.Chunk, gateway.Chunk{Batch: id, From: 0, To: 2})
	require.NoError(t, err)
	var result gateway.ChunkResult
	require.NoError(t, answer.Get(&result))
	require.Equal(t, gateway.ChunkResult{Left: 1, Next: 2, Counts: gateway.ItemCounts{Errored: 1}}, result)
}
