package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/workflows"
)

// office is a record of one batch, and a worker for its items.
type office struct {
	activities.BatchStore // what is not faked is not called

	mu      sync.Mutex
	now     func() time.Time
	queue   string // of its chunks
	batch   gateway.Batch
	items   []string                  // by their custom ids
	results map[int]gateway.ItemState // by the item's place
	waits   []gateway.Wait            // that were put on record, in order
	chunks  []gateway.Chunk           // that were worked on, in order
	busy    int                       // of those, at once at present
	busiest int                       // at most
	flaky   bool                      // every fifth call fails
	calls   int                       // of those that may
	asked   int                       // how often a token was looked at
	ending  func()                    // is called when the batch is to end; nil: nothing is
	holding func()                    // the same, when it waits for something
	adding  func() error              // the same, when items are added; they are not if it fails
	found   map[string]any            // the workflow's search attributes
	linger  bool                      // chunks end when they are told to stop, and not before
	// work says how many of a chunk's unfinished items succeed now, and what the rest waits for; nil: all succeed.
	work func(c gateway.Chunk) (int, gateway.Wait, error)
}

func newOffice(items int) *office {
	o := &office{queue: "batch", results: map[int]gateway.ItemState{}, found: map[string]any{}, batch: gateway.Batch{
		ID: requestID(), Principal: gateway.Principal{Subject: "s-1", User: "petra", Tier: "pro"}, Endpoint: gateway.Messages,
		State: gateway.BatchValidating, Total: items,
	}}
	for i := range items {
		o.items = append(o.items, fmt.Sprint("i-", i))
	}
	return o
}

// environment runs a Batch against the office.
func (o *office) environment() *testsuite.TestWorkflowEnvironment {
	env := newEnvironment()
	env.SetStartTime(time.Date(2026, 3, 9, 18, 0, 0, 0, time.UTC))
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // the machine may be busy
	o.now, o.batch.WorkflowID = env.Now, o.batch.PublicID()
	if o.batch.ExpiresAt.IsZero() {
		o.batch.ExpiresAt = env.Now().Add(24 * time.Hour)
	}
	env.OnUpsertTypedSearchAttributes(mock.MatchedBy(func(changed temporal.SearchAttributes) bool {
		for key, value := range changed.GetUntypedValues() {
			o.found[key.GetName()] = value
		}
		return true
	})).Return(nil)
	env.RegisterActivity(o.activities())
	return env
}

func (o *office) activities() *activities.Batches {
	return &activities.Batches{
		Store: o, Quota: newStore(), Runner: o, Submissions: o, Bodies: plain{},
		Limits: activities.BatchLimits{Items: 100, Lines: 100, Line: 1000, Window: 24 * time.Hour},
		Pace: func(*gateway.Batch) activities.BatchPace {
			return activities.BatchPace{TaskQueue: o.queue, Chunk: 10, Chunks: 4, Recheck: time.Hour}
		},
	}
}

// run runs the batch to its end.
func (o *office) run(t *testing.T, env *testsuite.TestWorkflowEnvironment) activities.BatchSummary {
	t.Helper()
	env.ExecuteWorkflow(workflows.Batch, workflows.BatchInput{ID: o.batch.ID})
	return summary(t, env)
}

func summary(t *testing.T, env *testsuite.TestWorkflowEnvironment) (s activities.BatchSummary) {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, env.GetWorkflowResult(&s))
	return s
}

// Run implements activities.Runner.
func (o *office) Run(ctx context.Context, c gateway.Chunk, _ <-chan struct{}, heartbeat func(int)) (gateway.ChunkResult, error) {
	o.mu.Lock()
	o.chunks = append(o.chunks, c)
	o.busy++
	o.busiest = max(o.busiest, o.busy)
	work := o.work
	o.mu.Unlock()
	defer o.set(func() { o.busy-- })
	heartbeat(c.From)
	able, result := c.To-c.From, gateway.ChunkResult{Next: c.To}
	if work != nil {
		var err error
		if able, result.Wait, err = work(c); err != nil {
			return result, err
		}
	}
	if o.linger {
		<-ctx.Done()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := c.From; n < c.To; n++ {
		switch {
		case o.results[n] != "":
		case able > 0:
			o.results[n] = gateway.ItemSucceeded
			able--
		default:
			result.Left++
			result.Next = min(result.Next, n)
		}
	}
	return result, nil
}

// Recall implements activities.Runner.
func (o *office) Recall(context.Context, uuid.UUID) error { return nil }

func (o *office) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// counts of the items from a place on, before another. The caller holds the lock.
func (o *office) counts(from, to int) (c gateway.ItemCounts) {
	for n := from; n < to; n++ {
		switch o.results[n] {
		case gateway.ItemSucceeded:
			c.Succeeded++
		case gateway.ItemErrored:
			c.Errored++
		case gateway.ItemCanceled:
			c.Canceled++
		case gateway.ItemExpired:
			c.Expired++
		}
	}
	return c
}

// fault fails a call now and then, if calls are to fail. The caller holds the lock.
func (o *office) fault() error {
	if o.calls++; o.flaky && o.calls%5 == 1 {
		return errAway
	}
	return nil
}

func (o *office) CountItems(_ context.Context, c gateway.Chunk) (gateway.ItemCounts, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts(c.From, c.To), o.fault()
}

func (o *office) Batch(_ context.Context, id uuid.UUID) (gateway.Batch, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if id != o.batch.ID || o.batch.State == gateway.BatchUploading {
		return gateway.Batch{}, gateway.ErrNotFound
	}
	b := o.batch
	b.Counts = o.counts(0, len(o.items))
	return b, o.fault()
}

func (o *office) BeginBatch(context.Context, uuid.UUID, int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batch.State = gateway.BatchRunning
	return o.fault()
}

func (o *office) HoldBatch(_ context.Context, _ uuid.UUID, w gateway.Wait) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.fault(); err != nil {
		return err
	}
	if o.holding != nil {
		o.holding()
	}
	o.waits = append(o.waits, w)
	o.batch.Wait = w
	return nil
}

