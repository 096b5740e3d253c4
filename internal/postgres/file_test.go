package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func newFile() *gateway.File {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return &gateway.File{
		ID: uuid.Must(uuid.NewV7()), Subject: "7f9c", Name: "prompts.jsonl", Purpose: gateway.FileForBatch, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

// upload makes a file of so many chunks.
func (s *stack) upload(t *testing.T, chunks int) *gateway.File {
	t.Helper()
	f := newFile()
	must(t, s.frontend.CreateFile(t.Context(), f))
	for n := range chunks {
		chunk := bodyOf(fmt.Sprint("chunk ", n))
		f.Size += chunk.Size
		must(t, s.frontend.AddFileChunk(t.Context(), f.ID, n, chunk))
	}
	must(t, s.frontend.FinishFile(t.Context(), f.ID, f.Size))
	return f
}

func TestAFileIsShownWhenItIsThere(t *testing.T) {
	s := start(t)
	f := newFile()
	hidden := func(what string) {
		t.Helper()
		_, err := s.frontend.File(t.Context(), f.ID)
		wantNotFound(t, what, err)
		if all, _, err := s.frontend.Files(t.Context(), "7f9c", "", gateway.Page{Limit: 9}); err != nil || len(all) > 0 {
			t.Errorf("%s: files = %+v, %v", what, all, err)
		}
		wantNotFound(t, what+": read", s.worker.FileChunks(t.Context(), f.ID, 0, nil))
	}
	for range 2 {
		must(t, s.frontend.CreateFile(t.Context(), f))
		must(t, s.frontend.AddFileChunk(t.Context(), f.ID, 1, bodyOf("b")))
	}
	if err := s.frontend.FinishFile(t.Context(), f.ID, 11); err == nil {
		t.Error("finished without chunk 0")
	}
	must(t, s.frontend.AddFileChunk(t.Context(), f.ID, 0, bodyOf("a")))
	if err := s.frontend.FinishFile(t.Context(), f.ID, 23); err == nil {
		t.Error("finished with a byte that is not there")
	}
	hidden("not finished")
	for range 2 {
		must(t, s.frontend.FinishFile(t.Context(), f.ID, 22))
	}
	f.Size = 22
	if got, err := s.frontend.File(t.Context(), f.ID); err != nil || got != *f {
		t.Errorf("file = %+v, %v; want %+v", got, err, *f)
	}
	wantNotFound(t, "add to a finished one", s.frontend.AddFileChunk(t.Context(), f.ID, 2, bodyOf("c")))
	must(t, s.frontend.DeleteFile(t.Context(), f.ID))
	hidden("deleted")
	wantNotFound(t, "delete again", s.frontend.DeleteFile(t.Context(), f.ID))

	f = newFile()
	must(t, s.frontend.CreateFile(t.Context(), f))
	must(t, s.frontend.DiscardFile(t.Context(), f.ID))
	wantNotFound(t, "finish a discarded one", s.frontend.FinishFile(t.Context(), f.ID, 0))
	wantNotFound(t, "add to a discarded one", s.frontend.AddFileChunk(t.Context(), f.ID, 0, bodyOf("a")))

	f = newFile()
	f.ExpiresAt = time.Now()
	must(t, s.frontend.CreateFile(t.Context(), f))
	if err := s.frontend.FinishFile(t.Context(), f.ID, 0); err != nil {
		t.Fatal(err)
	}
	hidden("expired")
}

func TestFilesAreListedByPurpose(t *testing.T) {
	s := start(t)
	first, second := s.upload(t, 0), s.upload(t, 0)
	for purpose, want := range map[string]int{"": 2, gateway.FileForBatch: 2, gateway.FileOfBatch: 0} {
		if got, more, err := s.frontend.Files(t.Context(), "7f9c", purpose, gateway.Page{Limit: 9}); err != nil || more || len(got) != want {
			t.Errorf("files for %q = %+v, %v, %v", purpose, got, more, err)
		}
	}
	got, more, err := s.frontend.Files(t.Context(), "7f9c", "", gateway.Page{Limit: 1})
	if err != nil || !more || got[0] != *second {
		t.Errorf("the newest = %+v, %v, %v", got, more, err)
	}
	got, more, err = s.frontend.Files(t.Context(), "7f9c", "", gateway.Page{Limit: 1, After: second.ID})
	if err != nil || more || got[0] != *first {
		t.Errorf("the next = %+v, %v, %v", got, more, err)
	}
	if got, _, err := s.frontend.Files(t.Context(), "another", "", gateway.Page{Limit: 1}); err != nil || len(got) > 0 {
		t.Errorf("another's = %+v, %v", got, err)
	}
}

func TestAFileIsReadFromAnyChunkOn(t *testing.T) {
	s := start(t)
	for _, chunks := range []int{0, 1, 16, 40} {
		f, db := s.upload(t, chunks), s.narrow(t)
		for _, from := range []int{0, 1, 16, 39} {
			next := from
			must(t, db.FileChunks(t.Context(), f.ID, from, func(n int, chunk gateway.Body) error {
				if want := bodyOf(fmt.Sprint("chunk ", n)); n != next || string(chunk.Zstd) != string(want.Zstd) || chunk.Size != want.Size || chunk.Digest != want.Digest {
					t.Errorf("chunk %d = %+v, want chunk %d", n, chunk, next)
				}
				next++
				return db.Ping(t.Context()) // the connection is free meanwhile
			}))
			if want := max(from, chunks); next != want {
				t.Errorf("of %d chunks: read %d to %d", chunks, from, next)
			}
		}
	}
}

func TestAFileThatIsDeletedWhileItIsReadDoesNotEndEarly(t *testing.T) {
	s := start(t)
	f := s.upload(t, 17)
	err := s.worker.FileChunks(t.Context(), f.ID, 0, func(n int, _ gateway.Body) error {
		if n == 15 {
			must(t, s.frontend.DeleteFile(t.Context(), f.ID))
			s.tidy(t)
		}
		return nil
	})
	wantNotFound(t, "read", err)

	enough := errors.New("enough")
	if err := s.worker.FileChunks(t.Context(), s.upload(t, 1).ID, 0, func(int, gateway.Body) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error = %v, want fn's", err)
	}
}
