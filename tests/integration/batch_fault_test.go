package integration

import (
	"net/http"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/api"
)

func TestAWorkerKilledInTheMiddleOfBatchesLosesAndDoublesNothing(t *testing.T) {
	w := stack(t)
	for _, mount := range []string{"anthropic", "openai"} {
		w.faults(t, mount, map[string]any{"batch_delay": "4s"})
	}
	plain := w.owner(t, "enterprise")
	id := plain.submit(t, model, items(300, "[x-mock: delay=300ms] slow"))
	native := map[string]*owner{"anthropic": w.owner(t, "nativeanthropic"), "openai": w.owner(t, "nativeopenai")}
	handed := map[string]string{}
	for mount, o := range native {
		handed[mount] = o.submit(t, model, items(40, "hello"))
	}
	for mount, o := range native {
		o.until(t, handed[mount], time.Minute, "the backend has the items", func(api.Batch) bool { return o.handed(t, handed[mount]) == 40 })
	}
	plain.until(t, id, time.Minute, "some items have ended and some run", func(b api.Batch) bool { return b.Counts.Succeeded >= 30 && b.Counts.Running > 0 })
	w.do(t, "kill/worker")
	w.do(t, "kill/frontend?wait=true")

	again := resent(plain.provedAs(t, plain.ended(t, id), "completed", 300, 0))
	if again == 0 || again > 32 {
		t.Errorf("%d items were sent again: want those that were in flight, 32 at most", again)
	}
	for mount, o := range native {
		if n := resent(o.provedAs(t, o.ended(t, handed[mount]), "completed", 40, 0)); n > 0 {
			t.Errorf("%s: %d items were sent again, though the backend had them", mount, n)
		}
		for item, n := range w.arrivals(t, mount, handed[mount]) {
			if n != 1 {
				t.Errorf("%s: %s reached the backend's batches %d times", mount, item, n)
			}
		}
	}
	t.Logf("%d items were sent again", again)
}

func TestABatchMadeWhileTemporalIsAwayRunsWhenItIsBack(t *testing.T) {
	w := stack(t)
	w.do(t, "stop/temporal")
	o := w.owner(t, "pro")
	id := o.submit(t, model, items(20, "hello"))
	if b := o.show(t, id); b.State != "validating" || b.Counts.Total != 20 {
		t.Errorf("while Temporal is away: %+v", b)
	}
	o.want(t, http.StatusBadRequest, nil, http.MethodDelete, anthropicBatches+"/"+id, "")
	w.do(t, "start/temporal")
	o.provedAs(t, o.ended(t, id), "completed", 20, 0)
}
