package relay_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/relay"
	"github.com/openova-io/llm-gateway/workflows"
)

// world is a database and a Temporal cluster that does what the workflows would do.
type world struct {
	mu      sync.Mutex
	relay   *relay.Relay           // that is told what is on record; nil for one in another process
	staged  map[uuid.UUID]*request // not in the ledger
	ledger  map[uuid.UUID]int      // how often each was written
	waiting map[string]bool        // workflows that wait for their signal
	closed  map[string]bool        // workflows that have ended
	told    []workflows.Outcome    // by signals
	unended []*gateway.Batch       // batches that have not ended
	driven  map[string]bool        // workflows of batches that run, and whether they are told to stop
	lost    chan struct{}          // closed to end a leadership
	terms   int

	away    bool                 // Temporal does not answer
	lose    bool                 // starts are accepted, and nothing runs
	refuse  func(id string) bool // workflows that are not accepted
	slow    func(id string) bool // workflows whose start is not answered in time
	calls   []call
	options []client.StartWorkflowOptions // of the batches' workflows
	batches int                           // SettleBacklog at the same time, at most
	running int
}

// batch puts a batch on record whose items are all there.
func (w *world) batch() *gateway.Batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &gateway.Batch{ID: uuid.Must(uuid.NewV7()), Endpoint: gateway.Messages, Principal: gateway.Principal{User: "petra", Tier: "pro"}, Total: 25}
	b.WorkflowID = b.PublicID()
	w.unended = append(w.unended, b)
	return b
}

// isDriven tells whether a batch has a workflow, isTold whether that is told to stop.
func (w *world) isDriven(b *gateway.Batch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.driven[b.WorkflowID]
	return ok
}

func (w *world) isTold(b *gateway.Batch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.driven[b.WorkflowID]
}

func (w *world) started() []client.StartWorkflowOptions {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.options
}

func (w *world) UnendedBatches(context.Context, int) (found []gateway.Batch, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.unended {
		found = append(found, *b)
	}
	return found, nil
}

func (w *world) SignalWorkflow(ctx context.Context, id, _, name string, _ any) error {
	if err := w.answers(ctx, id); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call{kind: name, id: id})
	if _, ok := w.driven[id]; !ok {
		return serviceerror.NewNotFound("no such workflow")
	}
	w.driven[id] = true
	return nil
}

type request struct {
	gateway.Entry
	since time.Time
}

type call struct {
	kind  string // "start", "delay", "signal", "backlog", "batch" or "Cancel"
	id    string
	eager bool
}

func newWorld() *world {
	return &world{
		staged: map[uuid.UUID]*request{}, ledger: map[uuid.UUID]int{}, waiting: map[string]bool{}, closed: map[string]bool{}, driven: map[string]bool{},
		lost: make(chan struct{}), refuse: func(string) bool { return false }, slow: func(string) bool { return false },
	}
}

// admit puts a running request on record.
func (w *world) admit() uuid.UUID {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := uuid.Must(uuid.NewV7())
	w.staged[id] = &request{gateway.Entry{ID: id, Status: gateway.Streaming, AdmittedAt: time.Now(), User: "petra", Tier: "pro"}, time.Now()}
	return id
}

// end puts a request's outcome on record.
func (w *world) end(id uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.staged[id].Status, w.staged[id].EndedAt = gateway.Completed, time.Now()
}

func (w *world) ended(n int) (ids []uuid.UUID) {
	for range n {
		id := w.admit()
		w.end(id)
		ids = append(ids, id)
	}
	return ids
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) count(kind string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.kind == kind {
			n++
		}
	}
	return n
}

func (w *world) made() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *world) recorded() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ledger)
}

func (w *world) waits() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}

// write is what the workflows do. The caller holds the lock.
func (w *world) write(ids ...uuid.UUID) {
	for _, id := range ids {
		if r, ok := w.staged[id]; ok && r.Status != gateway.Streaming {
			delete(w.staged, id)
			w.ledger[id]++
		}
	}
	if w.relay != nil {
		w.relay.OnRecord(ids)
	}
}

