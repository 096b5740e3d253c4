package activities_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// running puts a batch of four items on record that run: one has its result, and one was sent by a worker that died.
func (o *office) running(e gateway.Endpoint) (batch, sent uuid.UUID) {
	o.t.Helper()
	batch = o.accepted(func(b *gateway.Batch) { b.Endpoint = e }, "done", "sent", "waits", "waits too")
	require.NoError(o.t, o.call(nil, o.steps.Begin, batch))
	intent := func(n int) *gateway.Intent {
		return &gateway.Intent{
			ID: uuid.Must(uuid.NewV7()), Instance: uuid.New(), AdmittedAt: time.Now(), Principal: petra(), Endpoint: e, Dialect: e.Dialect(),
			ModelRequested: "m", Target: gateway.Target{Backend: "b", Model: "m"}, Window: gateway.DayWindow(time.Now(), time.UTC),
			Charge: gateway.Charge{Requests: 1, Tokens: 7}, Cost: 9, Reserved: true, Body: o.bodies.Body([]byte("{}")),
			Item: gateway.ItemRef{Batch: batch, N: n},
		}
	}
	done, open := intent(0), intent(1)
	_, err := o.Commit(o.t.Context(), []*gateway.Intent{done, open}, nil, nil)
	require.NoError(o.t, err)
	_, err = o.Commit(o.t.Context(), nil, nil, []*gateway.Ending{{
		Result:  gateway.ItemResult{ItemRef: done.Item, CustomID: "done", State: gateway.ItemSucceeded, Line: o.bodies.Body([]byte(`"done"`))},
		Outcome: &gateway.Outcome{ID: done.ID, Status: gateway.Completed, Attempts: 1, Usage: gateway.Usage{Input: 5, Output: 2}, Cost: 4, Charge: done.Charge, EndedAt: time.Now()},
	}})
	require.NoError(o.t, err)
	return batch, open.ID
}

func (o *office) results(id uuid.UUID) string {
	o.t.Helper()
	var all strings.Builder
	require.NoError(o.t, o.Results(o.t.Context(), id, gateway.AllResults, func(line gateway.Body) error {
		text, err := o.bodies.Open(nil, line)
		fmt.Fprintf(&all, "%s\n", text)
		return err
	}))
	return all.String()
}

