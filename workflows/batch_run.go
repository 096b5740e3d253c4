package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// The pauses of a chunk that came back without having done anything, though it waits for nothing: they double.
const (
	firstPause = 2 * time.Second
	maxPause   = time.Minute
)

// piece is a chunk that was worked on, or is to be, and what is known of it.
type piece struct {
	From     int                `json:"from"`
	To       int                `json:"to"`
	Counts   gateway.ItemCounts `json:"counts"` // of its items that have ended
	NotUntil time.Time          `json:"not_until,omitzero"`
	Native   bool               `json:"native,omitempty"` // it waits for a batch of a backend's own
	Idle     int                `json:"idle,omitempty"`   // times in a row that it did nothing
}

// flight is a chunk that is worked on.
type flight struct {
	piece
	result workflow.Future
	trial  bool // whether the hold is over
}

// run runs chunks until the batch is over, or should go on in a new run because its history is long.
func (b *batch) run(ctx workflow.Context) error {
	work, abandon := workflow.WithCancel(ctx)
	defer abandon()
	b.expiry = workflow.NewTimerWithOptions(ctx, b.plan.ExpiresAt.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: "the batch expires"})
	for {
		b.hear()
		b.collect(ctx)
		if err := b.closeIfTold(ctx); err != nil {
			return err
		}
		leaving := workflow.GetInfo(ctx).GetContinueAsNewSuggested()
		switch {
		case b.stop != "" || b.failed != nil:
			abandon()
		case !leaving:
			b.startChunks(ctx, work)
		}
		if err := b.tell(ctx); err != nil {
			return err
		}
		if len(b.running) == 0 && !b.news() && workflow.AllHandlersFinished(ctx) && (leaving || b.over() || b.failed != nil) {
			return b.failed
		}
		if err := b.wait(ctx); err != nil {
			return err
		}
	}
}

// over tells that nothing is to be started any more.
func (b *batch) over() bool { return b.stop != "" || !b.open && b.allEnded() }

// allEnded tells that every item has its result.
func (b *batch) allEnded() bool { return b.next >= b.total && len(b.running)+len(b.waiting) == 0 }

// news tells that something has happened that run has not seen.
func (b *batch) news() bool {
	return b.changed || b.cancels.Len()+b.closes.Len() > 0 || b.stop == "" && (b.expiry.IsReady() || b.caller.Err() != nil) ||
		slices.ContainsFunc(b.running, func(f flight) bool { return f.result.IsReady() })
}

// hear takes note of what has happened.
func (b *batch) hear() {
	b.changed = false
	for b.closes.ReceiveAsync(nil) {
		b.closing = true
	}
	cancelled := b.caller.Err() != nil
	for b.cancels.ReceiveAsync(nil) {
		cancelled = true
	}
	switch {
	case b.stop != "":
	case cancelled:
		b.stop = gateway.BatchCanceled
	case b.expiry != nil && b.expiry.IsReady():
		b.stop = gateway.BatchExpired
	}
}

// wait waits for news, or until something can be tried that could not before.
func (b *batch) wait(ctx workflow.Context) error {
	at, why := b.nextTry(workflow.Now(ctx))
	if at.IsZero() {
		return workflow.Await(ctx, b.news)
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: at.Sub(workflow.Now(ctx)), TimerOptions: workflow.TimerOptions{Summary: why},
	}, b.news)
	return err
}

// nextTry is when something can be tried that cannot be now, and what is waited for; zero if there is no such time.
func (b *batch) nextTry(now time.Time) (at time.Time, why string) {
	switch {
	case b.stop != "" || len(b.running) >= b.plan.Chunks:
		return at, why
	case b.held():
		if b.retry.After(now) {
			return b.retry, b.waitsFor(b.hold)
		}
		return at, why
	}
	for _, p := range b.waiting {
		if p.NotUntil.After(now) && (at.IsZero() || p.NotUntil.Before(at)) {
			at, why = p.NotUntil, "puts off "+p.summary()
		}
	}
	return at, why
}

// startChunks starts as many chunks as may run now.
func (b *batch) startChunks(ctx, work workflow.Context) {
	now := workflow.Now(ctx)
	if b.held() && !b.hold.Until.After(now) {
		b.hold, b.retry = gateway.Wait{}, time.Time{}
	}
	atOnce := b.plan.Chunks
	if b.held() {
		atOnce = 1 // to see whether the hold is over
		if b.retry.After(now) {
			return
		}
	}
	for len(b.running) < atOnce {
		p, ok := b.take(now)
		if !ok {
			return
		}
		b.start(work, p)
	}
}

// take is the next piece to work on: first those that were begun.
func (b *batch) take(now time.Time) (p piece, ok bool) {
	if i := slices.IndexFunc(b.waiting, func(p piece) bool { return !p.NotUntil.After(now) }); i >= 0 {
		p = b.waiting[i]
		b.waiting = slices.Delete(b.waiting, i, i+1)
		return p, true
	}
	if b.next >= b.total {
		return p, false
	}
	p = piece{From: b.next, To: min(b.next+b.plan.Chunk, b.total)}
	b.next = p.To
	return p, true
}

func (b *batch) start(work workflow.Context, p piece) {
	options := workflow.GetActivityOptions(b.apart(work, p.summary()))
	options.HeartbeatTimeout = 10 * time.Second // it tells every few seconds that it lives, and is told whether it is cancelled
	options.WaitForCancellation = true
	b.running = append(b.running, flight{
		piece:  p,
		result: workflow.ExecuteActivity(workflow.WithActivityOptions(work, options), b.steps.Chunk, gateway.Chunk{Batch: b.id, From: p.From, To: p.To}),
		trial:  b.held(),
	})
}

// collect takes in what has become of the chunks that have come back.
func (b *batch) collect(ctx workflow.Context) {
	b.running = slices.DeleteFunc(b.running, func(f flight) bool {
		back := f.result.IsReady()
		if back {
			b.land(ctx, f)
		}
		return back
	})
}

func (b *batch) land(ctx workflow.Context, f flight) {
	var result gateway.ChunkResult
	if err := f.result.Get(ctx, &result); err != nil {
		if b.stop == "" && !temporal.IsCanceledError(err) {
			b.failed = cause(err)
		}
		b.waiting = append(b.waiting, f.piece)
		return
	}
	now, wait := workflow.Now(ctx), result.Wait
	switch {
	case wait.Until.After(now) && wait.Reason != gateway.WaitNative:
		b.hold, b.retry = wait, earlier(wait.Until, now.Add(b.plan.Recheck))
	case f.trial:
		b.hold, b.retry = gateway.Wait{}, time.Time{}
	}
	if result.Left == 0 {
		b.done = b.done.Plus(result.Counts)
		return
	}
	b.waiting = append(b.waiting, f.after(result, now))
}

// after is the piece after some work, of which there is some left.
func (p piece) after(result gateway.ChunkResult, now time.Time) piece {
	idle := result.Counts == p.Counts
	p.Counts, p.NotUntil, p.Native = result.Counts, time.Time{}, result.Wait.Reason == gateway.WaitNative
	switch {
	case result.Wait.Until.After(now):
		p.Idle = 0
		if p.Native {
			p.NotUntil = result.Wait.Until
		}
	case idle:
		p.NotUntil = now.Add(min(firstPause<<min(p.Idle, 10), maxPause))
		p.Idle++
	default:
		p.Idle = 0
	}
	return p
}

func (p piece) summary() string { return fmt.Sprintf("items %d–%d", p.From, p.To-1) }

// held tells that all items wait for something.
func (b *batch) held() bool { return b.hold != gateway.Wait{} }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
