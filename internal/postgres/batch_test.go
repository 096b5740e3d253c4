package postgres_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func newBatch() *gateway.Batch {
	now := time.Now().UTC().Truncate(time.Microsecond)
	id := uuid.Must(uuid.NewV7())
	return &gateway.Batch{
		ID: id, WorkflowID: "batch-" + id.String(), Principal: gateway.Principal{Subject: "7f9c", User: "ann", Tier: "pro", Roles: []string{"auditor"}},
		Endpoint: gateway.Messages, State: gateway.BatchUploading, Header: map[string]string{"anthropic-beta": "a,b"},
		Metadata: map[string]string{"for": "a\x00test"}, InputDigest: []byte{1}, CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour),
	}
}

func newItem(batch uuid.UUID, n int) gateway.Item {
	return gateway.Item{Batch: batch, N: n, CustomID: fmt.Sprint("item-", n), Body: bodyOf(fmt.Sprint("prompt ", n))}
}

// bodyOf is a body that is stored as the text itself.
func bodyOf(text string) gateway.Body {
	return gateway.Body{Zstd: []byte(text), Size: int64(len(text)) + 10, Digest: sha256.Sum256([]byte(text))}
}

func items(batch uuid.UUID, from, to int) (made []gateway.Item) {
	for n := from; n < to; n++ {
		made = append(made, newItem(batch, n))
	}
	return made
}

// run makes a batch of n items that runs.
func (s *stack) run(tb testing.TB, n int) *gateway.Batch {
	tb.Helper()
	b := newBatch()
	must(tb, s.frontend.CreateBatch(tb.Context(), b))
	for from := 0; from < n; from += 1000 {
		must(tb, s.frontend.AddItems(tb.Context(), items(b.ID, from, min(n, from+1000))))
	}
	must(tb, s.frontend.AcceptBatch(tb.Context(), b.ID, n, b.InputDigest))
	must(tb, s.worker.BeginBatch(tb.Context(), b.ID, n))
	return b
}

func (s *stack) batch(tb testing.TB, id uuid.UUID) gateway.Batch {
	tb.Helper()
	b, err := s.frontend.Batch(tb.Context(), id)
	must(tb, err)
	return b
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func wantNotFound(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("%s: error = %v, want %v", what, err, gateway.ErrNotFound)
	}
}

func TestABatchIsWhatItWasMadeAs(t *testing.T) {
	s := start(t)
	want := newBatch()
	want.State, want.Open, want.InputFile, want.IdempotencyKey, want.Total = gateway.BatchValidating, true, uuid.UUID{3}, "key", 7
	for range 2 { // the answer to the first may have been lost
		must(t, s.frontend.CreateBatch(t.Context(), want))
	}
	if got := s.batch(t, want.ID); !reflect.DeepEqual(got, *want) {
		t.Errorf("batch = %+v\nwant    %+v", got, *want)
	}
	unended, err := s.worker.UnendedBatches(t.Context(), 10)
	if err != nil || len(unended) != 1 || !reflect.DeepEqual(unended[0], *want) {
		t.Errorf("unended = %+v, %v", unended, err)
	}
}

