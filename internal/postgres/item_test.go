package postgres_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestItemsAreAddedWholeOrNotAtAll(t *testing.T) {
	s := start(t)
	b := newBatch()
	must(t, s.frontend.CreateBatch(t.Context(), b))
	first := items(b.ID, 0, 3)
	for range 2 {
		must(t, s.frontend.AddItems(t.Context(), first))
	}
	must(t, s.frontend.AddItems(t.Context(), items(b.ID, 1, 5))) // some of them again
	must(t, s.frontend.AddItems(t.Context(), nil))
	named := func(n int, name string) gateway.Item {
		it := newItem(b.ID, n)
		it.CustomID = name
		return it
	}
	for name, tt := range map[string]struct {
		items []gateway.Item
		want  gateway.DuplicateItem
	}{
		"a name of an item before":     {[]gateway.Item{named(5, "new"), named(6, "item-1")}, gateway.DuplicateItem{N: 6, CustomID: "item-1"}},
		"a name of one that came with": {[]gateway.Item{named(5, "same"), named(6, "same"), named(7, "same")}, gateway.DuplicateItem{N: 6, CustomID: "same"}},
	} {
		t.Run(name, func(t *testing.T) {
			double, ok := errors.AsType[*gateway.DuplicateItem](s.frontend.AddItems(t.Context(), tt.items))
			if !ok || *double != tt.want {
				t.Errorf("error = %+v, want %+v", double, tt.want)
			}
			if n := s.Int(t, `SELECT count(*) FROM batch_items`); n != 5 {
				t.Errorf("%d items are there, want 5", n)
			}
		})
	}
	if err := s.frontend.AddItems(t.Context(), []gateway.Item{named(5, "a\x00b")}); !errors.Is(err, gateway.ErrRecordRefused) {
		t.Errorf("a NUL: error = %v, want %v", err, gateway.ErrRecordRefused)
	}
	other := newBatch()
	must(t, s.frontend.CreateBatch(t.Context(), other))
	must(t, s.frontend.AddItems(t.Context(), items(other.ID, 0, 1))) // the same name in another batch
}

// waiting are the numbers of the items that are answered.
func (s *stack) waiting(t *testing.T, c gateway.Chunk, maxBytes int64) (found []gateway.WaitingItem, ns []int) {
	t.Helper()
	found, err := s.worker.WaitingItems(t.Context(), c, maxBytes)
	must(t, err)
	for _, w := range found {
		ns = append(ns, w.N)
	}
	return found, ns
}

func TestWaitingItemsAreThoseWithoutAResult(t *testing.T) {
	s := start(t)
	b, other := s.run(t, 10), s.run(t, 10)
	s.finish(t, b.ID, 3)
	s.skip(t, b.ID, gateway.ItemErrored, 4)
	s.finish(t, other.ID, 5)
	once, twice := s.begin(t, b.ID, 6), s.begin(t, b.ID, 7)
	s.commit(t, nil, []*gateway.Attempt{newAttempt(twice.ID, 2)})

	found, ns := s.waiting(t, gateway.Chunk{Batch: b.ID, From: 2, To: 9}, 1<<20)
	if want := []int{2, 5, 6, 7, 8}; !reflect.DeepEqual(ns, want) {
		t.Fatalf("waiting = %v, want %v", ns, want)
	}
	for _, w := range found {
		var want *gateway.Begun
		switch w.N {
		case 6:
			want = &gateway.Begun{ID: once.ID, At: once.AdmittedAt, Sent: 1}
		case 7:
			want = &gateway.Begun{ID: twice.ID, At: twice.AdmittedAt, Sent: 2}
		}
		if !reflect.DeepEqual(w.Item, newItem(b.ID, w.N)) || !reflect.DeepEqual(w.Begun, want) {
			t.Errorf("item %d: %+v, begun %+v", w.N, w.Item, w.Begun)
		}
	}
	if _, ns := s.waiting(t, gateway.Chunk{Batch: b.ID, From: 3, To: 5}, 1<<20); ns != nil {
		t.Errorf("waiting of a chunk that is done: %v", ns)
	}
}

func TestAChunkIsReadAsFarAsMemoryGoes(t *testing.T) {
	s := start(t)
	b := newBatch()
	must(t, s.frontend.CreateBatch(t.Context(), b))
	long := items(b.ID, 0, 600)
	for i := range long {
		long[i].Body = bodyOf(strings.Repeat("x", 1000))
	}
	must(t, s.frontend.AddItems(t.Context(), long))
	all := gateway.Chunk{Batch: b.ID, To: 600}
	for maxBytes, want := range map[int64]int{1 << 20: 500, 10_000: 10, 10_999: 10, 1: 1} {
		if _, ns := s.waiting(t, all, maxBytes); len(ns) != want || ns[0] != 0 {
			t.Errorf("of %d bytes: items %v, want the first %d", maxBytes, ns, want)
		}
	}
}

