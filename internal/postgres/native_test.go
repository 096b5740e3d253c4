package postgres_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestNativeBatchesAreFoundByTheirItemsUntilTheyHaveEnded(t *testing.T) {
	s := start(t)
	b := s.run(t, 5)
	native := func(items ...int) gateway.NativeBatch {
		n := gateway.NativeBatch{
			ID: uuid.Must(uuid.NewV7()), Batch: b.ID, Target: gateway.Target{Backend: "anthropic", Model: "claude-haiku-5-5"}, Endpoint: gateway.Messages,
			NativeID: "msgbatch_theirs", Items: items, CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
		}
		for range items {
			n.Requests = append(n.Requests, uuid.Must(uuid.NewV7()))
		}
		return n
	}
	first, second := native(0, 2), native(3)
	for _, n := range []gateway.NativeBatch{first, second, first} { // once more does nothing
		must(t, s.worker.CreateNative(t.Context(), &n))
	}
	find := func(from, to int, want ...gateway.NativeBatch) {
		t.Helper()
		got, err := s.worker.NativeBatches(t.Context(), gateway.Chunk{Batch: b.ID, From: from, To: to})
		must(t, err)
		if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("of the items %d to %d: %+v, want %+v", from, to, got, want)
		}
	}
	find(0, 5, first, second)
	find(3, 5, second)
	find(4, 5)
	must(t, s.worker.EndNative(t.Context(), first.ID))
	must(t, s.worker.EndNative(t.Context(), first.ID))
	find(0, 5, second)

	s.skip(t, b.ID, gateway.ItemErrored, 0, 1, 2, 3, 4)
	_, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCompleted)
	must(t, err)
	must(t, s.frontend.DeleteBatch(t.Context(), b.ID))
	s.tidy(t)
	if n := s.Int(t, `SELECT count(*) FROM native_batches`); n != 0 {
		t.Errorf("%d native batches are left of a batch that is gone", n)
	}
}