func TestCloseGivesEveryItemItsResult(t *testing.T) {
	o := newOffice(t)
	const lost = "The gateway stopped while the request was running; whether the model answered is not known."
	for name, c := range map[string]struct {
		endpoint gateway.Endpoint
		end      gateway.BatchEnd
		want     string // of the items; %[1]s is the id of the one that was sent
	}{
		"Anthropic, canceled": {gateway.Messages, gateway.BatchCanceled, `"done"
{"custom_id":"sent","result":{"type":"errored","error":{"type":"error","error":{"type":"api_error","message":"` + lost + `"},"request_id":"%[1]s"}}}
{"custom_id":"waits","result":{"type":"canceled"}}
{"custom_id":"waits too","result":{"type":"canceled"}}
`},
		"Anthropic, expired": {gateway.Messages, gateway.BatchExpired, `"done"
{"custom_id":"sent","result":{"type":"errored","error":{"type":"error","error":{"type":"api_error","message":"` + lost + `"},"request_id":"%[1]s"}}}
{"custom_id":"waits","result":{"type":"expired"}}
{"custom_id":"waits too","result":{"type":"expired"}}
`},
		"OpenAI, canceled": {gateway.Chat, gateway.BatchCanceled, `"done"
{"id":"batch_req_%[2]s","custom_id":"sent","response":{"status_code":500,"request_id":"%[1]s","body":{"error":{"message":"` + lost + `","type":"server_error","param":null,"code":null}}},"error":null}
{"id":null,"custom_id":"waits","response":null,"error":{"code":"batch_cancelled","message":"The batch was cancelled before this request was sent."}}
{"id":null,"custom_id":"waits too","response":null,"error":{"code":"batch_cancelled","message":"The batch was cancelled before this request was sent."}}
`},
	} {
		t.Run(name, func(t *testing.T) {
			clear(o.quota.settled)
			id, sent := o.running(c.endpoint)
			for range 2 {
				require.NoError(t, o.call(nil, o.steps.Close, id, c.end))
			}
			require.Equal(t, fmt.Sprintf(strings.ReplaceAll(c.want, "%[2]s", strings.ReplaceAll(sent.String(), "-", "")), sent), o.results(id))
			require.Len(t, o.quota.settled, 1)
			require.Equal(t, gateway.Charge{Requests: 1, Tokens: 7}, o.quota.settled[sent].Charge, "what was sent is charged as it was reserved")

			var s activities.BatchSummary
			for range 2 {
				require.NoError(t, o.call(&s, o.steps.End, id, c.end))
			}
			require.Equal(t, c.end, s.End)
			left := activities.BatchCounts{Total: 4, Succeeded: 1, Errored: 1, Canceled: 2}
			if c.end == gateway.BatchExpired {
				left.Canceled, left.Expired = 0, 2
			}
			require.Equal(t, left, s.Counts)
			require.EqualValues(t, 2, s.Usage.OutputTokens)
			require.InDelta(t, 13e-9, s.Usage.Cost, 1e-12)
			require.NotEmpty(t, s.OutputFile)
			require.NotEmpty(t, s.ErrorFile)
			require.False(t, s.EndedAt.IsZero())
			b, err := o.Batch(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, c.end == gateway.BatchCanceled, !b.CancelRequestedAt.IsZero())
		})
	}
}

func TestCloseTakesBackWhatBackendsHaveWhileItCanStillBePutOnRecord(t *testing.T) {
	o := newOffice(t)
	id, _ := o.running(gateway.Messages)
	asked := 0
	o.steps.Runner = runner{recall: func(id uuid.UUID) error {
		asked++
		b, err := o.Batch(t.Context(), id)
		require.Equal(t, gateway.BatchRunning, b.State)
		return err
	}}
	require.NoError(t, o.call(nil, o.steps.Close, id, gateway.BatchExpired))
	require.Equal(t, 1, asked)
}

func TestCloseGoesOnThoughTheQuotaIsAway(t *testing.T) {
	o := newOffice(t)
	id, sent := o.running(gateway.Messages)
	o.quota.err = errAway
	require.NoError(t, o.call(nil, o.steps.Close, id, gateway.BatchExpired))
	settlements, err := o.Settlements(t.Context(), []uuid.UUID{sent})
	require.NoError(t, err)
	require.Len(t, settlements, 1, "the sweep finds it in the ledger")
}

func TestCloseTakesManyItemsInPieces(t *testing.T) {
	o := newOffice(t)
	text, _ := lines(1100)
	id := o.fromFile(o.upload(text, 100_000))
	require.NoError(t, o.call(nil, o.steps.Begin, id))
	o.steps.Store = &stumbling{office: o}
	require.ErrorContains(t, o.call(nil, o.steps.Close, id, gateway.BatchExpired), "away")
	require.NoError(t, o.call(nil, o.steps.Close, id, gateway.BatchExpired))
	var s activities.BatchSummary
	require.NoError(t, o.call(&s, o.steps.End, id, gateway.BatchExpired))
	require.Equal(t, activities.BatchCounts{Total: 1100, Expired: 1100}, s.Counts)
}

// stumbling fails at its third commit.
type stumbling struct {
	*office
	commits int
}

func (s *stumbling) Commit(ctx context.Context, in []*gateway.Intent, at []*gateway.Attempt, endings []*gateway.Ending) ([]gateway.Settlement, error) {
	if s.commits++; s.commits == 3 {
		return nil, errAway
	}
	return s.office.Commit(ctx, in, at, endings)
}
