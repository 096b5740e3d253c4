package integration

import (
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

// The tier "standby" has a backend of its own, which may be busy without harm to others.
const onStandby = `tiers.standby={routes: [{match: "*", backend: standby}]}`

func aBusyBackend(t *testing.T, w *world) {
	const n, mount = 200, "standby"
	reached := func() int {
		stats, err := w.MountStats(t.Context(), mount)
		if err != nil {
			t.Fatal(err)
		}
		return stats.Total
	}
	before := reached()
	w.faults(t, mount, map[string]any{"status": 429, "retry_after": 2})
	o := w.owner(t, "standby")
	id := o.submit(t, model, items(n, "hello"))
	eventually(t, time.Minute, "the first items are refused", func() bool { return reached() > before })
	begun := time.Now()
	<-time.After(7 * time.Second) // it stays busy this long
	w.faults(t, mount, nil)
	refused, periods := reached()-before, int(time.Since(begun)/(2*time.Second))

	again := resent(o.provedAs(t, o.ended(t, id), "completed", n, 0))
	if sent := reached() - before; sent != n+again {
		t.Errorf("%d requests reached the backend, %d are on record", sent, n+again)
	}
	// Those that are on their way at once meet the first refusal, and few are sent to see whether it is over.
	if most := 32 + 4*periods; refused > most {
		t.Errorf("%d requests were refused in %s by a backend that wants to be left alone for 2 s, want %d at most", refused, time.Since(begun), most)
	}
	t.Logf("%d requests were refused", refused)
}

func fairShares(t *testing.T, w *world) {
	large, small := w.owner(t, "enterprise"), w.owner(t, "enterprise")
	first := large.submit(t, model, items(1000, "[x-mock: delay=4s] slow"))
	large.until(t, first, time.Minute, "the large batch runs", func(b api.Batch) bool { return b.Counts.Succeeded > 0 })
	second := small.submit(t, model, items(10, "[x-mock: delay=4s] slow"))
	small.provedAs(t, small.ended(t, second), "completed", 10, 0)
	if b := large.show(t, first); b.State != "running" || b.Counts.Succeeded > 500 {
		t.Errorf("the large batch is %s, with %+v, when the small one has ended", b.State, b.Counts)
	}
	// The large batch has 32 items at the backend and three times that in line. A small one that had to stand behind those
	// would be answered after all of them.
	var meanwhile int
	err := w.db(t, "owner").QueryRow(t.Context(), `
		SELECT count(*) FROM batch_results r, batches b
		WHERE r.batch_id = $1 AND b.id = $2 AND r.ended_at > b.started_at
			AND r.ended_at < (SELECT min(ended_at) FROM batch_results s WHERE s.batch_id = b.id)`,
		batchID(t, first), batchID(t, second)).Scan(&meanwhile)
	if err != nil || meanwhile > 96 {
		t.Errorf("%d items of the large batch ended before the first of the small one, %v", meanwhile, err)
	}
	t.Logf("%d items of the large batch ended before the first of the small one", meanwhile)
	large.cancel(t, first)
	large.prove(t, large.ended(t, first))
}
