package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

// The tiers whose batches go through the backends' own.
const (
	nativeAtAnthropic = `tiers.nativeanthropic={routes: [{match: "*", backend: anthropic, batch: native}]}`
	nativeAtOpenAI    = `tiers.nativeopenai={routes: [{match: "*", backend: openai, batch: native}]}`
)

// handed counts the items of a batch that its backend has in batches of its own.
func (w *world) handed(t *testing.T, id string) (n int) {
	t.Helper()
	err := w.db(t, "owner").QueryRow(t.Context(), `SELECT coalesce(sum(cardinality(items)), 0)::int FROM native_batches WHERE batch_id = $1`, batchID(t, id)).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// arrivals tells how often each of a batch's items reached the backend in a batch: they go there by their requests' ids.
func (w *world) arrivals(t *testing.T, mount, id string) map[string]int {
	t.Helper()
	rows, err := w.db(t, "owner").Query(t.Context(), `SELECT r.custom_id, r.request_id::text FROM batch_results r WHERE r.batch_id = $1 AND r.request_id IS NOT NULL`, batchID(t, id))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	reached, err := w.MountItems(t.Context(), mount)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for rows.Next() {
		var name, request string
		if err := rows.Scan(&name, &request); err != nil {
			t.Fatal(err)
		}
		all[name] = reached[request]
	}
	return all
}

func nativeBatches(t *testing.T, w *world, tier, mount string) {
	o := w.owner(t, tier)
	both := map[string]func([]item) string{
		"messages":         func(items []item) string { return o.submit(t, model, items) },
		"chat completions": func(items []item) string { return o.submitFile(t, lines(model, items)) },
	}
	ids := map[string]string{}
	for name, submit := range both {
		ids[name] = submit(append(items(25, "hello"), item{"wrong", "[x-mock: status=400]"}))
	}
	for name, id := range ids {
		b := o.ended(t, id)
		for _, it := range o.provedAs(t, b, "completed", 25, 1) {
			if it.Attempts != 1 {
				t.Errorf("%s: %+v: want one attempt", name, it)
			}
		}
		for item, n := range w.arrivals(t, mount, id) {
			if n != 1 {
				t.Errorf("%s: %s reached the backend's batches %d times", name, item, n)
			}
		}
		if got := o.results(t, id)[0].text; !strings.Contains(got, "hello") {
			t.Errorf("%s: the answer is not the mock's: %s", name, got)
		}
	}
	o.expiresThere(t, mount)
	o.cancelledThere(t, mount)
}

// expiresThere has items expire at the backend, which is not their end: they are sent again, at last one by one.
func (o *owner) expiresThere(t *testing.T, mount string) {
	t.Helper()
	o.faults(t, mount, map[string]any{"batch_expire": "."})
	for _, it := range o.provedAs(t, o.ended(t, o.submit(t, model, items(5, "hello"))), "completed", 5, 0) {
		if it.Attempts != 3 {
			t.Errorf("%+v: want three attempts, two of them in batches that expired", it)
		}
	}
	o.faults(t, mount, nil)
}

// cancelledThere cancels a batch whose items the backend holds.
func (o *owner) cancelledThere(t *testing.T, mount string) {
	t.Helper()
	o.faults(t, mount, map[string]any{"batch_hold": "."})
	id := o.submit(t, model, items(8, "hello"))
	o.until(t, id, time.Minute, "the backend has the items", func(b api.Batch) bool { return o.handed(t, id) == 8 && b.Waiting != nil })
	if b := o.show(t, id); b.Waiting == nil || b.Waiting.Reason != "native" || b.Counts.Running != 8 {
		t.Errorf("while the backend has them: %+v", b)
	}
	o.cancel(t, id)
	b := o.ended(t, id)
	o.faults(t, mount, nil)
	if b.Counts.Canceled != 8 {
		t.Errorf("%+v, want all canceled", b.Counts)
	}
	for _, it := range o.provedAs(t, b, "canceled", 0, 0) {
		if it.Charged > 0 {
			t.Errorf("%+v: it is charged though the backend did not run it", it)
		}
	}
}

func (w *world) faults(t *testing.T, mount string, faults map[string]any) {
	t.Helper()
	if err := w.MountFaults(t.Context(), mount, faults); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", mount, err))
	}
}