func TestUnfinishedItemsAreEndingsToComplete(t *testing.T) {
	s := start(t)
	b := s.run(t, 6)
	s.finish(t, b.ID, 0)
	s.skip(t, b.ID, gateway.ItemErrored, 1)
	open := s.begin(t, b.ID, 3)
	attempt := newAttempt(open.ID, 2)
	s.commit(t, nil, []*gateway.Attempt{attempt})
	must(t, s.worker.CloseBatch(t.Context(), b.ID))

	left, err := s.worker.Unfinished(t.Context(), b.ID, 1, 3)
	must(t, err)
	var ns []int
	for i, e := range left {
		ns = append(ns, e.Result.N)
		if e.Result.Batch != b.ID || e.Result.CustomID != newItem(b.ID, e.Result.N).CustomID || (e.Outcome != nil) != (e.Result.N == 3) {
			t.Errorf("unfinished: %+v", e)
		}
		left[i].Result.State = gateway.ItemCanceled
	}
	if want := []int{2, 3, 4}; !reflect.DeepEqual(ns, want) {
		t.Fatalf("unfinished = %v, want %v", ns, want)
	}
	out := left[1].Outcome
	if out.ID != open.ID || out.Status != gateway.Interrupted || out.Error == "" || out.Target != attempt.Target || out.Attempts != 2 ||
		out.Charge != open.Charge || out.Cost != open.Cost || out.Usage != (gateway.Usage{Input: 100, Estimated: true}) || out.EndedAt.IsZero() {
		t.Errorf("outcome = %+v", out)
	}

	got := s.commit(t, nil, nil, &left[0], &left[1], &left[2])
	if len(got) != 1 || got[0].ID != open.ID || got[0].Charge != open.Charge {
		t.Errorf("settlements = %+v", got)
	}
	if n := s.Int(t, `SELECT count(*) FROM ledger WHERE status = 'interrupted' AND batch_n = 3 AND attempts = 2 AND backend = 'backend-2'`); n != 1 {
		t.Error("the interrupted request is not in the ledger")
	}
	if left, err = s.worker.Unfinished(t.Context(), b.ID, 0, 9); err != nil || len(left) != 1 || left[0].Result.N != 5 {
		t.Errorf("left = %+v, %v; want item 5", left, err)
	}
}

// A request that is open in spite of its item's result is not forgotten.
func TestAnOpenRequestOfAnItemThatHasAResultIsUnfinished(t *testing.T) {
	s := start(t)
	b := s.run(t, 1)
	in := s.begin(t, b.ID, 0)
	s.Exec(t, `INSERT INTO batch_results SELECT batch_id, n, custom_id, 'canceled', '', '', 0 FROM batch_items`)
	left, err := s.worker.Unfinished(t.Context(), b.ID, 0, 9)
	if err != nil || len(left) != 1 || left[0].Outcome == nil || left[0].Outcome.ID != in.ID {
		t.Fatalf("unfinished = %+v, %v", left, err)
	}
	if _, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCanceled); err == nil {
		t.Error("the batch ended with a request open")
	}
	left[0].Result.State = gateway.ItemErrored
	if got := s.commit(t, nil, nil, &left[0]); len(got) != 1 {
		t.Errorf("settlements = %+v", got)
	}
	if ended, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCanceled); err != nil || ended.Counts != (gateway.ItemCounts{Canceled: 1}) {
		t.Errorf("ended: %+v, %v; want the result that was there first", ended, err)
	}
}

// begin admits an item.
func (s *stack) begin(tb testing.TB, batch uuid.UUID, n int) *gateway.Intent {
	tb.Helper()
	in := newIntent()
	in.Item = gateway.ItemRef{Batch: batch, N: n}
	s.commit(tb, []*gateway.Intent{in}, nil)
	return in
}

// finish begins an item, and ends it well.
func (s *stack) finish(tb testing.TB, batch uuid.UUID, n int) *gateway.Intent {
	tb.Helper()
	in := s.begin(tb, batch, n)
	s.commit(tb, nil, nil, newEnding(in))
	return in
}

// skip gives items results without a request.
func (s *stack) skip(tb testing.TB, batch uuid.UUID, state gateway.ItemState, ns ...int) {
	tb.Helper()
	for _, n := range ns {
		s.commit(tb, nil, nil, newSkip(batch, n, state))
	}
}

func (s *stack) commit(tb testing.TB, intents []*gateway.Intent, attempts []*gateway.Attempt, endings ...*gateway.Ending) []gateway.Settlement {
	tb.Helper()
	settlements, err := s.worker.Commit(tb.Context(), intents, attempts, endings)
	must(tb, err)
	return settlements
}

// newEnding is that of an item that succeeded.
func newEnding(in *gateway.Intent) *gateway.Ending {
	e := newSkip(in.Item.Batch, in.Item.N, gateway.ItemSucceeded)
	e.Outcome = newOutcome(in.ID)
	return e
}

func newSkip(batch uuid.UUID, n int, state gateway.ItemState) *gateway.Ending {
	r := gateway.ItemResult{ItemRef: gateway.ItemRef{Batch: batch, N: n}, CustomID: newItem(batch, n).CustomID, State: state}
	if state == gateway.ItemErrored {
		r.Kind = "api_error"
	}
	r.Line = bodyOf("the line of " + r.CustomID)
	return &gateway.Ending{Result: r}
}
