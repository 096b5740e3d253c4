package postgres_test

import (
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// tidy keeps house until nothing is left to do, and answers in how many goes.
func (s *stack) tidy(t *testing.T) (goes int) {
	t.Helper()
	for {
		n, err := s.worker.TidyBatches(t.Context(), time.Hour, 24*time.Hour, 2)
		must(t, err)
		if n == 0 {
			return goes
		}
		goes++
	}
}

// left is how many rows there are of batches, items, results, files and chunks.
func (s *stack) left(t *testing.T) (n [5]int64) {
	t.Helper()
	for i, table := range []string{"batches", "batch_items", "batch_results", "files", "file_chunks"} {
		n[i] = s.Int(t, `SELECT count(*) FROM `+table)
	}
	return n
}

// ended is a batch of five items that has ended, with a file.
func (s *stack) ended(t *testing.T) *gateway.Batch {
	t.Helper()
	b := s.run(t, 5)
	s.skip(t, b.ID, gateway.ItemErrored, 0, 1, 2, 3, 4)
	_, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCompleted)
	must(t, err)
	return b
}

func TestWhatIsNotOldIsKept(t *testing.T) {
	s := start(t)
	s.ended(t)
	s.run(t, 1)
	s.upload(t, 1)
	must(t, s.frontend.CreateBatch(t.Context(), newBatch()))
	must(t, s.frontend.CreateFile(t.Context(), newFile()))
	before := s.left(t)
	if goes := s.tidy(t); goes != 0 || s.left(t) != before {
		t.Errorf("tidied %d times; left %v of %v", goes, s.left(t), before)
	}
}

func TestUploadsThatNeverFinishAreGivenUp(t *testing.T) {
	s := start(t)
	b, f := newBatch(), newFile()
	b.CreatedAt, b.IdempotencyKey, f.CreatedAt = b.CreatedAt.Add(-2*time.Hour), "key", b.CreatedAt.Add(-2*time.Hour)
	must(t, s.frontend.CreateBatch(t.Context(), b))
	must(t, s.frontend.AddItems(t.Context(), items(b.ID, 0, 5)))
	must(t, s.frontend.CreateFile(t.Context(), f))
	for n := range 5 {
		must(t, s.frontend.AddFileChunk(t.Context(), f.ID, n, bodyOf("a")))
	}
	if goes := s.tidy(t); goes != 3 || s.left(t) != [5]int64{} {
		t.Errorf("tidied %d times, left %v; want 3 pieces of 2 rows", goes, s.left(t))
	}
}

func TestABatchIsArchivedWhenItIsOld(t *testing.T) {
	s := start(t)
	b := s.ended(t)
	want := s.batch(t, b.ID)
	s.Exec(t, `UPDATE batches SET ended_at = ended_at - interval '25 hours'`)
	want.EndedAt = want.EndedAt.Add(-25 * time.Hour)
	s.tidy(t)
	if got := s.left(t); got != [5]int64{1} {
		t.Errorf("left %v", got)
	}
	got := s.batch(t, b.ID)
	if got.ArchivedAt.IsZero() || got.Counts != want.Counts || got.EndedAt != want.EndedAt || got.ErrorFile != want.ErrorFile {
		t.Errorf("archived: %+v, want %+v", got, want)
	}
	must(t, s.frontend.DeleteBatch(t.Context(), b.ID))
	s.tidy(t)
	if got := s.left(t); got != [5]int64{} {
		t.Errorf("left of a deleted one %v", got)
	}
}

func TestADeletedBatchIsGone(t *testing.T) {
	s := start(t)
	running, b, kept := s.run(t, 1), s.ended(t), s.ended(t)
	wantNotFound(t, "delete one that runs", s.frontend.DeleteBatch(t.Context(), running.ID))
	must(t, s.frontend.DeleteBatch(t.Context(), b.ID))
	_, err := s.frontend.Batch(t.Context(), b.ID)
	wantNotFound(t, "a deleted one", err)
	wantNotFound(t, "delete again", s.frontend.DeleteBatch(t.Context(), b.ID))
	if files, _, err := s.frontend.Files(t.Context(), "7f9c", "", gateway.Page{Limit: 9}); err != nil || len(files) != 1 || files[0].Batch != kept.ID {
		t.Errorf("files = %+v, %v", files, err)
	}
	s.tidy(t)
	if got := s.left(t); got != [5]int64{2, 6, 5, 1, 0} {
		t.Errorf("left %v", got)
	}
}

func TestAFileGoesWhenItExpires(t *testing.T) {
	s := start(t)
	s.upload(t, 5)
	s.Exec(t, `UPDATE files SET expires_at = now()`)
	s.tidy(t)
	if got := s.left(t); got != [5]int64{} {
		t.Errorf("left %v", got)
	}
}
