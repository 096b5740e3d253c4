package batch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/pace"
)

const (
	firstLook   = 3 * time.Second // at a native batch; later ones are as far apart as a quarter of its age
	longestLook = 5 * time.Minute
	recallTime  = 15 * time.Minute // for backends to end what they are told to end

	canceledThere = "The backend's batch was canceled before the item ran."
)

// putOff has the chunk wait for a native batch.
func (w *work) putOff(n *gateway.NativeBatch) {
	age := time.Since(n.CreatedAt)
	until := time.Now().Add(min(max(age/4, firstLook), longestLook))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.native.IsZero() || until.Before(w.native) {
		w.native = until
	}
}

// collectAll looks at the native batches that have items of the chunk, and takes in what those have answered that have ended.
// The items of the others are away.
func (w *work) collectAll() error {
	natives, err := w.store.NativeBatches(w.starting, w.chunk)
	if err != nil {
		return err
	}
	for i := range natives {
		n := &natives[i]
		ended, err := w.collect(n)
		if err != nil {
			w.log.Warn("a backend's batch cannot be looked at; trying again later", "backend", n.Target.Backend, "native", n.NativeID, "error", err)
		}
		if !ended {
			w.putOff(n)
			for _, place := range n.Items {
				w.away[place] = struct{}{}
			}
		}
	}
	return nil
}

// collect takes in the results of a native batch, if it has ended.
func (w *work) collect(n *gateway.NativeBatch) (ended bool, err error) {
	api := w.batchesAt(n.Target.Backend)
	if api == nil { // it is not configured any more: its items are sent again, elsewhere
		return true, w.store.EndNative(w.running, n.ID)
	}
	ended, err = api.BatchEnded(w.running, n.Endpoint, n.NativeID)
	if failure, ok := errors.AsType[*backend.BatchError](err); ok && failure.Status == http.StatusNotFound {
		return true, w.store.EndNative(w.running, n.ID)
	}
	if err != nil || !ended {
		return false, err
	}
	places := make(map[string]int, len(n.Items))
	for i, id := range n.Requests {
		places[id.String()] = n.Items[i]
	}
	var missed atomic.Bool
	take := func(r backend.BatchResult) error {
		place, known := places[r.ID]
		if !known {
			return nil
		}
		delete(places, r.ID)
		if !w.placeWhile(w.running) {
			return w.running.Err()
		}
		w.items.Go(func() {
			defer func() { <-w.places }()
			if err := w.takeIn(n, place, r); err != nil {
				missed.Store(true)
				w.log.Warn("a result of a backend's batch is not on record yet", "batch", n.Batch, "n", place, "error", err)
			}
		})
		return nil
	}
	err = api.BatchResults(w.running, n.Endpoint, n.NativeID, take)
	if err == nil && w.recalling { // what was not run may have no line
		for id := range maps.Clone(places) {
			err = cmp.Or(err, take(backend.BatchResult{ID: id, Fate: backend.Canceled}))
		}
	}
	w.items.Wait()
	if _, refused := errors.AsType[*backend.BatchError](err); refused {
		w.log.Warn("a backend refused a batch that it had taken", "backend", n.Target.Backend, "native", n.NativeID, "error", err)
	} else if err != nil || w.running.Err() != nil || missed.Load() {
		return false, err
	}
	return true, w.store.EndNative(w.running, n.ID)
}

// takeIn is the end of one item that a native batch had, if that is its end: what the backend had no time or no room for
// stays as it is, and is sent again.
func (w *work) takeIn(n *gateway.NativeBatch, place int, r backend.BatchResult) error {
	found, err := w.store.WaitingItems(w.running, gateway.Chunk{Batch: n.Batch, From: place, To: place + 1}, pageBytes)
	if err != nil || len(found) == 0 {
		return err
	}
	item := found[0]
	if item.Begun == nil || item.Begun.ID.String() != r.ID || r.Fate == backend.Expired && !w.recalling {
		return nil
	}
	body, release, err := w.read(item)
	if err != nil {
		return err
	}
	defer release()
	if r.Fate != backend.Answered {
		w.conclude(item, item.Begun.ID, canceled(item.Begun))
		return nil
	}
	t := try{answer: newReply()}
	answer := &http.Response{StatusCode: r.Status, Header: r.Header, Body: io.NopCloser(bytes.NewReader(r.Body))}
	err = w.service.Answer(w.running, w.request(item, item.Begun.ID, body), n.Target, answer, t.answer)
	if err != nil {
		t.refusal = gateway.AsError(err)
	}
	ended, admitted := w.journal.take(item.Begun.ID)
	if !admitted {
		t.ended = w.lost(body, item.Begun, t.refusal)
		w.conclude(item, item.Begun.ID, t)
		return nil
	}
	t.ended = ended
	if t.verdict, _ = t.judge(); (t.verdict == failed || t.verdict == pushed) && (w.recalling || item.Begun.Sent >= w.Attempts) {
		t.verdict = final
	}
	w.conclude(item, item.Begun.ID, t)
	return nil
}

// canceled is the end of an item that its backend was told not to run any more.
func canceled(begun *gateway.Begun) try {
	return try{
		report: pace.Report{Result: pace.Unsent}, answer: newReply(), canceled: true,
		ended: ended{outcome: &gateway.Outcome{ID: begun.ID, Status: gateway.Cancelled, Attempts: begun.Sent, EndedAt: time.Now(), Error: canceledThere}},
	}
}

// Recall ends the native batches that have items of the batch, and takes in what they have answered until then. What
// they do not end in time is left to be closed as interrupted.
func (r *Runner) Recall(ctx context.Context, id uuid.UUID) error {
	b, err := r.store.Batch(ctx, id)
	if err != nil {
		return err
	}
	w := newWork(ctx, r, b, gateway.Chunk{Batch: id, To: max(b.Total, 1)}, recallTime, func(int) {})
	defer w.close()
	w.recalling = true
	natives, err := r.store.NativeBatches(ctx, w.chunk)
	if err != nil {
		return err
	}
	for _, n := range natives {
		if api := w.batchesAt(n.Target.Backend); api != nil {
			if err := api.CancelBatch(ctx, n.Endpoint, n.NativeID); err != nil {
				r.log.Warn("a backend's batch cannot be canceled", "backend", n.Target.Backend, "native", n.NativeID, "error", err)
			}
		}
	}
	for len(natives) > 0 && w.starting.Err() == nil {
		if err := w.collectAll(); err != nil {
			return err
		}
		if natives, err = r.store.NativeBatches(ctx, w.chunk); err != nil {
			return err
		}
		if len(natives) > 0 {
			select {
			case <-time.After(firstLook):
			case <-w.starting.Done():
			}
		}
	}
	return ctx.Err()
}