func TestABatchIsShownWhenItIsUploaded(t *testing.T) {
	s := start(t)
	b := newBatch()
	b.IdempotencyKey = "key"
	must(t, s.frontend.CreateBatch(t.Context(), b))
	must(t, s.frontend.AddItems(t.Context(), items(b.ID, 0, 3)))
	hidden := func() {
		t.Helper()
		_, err := s.frontend.Batch(t.Context(), b.ID)
		wantNotFound(t, "batch", err)
		if all, _, err := s.frontend.Batches(t.Context(), "7f9c", "", gateway.Page{Limit: 9}); err != nil || len(all) > 0 {
			t.Errorf("list = %+v, %v", all, err)
		}
		if all, err := s.worker.UnendedBatches(t.Context(), 9); err != nil || len(all) > 0 {
			t.Errorf("unended = %+v, %v", all, err)
		}
	}
	hidden()
	if got, err := s.frontend.BatchByKey(t.Context(), "7f9c", "key"); err != nil || got.ID != b.ID {
		t.Errorf("by key: %+v, %v", got, err)
	}
	for _, total := range []int{2, 4} {
		if err := s.frontend.AcceptBatch(t.Context(), b.ID, total, nil); err == nil {
			t.Errorf("accepted with %d of 3 items", total)
		}
	}
	hidden()
	for range 2 {
		must(t, s.frontend.AcceptBatch(t.Context(), b.ID, 3, []byte{2}))
	}
	if got := s.batch(t, b.ID); got.State != gateway.BatchValidating || got.Total != 3 || !bytes.Equal(got.InputDigest, []byte{2}) {
		t.Errorf("accepted: %+v", got)
	}
	must(t, s.frontend.DiscardBatch(t.Context(), b.ID)) // too late
	s.batch(t, b.ID)
}

func TestABatchWithAGapIsNotAccepted(t *testing.T) {
	s := start(t)
	b := newBatch()
	must(t, s.frontend.CreateBatch(t.Context(), b))
	must(t, s.frontend.AddItems(t.Context(), []gateway.Item{newItem(b.ID, 0), newItem(b.ID, 2)}))
	if err := s.frontend.AcceptBatch(t.Context(), b.ID, 2, nil); err == nil {
		t.Error("accepted without item 1")
	}
}

func TestAKeyIsItsOwnersUntilTheBatchIsGone(t *testing.T) {
	s := start(t)
	first, again, another := newBatch(), newBatch(), newBatch()
	first.IdempotencyKey, again.IdempotencyKey, another.IdempotencyKey = "key", "key", "key"
	another.Principal.Subject = "another"
	must(t, s.frontend.CreateBatch(t.Context(), first))
	if err := s.frontend.CreateBatch(t.Context(), again); !errors.Is(err, gateway.ErrKeyUsed) {
		t.Errorf("error = %v, want %v", err, gateway.ErrKeyUsed)
	}
	must(t, s.frontend.CreateBatch(t.Context(), another))
	must(t, s.frontend.DiscardBatch(t.Context(), first.ID))
	_, err := s.frontend.BatchByKey(t.Context(), "7f9c", "key")
	wantNotFound(t, "by the key of a discarded one", err)
	wantNotFound(t, "accept a discarded one", s.frontend.AcceptBatch(t.Context(), first.ID, 0, nil))
	wantNotFound(t, "add to a discarded one", s.frontend.AddItems(t.Context(), items(first.ID, 0, 1)))
	must(t, s.frontend.CreateBatch(t.Context(), again))
	_, err = s.frontend.BatchByKey(t.Context(), "7f9c", "")
	wantNotFound(t, "by no key", err)
}

