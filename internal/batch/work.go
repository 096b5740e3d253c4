package batch

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// work is one piece of work on a chunk.
type work struct {
	*Runner
	batch     gateway.Batch
	chunk     gateway.Chunk
	header    http.Header // that goes with each item
	heartbeat func(next int)
	deadline  time.Time

	starting context.Context //nolint:containedctx // items wait in it for their turn; it ends before running does
	halt     context.CancelFunc
	running  context.Context //nolint:containedctx // what is at a backend lives in it
	abort    context.CancelFunc
	lasting  context.Context //nolint:containedctx // ends are put on record in it: nothing but the process's own end keeps them from that
	places   chan struct{}
	items    sync.WaitGroup

	away    map[int]struct{} // items that a native batch has
	parcels map[gateway.Target]*parcel

	handsOver bool // items may go through the batch API of a backend
	recalling bool // native batches are taken back: nothing of them is sent again

	mu     sync.Mutex
	next   int              // the first item that was not looked at
	open   map[int]struct{} // items that were looked at and have not ended
	counts gateway.ItemCounts
	wait   gateway.Wait
	native time.Time // when to look at native batches again; zero if there are none
}

func newWork(ctx context.Context, r *Runner, b gateway.Batch, c gateway.Chunk, patience time.Duration, heartbeat func(int)) *work {
	w := &work{
		Runner: r, batch: b, chunk: c, heartbeat: heartbeat, deadline: time.Now().Add(patience),
		header: make(http.Header, len(b.Header)), places: make(chan struct{}, r.Concurrency), next: c.From, open: map[int]struct{}{},
		handsOver: r.Native(&b), away: map[int]struct{}{}, parcels: map[gateway.Target]*parcel{},
	}
	for name, value := range b.Header {
		w.header.Set(name, value)
	}
	w.starting, w.halt = context.WithDeadline(ctx, w.deadline)
	w.lasting = context.WithoutCancel(ctx)
	w.running, w.abort = context.WithCancel(w.lasting)
	return w
}

func (w *work) close() {
	w.halt()
	w.abort()
}

// watch ends the work when the process is to end: nothing is started any more, and what is at a backend is given a
// little time. What that cuts off is on record as sent, and is sent again by another worker.
func (w *work) watch(stopping <-chan struct{}) {
	select {
	case <-stopping:
	case <-w.running.Done():
		return
	}
	w.halt()
	select {
	case <-time.After(w.Grace):
		w.abort()
	case <-w.running.Done():
	}
}

// work starts what can be started. What is at a backend goes on after it.
func (w *work) work() error {
	if err := w.collectAll(); err != nil {
		return err
	}
	if err := w.startAll(); err != nil {
		return err
	}
	return w.submitAll()
}

// startAll starts the items of the chunk, page by page, until none is left or no more may be started.
func (w *work) startAll() error {
	for w.starting.Err() == nil {
		rest := gateway.Chunk{Batch: w.chunk.Batch, From: w.next, To: w.chunk.To}
		page, err := w.store.WaitingItems(w.starting, rest, pageBytes)
		switch {
		case w.starting.Err() != nil:
			return nil
		case err != nil:
			return err
		case len(page) == 0:
			w.looked(w.chunk.To)
			return nil
		}
		for _, item := range page {
			if more, err := w.take(item); !more || err != nil {
				return err
			}
		}
	}
	return nil
}

// take has the item sent in the way that is its own; more is false if no more may be started.
func (w *work) take(item gateway.WaitingItem) (more bool, err error) {
	if w.starting.Err() != nil {
		return false, nil
	}
	if _, away := w.away[item.N]; away {
		w.look(item)
		return true, nil
	}
	if w.handsOver {
		id := identify(&item)
		if target, ok := w.nativeTarget(item, id); ok {
			return true, w.pack(item, id, target)
		}
	}
	if !w.place() {
		return false, nil
	}
	w.start(item)
	return true, nil
}

// place takes a place for an item; false if none may be started any more.
func (w *work) place() bool { return w.placeWhile(w.starting) }

func (w *work) placeWhile(ctx context.Context) bool {
	select {
	case w.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// start runs an item in the place that was taken for it.
func (w *work) start(item gateway.WaitingItem) {
	w.look(item)
	w.items.Go(func() {
		defer func() { <-w.places }()
		w.item(item)
	})
}

// look notes that the item is being looked after.
func (w *work) look(item gateway.WaitingItem) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = max(w.next, item.N+1)
	w.open[item.N] = struct{}{}
}

func (w *work) looked(next int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = next
}

// ended notes the end of an item.
func (w *work) ended(n int, state gateway.ItemState) {
	w.counter.ItemEnded(state)
	w.mu.Lock()
	delete(w.open, n)
	switch state {
	case gateway.ItemSucceeded:
		w.counts.Succeeded++
	case gateway.ItemCanceled:
		w.counts.Canceled++
	default:
		w.counts.Errored++
	}
	first := w.first()
	w.mu.Unlock()
	w.heartbeat(first)
}

// hold ends the starting of items, because the rest has to wait.
func (w *work) hold(wait gateway.Wait) {
	w.mu.Lock()
	w.wait = wait
	w.mu.Unlock()
	w.halt()
}

// first is the first item that has not ended. The caller holds the lock.
func (w *work) first() int {
	first := w.next
	for n := range w.open {
		first = min(first, n)
	}
	return first
}

func (w *work) result() gateway.ChunkResult {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := gateway.ChunkResult{Counts: w.counts, Next: w.first(), Left: w.chunk.To - w.next + len(w.open)}
	switch {
	case r.Left == 0:
	case !w.native.IsZero():
		r.Wait = gateway.Wait{Reason: gateway.WaitNative, Until: w.native}
	default:
		r.Wait = w.wait
	}
	return r
}
