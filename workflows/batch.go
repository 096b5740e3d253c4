package workflows

import (
	"cmp"
	"errors"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// What a [Batch] can be asked and told.
const (
	ProgressQuery  = "Progress" // answers a [BatchProgress]
	CancelSignal   = "Cancel"   // no more items are started, those that run are finished; cancelling the workflow is the same
	CloseSignal    = "Close"    // an open batch gets no more items
	AddItemsUpdate = "AddItems" // takes a [MoreItems], answers how many items the batch has then
)

// BatchInput is what a [Batch] is to run. Whoever starts one fills the [activities.Submission]; the workflow's id must be
// the one that came with the token, and its task queue the one named there.
type BatchInput struct {
	ID uuid.UUID `json:"id,omitzero"` // of a batch that is on record already: the gateway starts those by itself
	activities.Submission
	Resume *BatchResume `json:"resume,omitempty"` // what the run before left; not for people
}

// BatchResume is what one run of a [Batch] leaves to the next.
type BatchResume struct {
	Next    int                `json:"next"` // the first item that was in no chunk yet
	Done    gateway.ItemCounts `json:"done"` // of chunks that have ended
	Waiting []piece            `json:"waiting,omitempty"`
	Hold    gateway.Wait       `json:"hold,omitzero"`
	Retry   time.Time          `json:"retry,omitzero"`
	Closing bool               `json:"closing,omitempty"`
	Status  string             `json:"status"`
}

// Batch runs the items of a batch, a chunk at a time and several chunks at once, until each has its result. It waits for
// its owner's quota and for backends that have too much to do, for as long as the batch's time lasts; then, or when it is
// cancelled, what has not run is marked, and the batch ends as completed or not: the workflow's own status is Completed
// whenever every item has its result. It fails if the batch is not permitted, and then there is none.
func Batch(ctx workflow.Context, in BatchInput) (activities.BatchSummary, error) {
	b := newBatch(ctx, in)
	// What is begun is brought to its end: cancelling the workflow only cancels the batch.
	ctx, release := workflow.NewDisconnectedContext(ctx)
	defer release()
	if err := b.listen(ctx); err != nil {
		return activities.BatchSummary{}, err
	}
	if err := b.begin(ctx, in); err != nil {
		return activities.BatchSummary{}, err
	}
	if b.plan.Ended == nil {
		if err := b.run(ctx); err != nil {
			return activities.BatchSummary{}, err
		}
		if !b.over() {
			return activities.BatchSummary{}, workflow.NewContinueAsNewError(ctx, Batch, BatchInput{ID: b.id, Resume: b.resume()})
		}
		if err := b.finish(ctx); err != nil {
			return activities.BatchSummary{}, err
		}
	}
	b.ready = true // an update that waits for it is told that it comes too late
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return activities.BatchSummary{}, err
	}
	b.hear()
	return *b.plan.Ended, b.setStatus(ctx, string(b.plan.Ended.End))
}

// batch is the state of a Batch workflow.
type batch struct {
	id      uuid.UUID
	plan    activities.BatchPlan
	caller  workflow.Context // ends when the workflow is cancelled
	cancels workflow.ReceiveChannel
	closes  workflow.ReceiveChannel
	expiry  workflow.Future
	adding  workflow.Mutex
	steps   *activities.Batches // nil: only the names of its methods are used

	ready   bool             // the items on record are known
	total   int              // items
	open    bool             // items may be added
	closing bool             // the owner said that there will be no more, which is not on record yet
	stop    gateway.BatchEnd // why no more items are started; "" while they are
	failed  error            // of a chunk, if no repetition helps
	next    int              // the first item that was in no chunk yet
	running []flight
	waiting []piece            // that were worked on and have items left
	done    gateway.ItemCounts // of chunks that have ended
	hold    gateway.Wait       // what all items wait for; zero if for nothing
	retry   time.Time          // when one chunk tries whether the hold is over
	told    gateway.Wait       // what is on record of that
	status  string             // that is searched for
	changed bool               // something happened that run has not seen
}

func newBatch(ctx workflow.Context, in BatchInput) *batch {
	b := &batch{
		id: in.ID, open: in.Open, caller: ctx, adding: workflow.NewMutex(ctx),
		cancels: workflow.GetSignalChannel(ctx, CancelSignal), closes: workflow.GetSignalChannel(ctx, CloseSignal),
	}
	if r := in.Resume; r != nil {
		b.next, b.done, b.waiting, b.hold, b.retry, b.closing, b.status = r.Next, r.Done, r.Waiting, r.Hold, r.Retry, r.Closing, r.Status
		b.open = true // until the record says otherwise
	}
	return b
}

func (b *batch) resume() *BatchResume {
	return &BatchResume{
		Next: b.next, Done: b.done, Waiting: b.waiting, Hold: b.hold, Retry: b.retry, Closing: b.closing, Status: b.status,
	}
}

// begin brings the batch to where its items run, or finds that it has ended.
func (b *batch) begin(ctx workflow.Context, in BatchInput) error {
	if b.id == uuid.Nil {
		info := workflow.GetInfo(ctx)
		err := step(ctx, &b.id, b.steps.Submit, info.WorkflowExecution.ID, info.WorkflowStartTime, in.Submission)
		if err != nil {
			return cause(err)
		}
	}
	if err := b.load(ctx); err != nil || b.plan.Ended != nil {
		return err
	}
	if err := b.setStatus(ctx, cmp.Or(b.status, "running")); err != nil {
		return err
	}
	if in.Resume == nil {
		var begun activities.Begun
		if err := workflow.ExecuteActivity(b.apart(ctx, "reads and checks the input"), b.steps.Begin, b.id).Get(ctx, &begun); err != nil {
			return cause(err)
		}
		if begun.Refused {
			return b.load(ctx)
		}
		b.total = begun.Total
	}
	b.ready = true
	return nil
}

// load takes over what is on record of the batch.
func (b *batch) load(ctx workflow.Context) error {
	if err := step(ctx, &b.plan, b.steps.Load, b.id); err != nil {
		return cause(err)
	}
	b.total, b.open, b.told = b.plan.Total, b.plan.Open, b.plan.Wait
	if b.plan.CancelRequested {
		b.stop = gateway.BatchCanceled
	}
	b.show(ctx)
	return nil
}

// finish gives the items that did not run their results, and sums the batch up.
func (b *batch) finish(ctx workflow.Context) error {
	end := gateway.BatchCompleted
	if b.stop != "" && (b.open || !b.allEnded()) {
		end = b.stop
		if err := b.setStatus(ctx, "closing"); err != nil {
			return err
		}
		b.show(ctx)
		if err := workflow.ExecuteActivity(b.patiently(ctx, "marks what has not run as "+string(end)), b.steps.Close, b.id, end).Get(ctx, nil); err != nil {
			return cause(err)
		}
	}
	var summary activities.BatchSummary
	if err := step(ctx, &summary, b.steps.End, b.id, end); err != nil {
		return cause(err)
	}
	b.plan.Ended = &summary
	b.show(ctx)
	return nil
}

// apart are the options of what takes long: it has a task queue of its own.
func (b *batch) apart(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithTaskQueue(b.patiently(ctx, summary), b.plan.TaskQueue)
}

// patiently are the options of what may take a while, and is done over when a worker has died.
func (b *batch) patiently(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Hour,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Summary:             summary,
	})
}

// cause is what an activity said itself, if its error is of its own making.
func cause(err error) error {
	if said, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return said
	}
	return err
}