func (o *office) CancelBatch(context.Context, uuid.UUID) error {
	o.set(func() { o.batch.CancelRequestedAt = o.now() })
	return nil
}

func (o *office) CloseBatch(context.Context, uuid.UUID) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batch.State = gateway.BatchClosing
	return o.fault()
}

func (o *office) Unfinished(_ context.Context, id uuid.UUID, from, limit int) (found []gateway.Ending, _ error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := from; n < len(o.items) && len(found) < limit; n++ {
		if o.results[n] == "" {
			found = append(found, gateway.Ending{Result: gateway.ItemResult{ItemRef: gateway.ItemRef{Batch: id, N: n}, CustomID: o.items[n]}})
		}
	}
	return found, nil
}

func (o *office) Commit(_ context.Context, _ []*gateway.Intent, _ []*gateway.Attempt, endings []*gateway.Ending) ([]gateway.Settlement, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range endings {
		o.results[e.Result.N] = e.Result.State
	}
	return nil, o.fault()
}

func (o *office) EndBatch(_ context.Context, _ uuid.UUID, end gateway.BatchEnd) (gateway.Batch, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending != nil {
		o.ending()
	}
	if len(o.results) != len(o.items) {
		return gateway.Batch{}, fmt.Errorf("%d of %d items have a result", len(o.results), len(o.items))
	}
	o.batch.State, o.batch.End, o.batch.Counts, o.batch.Total = gateway.BatchEnded, end, o.counts(0, len(o.items)), len(o.items)
	return o.batch, o.fault()
}

func (o *office) FileChunks(_ context.Context, _ uuid.UUID, _ int, fn func(int, gateway.Body) error) error {
	line := []byte("{\"custom_id\":\n")
	return fn(0, gateway.Body{Zstd: line, Size: int64(len(line))})
}

func (o *office) RefuseBatch(_ context.Context, _ uuid.UUID, errs []gateway.InputError) error {
	o.set(func() {
		o.batch.State, o.batch.End, o.batch.InputErrors, o.batch.Total = gateway.BatchEnded, gateway.BatchRefused, errs, 0
	})
	return nil
}

func (o *office) Verify(token string, _ time.Time) (uuid.UUID, gateway.Principal, error) {
	o.set(func() { o.asked++ })
	if token != "good" {
		return uuid.Nil, gateway.Principal{}, &gateway.Error{Code: gateway.Unauthenticated, Message: "The token is not good."}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.batch.ID, o.batch.Principal, nil
}

func (o *office) CreateBatch(_ context.Context, b *gateway.Batch) error {
	o.set(func() { o.batch = *b })
	return nil
}

func (o *office) BatchByKey(context.Context, string, string) (gateway.Batch, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.batch, nil
}

func (o *office) AcceptBatch(_ context.Context, _ uuid.UUID, total int, _ []byte) error {
	o.set(func() { o.batch.State, o.batch.Total = gateway.BatchValidating, total })
	return nil
}

func (o *office) AddItems(_ context.Context, items []gateway.Item) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.adding != nil {
		if err := o.adding(); err != nil {
			return err
		}
	}
	for _, item := range items {
		if n := slices.Index(o.items, item.CustomID); n >= 0 && n != item.N {
			return &gateway.DuplicateItem{N: item.N, CustomID: item.CustomID}
		}
	}
	for _, item := range items {
		if item.N == len(o.items) {
			o.items = append(o.items, item.CustomID)
		}
	}
	return o.fault()
}

func (o *office) GrowBatch(_ context.Context, _ uuid.UUID, total int, open bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batch.Total, o.batch.Open = total, open
	return o.fault()
}

// plain stores bytes as they are.
type plain struct{}

func (plain) Body(b []byte) gateway.Body {
	return gateway.Body{Zstd: slices.Clone(b), Size: int64(len(b))}
}
func (plain) Open(dst []byte, b gateway.Body) ([]byte, error) { return append(dst, b.Zstd...), nil }

// inline are items of a message.
func inline(names ...string) (items []activities.BatchItem) {
	for _, name := range names {
		items = append(items, activities.BatchItem{CustomID: name, Body: json.RawMessage(`{"model":"claude-haiku-5-5","max_tokens":8,"messages":[]}`)})
	}
	return items
}

// progress asks a workflow how far it is.
func progress(t *testing.T, env *testsuite.TestWorkflowEnvironment) (p workflows.BatchProgress) {
	t.Helper()
	answer, err := env.QueryWorkflow(workflows.ProgressQuery)
	require.NoError(t, err)
	require.NoError(t, answer.Get(&p))
	return p
}