func (w *world) Lead(ctx context.Context, _ string) (<-chan struct{}, func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.terms++
	return w.lost, func() {}, ctx.Err()
}

func (w *world) Pending(_ context.Context, exclude []uuid.UUID, limit int) ([]gateway.Entry, error) {
	return w.entries(exclude, limit, func(r *request) bool { return r.Status != gateway.Streaming }), nil
}

func (w *world) LongRunning(_ context.Context, age time.Duration, exclude []uuid.UUID, limit int) ([]gateway.Entry, error) {
	return w.entries(exclude, limit, func(r *request) bool { return r.Status == gateway.Streaming && time.Since(r.since) >= age }), nil
}

func (w *world) entries(exclude []uuid.UUID, limit int, want func(*request) bool) (found []gateway.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	excluded := make(map[uuid.UUID]bool, len(exclude))
	for _, id := range exclude {
		excluded[id] = true
	}
	for id, r := range w.staged {
		if want(r) && !excluded[id] {
			found = append(found, r.Entry)
		}
	}
	slices.SortFunc(found, func(a, b gateway.Entry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return found[:min(limit, len(found))]
}

func (w *world) Backlog(context.Context) (int64, time.Duration, error) {
	ended, _ := w.Pending(context.Background(), nil, 1<<30)
	return int64(len(ended)), 0, nil
}

func (w *world) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	time.Sleep(10 * time.Millisecond)
	if err := w.answers(ctx, o.ID); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch in := args[0].(type) {
	case workflows.SettleBacklogInput:
		w.calls = append(w.calls, call{"backlog", o.ID, o.EnableEagerStart})
		w.running++
		w.batches = max(w.batches, w.running)
		return batch{world: w, ids: in.IDs}, nil
	case workflows.BatchInput:
		w.calls = append(w.calls, call{"batch", o.ID, o.EnableEagerStart})
		if _, ok := w.driven[o.ID]; ok {
			return nil, &serviceerror.WorkflowExecutionAlreadyStarted{}
		}
		w.driven[o.ID] = false
		w.options = append(w.options, o)
	case workflows.RequestInput:
		kind := "start"
		if in.Running {
			kind = "delay"
		}
		w.calls = append(w.calls, call{kind, o.ID, o.EnableEagerStart})
		switch {
		case w.waiting[o.ID] || w.closed[o.ID]:
			return nil, &serviceerror.WorkflowExecutionAlreadyStarted{}
		case in.Running || w.lose:
			w.waiting[o.ID] = true
		default:
			w.closed[o.ID] = true
			w.write(in.ID)
		}
	}
	return nil, nil
}

func (w *world) SignalWithStartWorkflow(ctx context.Context, id, _ string, outcome any, o client.StartWorkflowOptions, _ any, _ ...any) (client.WorkflowRun, error) {
	if err := w.answers(ctx, o.ID); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call{"signal", id, o.EnableEagerStart})
	w.told = append(w.told, outcome.(workflows.Outcome))
	if w.closed[id] {
		return nil, &serviceerror.WorkflowExecutionAlreadyStarted{}
	}
	delete(w.waiting, id)
	w.closed[id] = true
	w.write(uuid.MustParse(id))
	return nil, nil
}

// answers is a call's way to the cluster.
func (w *world) answers(ctx context.Context, id string) error {
	w.mu.Lock()
	away, refused := w.away || w.slow(id), w.refuse(id)
	w.mu.Unlock()
	switch {
	case refused:
		return serviceerror.NewInvalidArgument("too long")
	case away:
		w.set(func() { w.calls = append(w.calls, call{kind: "away", id: id}) })
		<-ctx.Done()
		return serviceerror.NewDeadlineExceeded("away")
	}
	return nil
}

// batch is a SettleBacklog that takes a second.
type batch struct {
	client.WorkflowRun
	world *world
	ids   []uuid.UUID
}

func (b batch) Get(context.Context, any) error {
	time.Sleep(time.Second)
	b.world.mu.Lock()
	defer b.world.mu.Unlock()
	b.world.running--
	b.world.write(b.ids...)
	return nil
}
