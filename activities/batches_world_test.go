package activities_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
	compress "github.com/openova-io/llm-gateway/internal/record"
)

// office is a database with batches, and what works on them.
type office struct {
	*postgres.DB
	t        *testing.T
	server   *postgrestest.Server
	bodies   *compress.Compressor
	quota    *quota
	steps    *activities.Batches
	granted  uuid.UUID // the batch that the token "good" permits
	breakOff int       // the reading of files fails when it comes to this chunk; 0: it does not
}

func newOffice(t *testing.T) *office {
	t.Helper()
	server := postgrestest.Start(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: server.URL(postgrestest.Worker)})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	bodies, err := compress.NewCompressor()
	require.NoError(t, err)
	o := &office{DB: db, t: t, server: server, bodies: bodies, quota: newQuota(), granted: uuid.Must(uuid.NewV7())}
	o.steps = &activities.Batches{
		Store: o, Quota: o.quota, Runner: runner{}, Submissions: o, Bodies: bodies,
		Limits: activities.BatchLimits{Items: 20, Lines: 2000, Line: 2000, Window: 24 * time.Hour},
		Pace:   func(*gateway.Batch) activities.BatchPace { return activities.BatchPace{TaskQueue: "batch", Chunk: 100} },
	}
	return o
}

func petra() gateway.Principal { return gateway.Principal{Subject: "s-1", User: "petra", Tier: "pro"} }

// Verify implements activities.Submissions.
func (o *office) Verify(token string, started time.Time) (uuid.UUID, gateway.Principal, error) {
	if token != "good" || !started.Equal(begun()) {
		return uuid.Nil, gateway.Principal{}, &gateway.Error{Code: gateway.Unauthenticated, Message: "The token is over."}
	}
	return o.granted, petra(), nil
}

// begun is when workflows are started.
func begun() time.Time { return time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC) }

// FileChunks breaks off where the test wants it.
func (o *office) FileChunks(ctx context.Context, id uuid.UUID, from int, fn func(int, gateway.Body) error) error {
	return o.DB.FileChunks(ctx, id, from, func(n int, chunk gateway.Body) error {
		if o.breakOff > 0 && n >= o.breakOff {
			return errAway
		}
		return fn(n, chunk)
	})
}

// env runs activities.
func (o *office) env() *testsuite.TestActivityEnvironment {
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	env.RegisterActivity(o.steps)
	return env
}

// call runs an activity and stores what it answers in out, unless that is nil.
func (o *office) call(out, activity any, args ...any) error {
	answer, err := o.env().ExecuteActivity(activity, args...)
	if err == nil && out != nil {
		err = answer.Get(out)
	}
	return err
}

// upload puts a file on record, in pieces of so many bytes.
func (o *office) upload(text string, piece int) uuid.UUID {
	o.t.Helper()
	f := &gateway.File{ID: uuid.Must(uuid.NewV7()), Subject: "s-1", Name: "in.jsonl", Purpose: gateway.FileForBatch, CreatedAt: time.Now()}
	require.NoError(o.t, o.CreateFile(o.t.Context(), f))
	for n := 0; n*piece < len(text); n++ {
		require.NoError(o.t, o.AddFileChunk(o.t.Context(), f.ID, n, o.bodies.Body([]byte(text[n*piece:min((n+1)*piece, len(text))]))))
	}
	require.NoError(o.t, o.FinishFile(o.t.Context(), f.ID, int64(len(text))))
	return f.ID
}

// accepted puts a batch on record that waits for its workflow.
func (o *office) accepted(change func(*gateway.Batch), names ...string) uuid.UUID {
	o.t.Helper()
	b := &gateway.Batch{
		ID: uuid.Must(uuid.NewV7()), Principal: petra(), Endpoint: gateway.Messages, State: gateway.BatchUploading,
		CreatedAt: time.Now(), ExpiresAt: time.Now().Add(24 * time.Hour),
	}
	change(b)
	b.WorkflowID = b.PublicID()
	require.NoError(o.t, o.CreateBatch(o.t.Context(), b))
	var items []gateway.Item
	for n, name := range names {
		items = append(items, gateway.Item{Batch: b.ID, N: n, CustomID: name, Body: o.bodies.Body([]byte(`{}`))})
	}
	require.NoError(o.t, o.AddItems(o.t.Context(), items))
	require.NoError(o.t, o.AcceptBatch(o.t.Context(), b.ID, len(items), nil))
	return b.ID
}

// items are the custom ids of a batch's items, in order.
func (o *office) items(id uuid.UUID) (names []string) {
	o.t.Helper()
	all, err := o.Unfinished(o.t.Context(), id, 0, 10_000)
	require.NoError(o.t, err)
	for n, e := range all {
		require.Equal(o.t, n, e.Result.N)
		names = append(names, e.Result.CustomID)
	}
	return names
}

func inline(names ...string) (items []activities.BatchItem) {
	for _, name := range names {
		items = append(items, activities.BatchItem{CustomID: name, Body: json.RawMessage(`{"model":"claude-haiku-5-5","messages":[]}`)})
	}
	return items
}

// runner works on items as the test says.
type runner struct {
	run    func(c gateway.Chunk, heartbeat func(int)) (gateway.ChunkResult, error)
	recall func(id uuid.UUID) error // nil: there is nothing to recall
}

func (r runner) Run(_ context.Context, c gateway.Chunk, _ <-chan struct{}, heartbeat func(int)) (gateway.ChunkResult, error) {
	return r.run(c, heartbeat)
}

func (r runner) Recall(_ context.Context, id uuid.UUID) error {
	if r.recall == nil {
		return nil
	}
	return r.recall(id)
}