func TestAListIsReadInPages(t *testing.T) {
	s := start(t)
	ids := make([]uuid.UUID, 5) // the oldest first
	for i := range ids {
		b := newBatch()
		b.State = gateway.BatchValidating
		if i == 4 {
			b.Endpoint = gateway.Chat
		}
		ids[i] = b.ID
		must(t, s.frontend.CreateBatch(t.Context(), b))
	}
	theirs := newBatch()
	theirs.State, theirs.Principal.Subject = gateway.BatchValidating, "another"
	must(t, s.frontend.CreateBatch(t.Context(), theirs))
	for name, tt := range map[string]struct {
		dialect gateway.Dialect
		page    gateway.Page
		want    []int
		more    bool
	}{
		"the newest":                      {"", gateway.Page{Limit: 2}, []int{4, 3}, true},
		"all":                             {"", gateway.Page{Limit: 5}, []int{4, 3, 2, 1, 0}, false},
		"after one":                       {"", gateway.Page{Limit: 2, After: ids[3]}, []int{2, 1}, true},
		"the last page":                   {"", gateway.Page{Limit: 2, After: ids[1]}, []int{0}, false},
		"before one, the nearest":         {"", gateway.Page{Limit: 2, Before: ids[0]}, []int{2, 1}, true},
		"before one, all":                 {"", gateway.Page{Limit: 2, Before: ids[2]}, []int{4, 3}, false},
		"between two":                     {"", gateway.Page{Limit: 5, After: ids[4], Before: ids[1]}, []int{3, 2}, false},
		"the oldest":                      {"", gateway.Page{Limit: 2, Ascending: true}, []int{0, 1}, true},
		"from the oldest, after one":      {"", gateway.Page{Limit: 2, Ascending: true, After: ids[2]}, []int{3, 4}, false},
		"from the oldest, before one":     {"", gateway.Page{Limit: 2, Ascending: true, Before: ids[3]}, []int{1, 2}, true},
		"of a dialect":                    {gateway.Anthropic, gateway.Page{Limit: 2}, []int{3, 2}, true},
		"of a dialect with a single one":  {gateway.OpenAI, gateway.Page{Limit: 2}, []int{4}, false},
		"after the last there is nothing": {"", gateway.Page{Limit: 2, After: ids[0]}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			found, more, err := s.frontend.Batches(t.Context(), "7f9c", tt.dialect, tt.page)
			must(t, err)
			var got []int
			for _, b := range found {
				got = append(got, slices.Index(ids, b.ID))
			}
			if !slices.Equal(got, tt.want) || more != tt.more {
				t.Errorf("list = %v, more %v; want %v, more %v", got, more, tt.want, tt.more)
			}
		})
	}
}

func TestABatchGoesThroughItsStates(t *testing.T) {
	s := start(t)
	b := s.run(t, 2)
	must(t, s.worker.BeginBatch(t.Context(), b.ID, 2)) // again
	got := s.batch(t, b.ID)
	if got.State != gateway.BatchRunning || got.StartedAt.IsZero() {
		t.Errorf("running: %+v", got)
	}
	wait := gateway.Wait{Reason: gateway.WaitQuota, Until: time.Now().UTC().Truncate(time.Microsecond)}
	must(t, s.worker.HoldBatch(t.Context(), b.ID, wait))
	if got := s.batch(t, b.ID); got.Wait != wait {
		t.Errorf("wait = %+v, want %+v", got.Wait, wait)
	}
	must(t, s.worker.HoldBatch(t.Context(), b.ID, gateway.Wait{}))
	if got := s.batch(t, b.ID); got.Wait != (gateway.Wait{}) {
		t.Errorf("wait = %+v, want none", got.Wait)
	}
	must(t, s.worker.HoldBatch(t.Context(), b.ID, wait))
	must(t, s.frontend.CancelBatch(t.Context(), b.ID))
	asked := s.batch(t, b.ID).CancelRequestedAt
	must(t, s.frontend.CancelBatch(t.Context(), b.ID))
	if got := s.batch(t, b.ID).CancelRequestedAt; asked.IsZero() || got != asked {
		t.Errorf("asked to cancel at %v, then at %v", asked, got)
	}
	must(t, s.worker.CloseBatch(t.Context(), b.ID))
	got = s.batch(t, b.ID)
	must(t, s.worker.CloseBatch(t.Context(), b.ID))
	must(t, s.worker.HoldBatch(t.Context(), b.ID, wait))
	must(t, s.worker.BeginBatch(t.Context(), b.ID, 2))
	if got.State != gateway.BatchClosing || got.ClosingAt.IsZero() || got.Wait != (gateway.Wait{}) || !reflect.DeepEqual(got, s.batch(t, b.ID)) {
		t.Errorf("closing: %+v, then %+v", got, s.batch(t, b.ID))
	}
}

