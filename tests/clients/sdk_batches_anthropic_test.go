package clients_test

import (
	"strings"
	"testing"
)

func TestAnthropicSDKsDeleteABatchThatHasEnded(t *testing.T) {
	each(t, anthropicSDKs(), over+"anthropic", func(t *testing.T, s session) {
		made := s.createBatch(t, false, batchItem{"slow", directive(map[string]any{"delay": "3s"})})
		remove := order{Call: "batch_delete", Batch: batchOrder{ID: made.ID}}
		refused := s.do(t, remove)
		s.checkError(t, refused, 400, "")
		if !strings.Contains(refused.Error.Message, made.ID) || !strings.Contains(refused.Error.Message, "Cancel it first") {
			t.Errorf("message %q", refused.Error.Message)
		}
		s.finishBatch(t, made.ID, false)
		got := s.do(t, remove)
		s.checkID(t, got)
		if got.Error != nil || got.Batch.ID != made.ID || got.Batch.Status != "message_batch_deleted" {
			t.Errorf("%+v, error %+v", got.Batch, got.Error)
		}
		s.checkError(t, s.do(t, order{Call: "batch_get", Batch: batchOrder{ID: made.ID}}), 404, "")
		if list := s.do(t, order{Call: "batch_list", Page: 2}); list.Error != nil || len(list.Batch.IDs) > 0 {
			t.Errorf("the list still has %q: %+v", list.Batch.IDs, list.Error)
		}
		stack.Ledger(t, s.user.Subject, 0, 1) // it stays on record
	})
}

func TestAnthropicSDKsAreToldWhichItemOfABatchIsWrong(t *testing.T) {
	each(t, anthropicSDKs(), "pro", func(t *testing.T, s session) {
		for place, items := range map[string][]batchItem{
			"requests.2.custom_id": {{"a", "hello"}, {"b", "hello"}, {"a", "hello"}},
			"requests.1.custom_id": {{"a", "hello"}, {"not a name", "hello"}},
		} {
			before := len(s.tap.Calls())
			got := s.do(t, order{Call: "batch_create", Batch: batchOrder{Items: items}})
			s.checkError(t, got, 400, "")
			if !strings.HasPrefix(got.Error.Message, place+": ") {
				t.Errorf("message %q, want it to begin with %s", got.Error.Message, place)
			}
			if calls := len(s.tap.Calls()) - before; calls != 1 {
				t.Errorf("%s: %d requests, want 1", place, calls)
			}
		}
		if list := s.do(t, order{Call: "batch_list", Page: 2}); list.Error != nil || len(list.Batch.IDs) > 0 {
			t.Errorf("the list has %q: %+v", list.Batch.IDs, list.Error)
		}
	})
}
