package batch

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/exchange"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	parcelBytes = 16 << 20    // of items in one native batch
	nativeTries = 2           // of an item; then it is sent by itself
	noRoomWait  = time.Minute // for a backend that takes no batch and does not say when
)

// parcel are items that are on record and go to one target as a batch of its backend's own.
type parcel struct {
	target   gateway.Target
	endpoint gateway.Endpoint
	waiting  []gateway.WaitingItem // with what is on record of each
	items    []backend.BatchItem
	bytes    int
}

// batchesAt is the batch API of a backend; nil if it has none.
func (w *work) batchesAt(name string) backend.Batches {
	b := w.service.Table().Backends[name]
	if b == nil {
		return nil
	}
	api, _ := b.Backend.(backend.Batches)
	return api
}

// nativeTarget is where the item is to be handed to in a batch; ok is false if it is to be sent by itself.
func (w *work) nativeTarget(item gateway.WaitingItem, id uuid.UUID) (target gateway.Target, ok bool) {
	if item.Begun != nil && item.Begun.Sent >= nativeTries {
		return gateway.Target{}, false
	}
	rule, target := w.destination(item, id)
	return target, rule.Native && w.batchesAt(target.Backend) != nil
}

// pack puts the item on record as sent, and into the parcel for its target.
func (w *work) pack(item gateway.WaitingItem, id uuid.UUID, target gateway.Target) error {
	w.look(item)
	body, release, err := w.read(item)
	if err != nil {
		w.conclude(item, id, w.unreadable(item, err))
		return nil
	}
	defer release()
	t := try{answer: newReply()}
	posting, err := w.service.Post(w.running, w.request(item, id, body), target, t.answer)
	if err != nil {
		t.refusal = gateway.AsError(err)
		if t.verdict = w.refused(t.refusal); t.verdict == final && item.Begun != nil {
			t.ended = w.lost(body, item.Begun, t.refusal)
		}
		w.conclude(item, id, t)
		return nil
	}
	p := w.parcels[target]
	if p == nil {
		p = &parcel{target: target, endpoint: posting.Endpoint}
		w.parcels[target] = p
	}
	item.Begun = &posting.Begun
	p.waiting = append(p.waiting, item)
	p.items = append(p.items, backend.BatchItem{ID: id.String(), Body: posting.Body})
	if p.bytes += len(posting.Body); p.bytes >= parcelBytes {
		return w.submit(p)
	}
	return nil
}

// submitAll hands over what is packed.
func (w *work) submitAll() error {
	for _, p := range w.parcels {
		if err := w.submit(p); err != nil {
			return err
		}
	}
	return nil
}

// submit hands a parcel to its backend. If the backend has no room, its items wait; they are packed again then, as one
// more attempt each. If it will not have them as a batch, they are sent one by one.
func (w *work) submit(p *parcel) error {
	delete(w.parcels, p.target)
	api := w.batchesAt(p.target.Backend)
	if api == nil {
		return nil // the configuration has changed since; the next piece of work finds them on record
	}
	id, err := api.SubmitBatch(w.running, p.endpoint, w.header, p.items)
	if err != nil {
		w.log.Warn("a backend has not taken a batch", "backend", p.target.Backend, "items", len(p.items), "error", err)
		w.notTaken(p, err)
		return nil
	}
	n := &gateway.NativeBatch{ID: uuid.Must(uuid.NewV7()), Batch: w.batch.ID, Target: p.target, Endpoint: p.endpoint, NativeID: id, CreatedAt: time.Now()}
	for _, item := range p.waiting {
		n.Requests, n.Items = append(n.Requests, item.Begun.ID), append(n.Items, item.N)
	}
	w.putOff(n)
	return insist(w.running, w.log, func() error { return w.store.CreateNative(w.lasting, n) })
}

// notTaken is what becomes of the items of a batch that its backend did not take.
func (w *work) notTaken(p *parcel, err error) {
	failure, ok := errors.AsType[*backend.BatchError](err)
	if !ok || mayPass(failure.Status) {
		wait := noRoomWait
		if ok {
			wait = cmp.Or(exchange.RetryAfter(failure.Header, time.Now()), wait)
		}
		w.hold(gateway.Wait{Reason: gateway.WaitBackend, Until: time.Now().Add(wait)})
		return
	}
	for _, item := range p.waiting {
		if !w.place() {
			return
		}
		w.start(item)
	}
}

// mayPass reports whether a service that answers with the status may take the same batch later, or once its operator has
// mended the credential.
func mayPass(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}