func TestWhatIsHeldTwiceIsWrittenOnce(t *testing.T) {
	s := start(t)
	b := s.run(t, 1)
	var version [2]int64
	for i := range version {
		must(t, s.worker.HoldBatch(t.Context(), b.ID, gateway.Wait{Reason: gateway.WaitItems, Until: b.ExpiresAt}))
		version[i] = s.Int(t, `SELECT xmin::text::bigint FROM batches`)
	}
	if version[0] != version[1] {
		t.Error("the row was written again")
	}
}

func TestAnOpenBatchGrowsUntilItIsClosed(t *testing.T) {
	s := start(t)
	b := newBatch()
	b.Open = true
	must(t, s.worker.CreateBatch(t.Context(), b))
	must(t, s.worker.AddItems(t.Context(), items(b.ID, 0, 1)))
	must(t, s.worker.AcceptBatch(t.Context(), b.ID, 1, nil))
	must(t, s.worker.BeginBatch(t.Context(), b.ID, 1))
	wantNotFound(t, "a frontend adds to a batch that runs", s.frontend.AddItems(t.Context(), items(b.ID, 1, 2)))
	must(t, s.worker.AddItems(t.Context(), items(b.ID, 1, 3)))
	for _, step := range []struct {
		total int
		open  bool
		want  gateway.Batch
	}{
		{3, true, gateway.Batch{Total: 3, Open: true}},
		{2, true, gateway.Batch{Total: 3, Open: true}}, // late
		{2, false, gateway.Batch{Total: 3}},
		{3, true, gateway.Batch{Total: 3}}, // late
		{4, true, gateway.Batch{Total: 4}}, // the same
	} {
		must(t, s.worker.GrowBatch(t.Context(), b.ID, step.total, step.open))
		if got := s.batch(t, b.ID); got.Total != step.want.Total || got.Open != step.want.Open {
			t.Errorf("total %d, open %v; want %d, %v", got.Total, got.Open, step.want.Total, step.want.Open)
		}
	}
	must(t, s.worker.CloseBatch(t.Context(), b.ID))
	wantNotFound(t, "add to a batch that closes", s.worker.AddItems(t.Context(), items(b.ID, 3, 4)))
	s.skip(t, b.ID, gateway.ItemCanceled, 0, 1, 2)
	if _, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCanceled); err == nil {
		t.Error("the batch ended without item 3")
	}
}

func TestARefusedBatchSaysWhyAndDropsItsItems(t *testing.T) {
	s := start(t)
	b := newBatch()
	b.State = gateway.BatchValidating
	must(t, s.frontend.CreateBatch(t.Context(), b))
	wantNotFound(t, "a frontend adds to an accepted batch", s.frontend.AddItems(t.Context(), items(b.ID, 0, 1)))
	must(t, s.worker.AddItems(t.Context(), items(b.ID, 0, 5001)))
	if err := s.worker.BeginBatch(t.Context(), b.ID, 5000); err == nil {
		t.Error("began with an item too many")
	}
	why := []gateway.InputError{{Code: "invalid_json_line", Message: "no JSON\x00", Param: "custom_id", Line: 57_000}}
	for range 2 {
		must(t, s.worker.RefuseBatch(t.Context(), b.ID, why))
	}
	got := s.batch(t, b.ID)
	if got.State != gateway.BatchEnded || got.End != gateway.BatchRefused || got.EndedAt.IsZero() || !slices.Equal(got.InputErrors, why) {
		t.Errorf("refused: %+v", got)
	}
	if n := s.Int(t, `SELECT count(*) FROM batch_items`); n > 0 {
		t.Errorf("%d items are left", n)
	}
	running := s.run(t, 1)
	must(t, s.worker.RefuseBatch(t.Context(), running.ID, why))
	if got := s.batch(t, running.ID); got.State != gateway.BatchRunning || s.Int(t, `SELECT count(*) FROM batch_items`) != 1 {
		t.Errorf("a batch that runs was refused: %+v", got)
	}
}
