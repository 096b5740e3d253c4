package postgres_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// mixed is a batch of six items that run, of which one has not ended.
func (s *stack) mixed(t *testing.T) (*gateway.Batch, *gateway.Intent) {
	t.Helper()
	b := s.run(t, 6)
	s.finish(t, b.ID, 0)
	s.skip(t, b.ID, gateway.ItemErrored, 1, 2)
	s.skip(t, b.ID, gateway.ItemCanceled, 3)
	s.skip(t, b.ID, gateway.ItemExpired, 4)
	return b, s.begin(t, b.ID, 5)
}

func TestABatchIsCountedWhileItRuns(t *testing.T) {
	s := start(t)
	b, _ := s.mixed(t)
	want := gateway.ItemCounts{Succeeded: 1, Errored: 2, Canceled: 1, Expired: 1}
	if got := s.batch(t, b.ID).Counts; got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
	if all, _, err := s.frontend.Batches(t.Context(), "7f9c", "", gateway.Page{Limit: 1}); err != nil || all[0].Counts != want {
		t.Errorf("list = %+v, %v", all, err)
	}
	for chunk, want := range map[gateway.Chunk]gateway.ItemCounts{
		{Batch: b.ID, From: 1, To: 4}: {Errored: 2, Canceled: 1},
		{Batch: b.ID, From: 4, To: 9}: {Expired: 1},
		{Batch: b.ID, From: 5, To: 6}: {},
	} {
		if got, err := s.worker.CountItems(t.Context(), chunk); err != nil || got != want {
			t.Errorf("counts of %d to %d = %+v, %v; want %+v", chunk.From, chunk.To, got, err, want)
		}
	}
	running, failures, err := s.frontend.BatchDetail(t.Context(), b.ID)
	if err != nil || running != 1 || !maps.Equal(failures, map[string]int{"api_error": 2}) {
		t.Errorf("detail = %d, %v, %v", running, failures, err)
	}
	if running, failures, err = s.frontend.BatchDetail(t.Context(), uuid.UUID{9}); err != nil || running != 0 || len(failures) > 0 {
		t.Errorf("detail of none = %d, %v, %v", running, failures, err)
	}
}

func TestABatchEndsWhenAllItsItemsHave(t *testing.T) {
	s := start(t)
	b, last := s.mixed(t)
	if _, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCompleted); err == nil {
		t.Error("ended without the last result")
	}
	e := newEnding(last)
	e.Outcome.Usage.Estimated = true
	s.commit(t, nil, nil, e)
	must(t, s.worker.HoldBatch(t.Context(), b.ID, gateway.Wait{Reason: gateway.WaitNative, Until: b.ExpiresAt}))

	got, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchExpired)
	must(t, err)
	if got.State != gateway.BatchEnded || got.End != gateway.BatchExpired || got.EndedAt.IsZero() || got.Total != 6 || got.Cost != 580 || got.Wait != (gateway.Wait{}) ||
		got.Counts != (gateway.ItemCounts{Succeeded: 2, Errored: 2, Canceled: 1, Expired: 1}) ||
		got.Usage != (gateway.Usage{Input: 40, Output: 60, CacheRead: 1000, CacheWrite: 10, Estimated: true}) {
		t.Errorf("ended: %+v", got)
	}
	again, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCompleted)
	if err != nil || !reflect.DeepEqual(again, got) || !reflect.DeepEqual(s.batch(t, b.ID), got) {
		t.Errorf("again: %+v, %v; want %+v", again, err, got)
	}

	files, _, err := s.frontend.Files(t.Context(), "7f9c", "", gateway.Page{Limit: 9, Ascending: true})
	must(t, err)
	size := int64(len("the line of item-0") + 10 + 1)
	if len(files) != 2 || files[0].ID != got.OutputFile || files[1].ID != got.ErrorFile || files[0].Size != 2*size || files[1].Size != 4*size {
		t.Errorf("files = %+v", files)
	}
	for _, f := range files {
		if f.Batch != b.ID || f.Purpose != gateway.FileOfBatch || !strings.HasSuffix(f.Name, ".jsonl") || f.CreatedAt.IsZero() {
			t.Errorf("file = %+v", f)
		}
	}
	if _, err := s.worker.EndBatch(t.Context(), uuid.UUID{9}, gateway.BatchCompleted); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("end of none: %v", err)
	}
}

func TestABatchWithoutErrorsHasNoFileOfThem(t *testing.T) {
	s := start(t)
	b := s.run(t, 1)
	s.finish(t, b.ID, 0)
	got, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCompleted)
	if err != nil || got.OutputFile == uuid.Nil || got.ErrorFile != uuid.Nil || s.Int(t, `SELECT count(*) FROM files`) != 1 {
		t.Errorf("ended: %+v, %v", got, err)
	}
}

// A batch that is cancelled while its file is read has the items that were read, and those were cancelled.
func TestABatchThatNeverBeganEndsWithTheItemsItHas(t *testing.T) {
	s := start(t)
	b := newBatch()
	b.State = gateway.BatchValidating
	must(t, s.frontend.CreateBatch(t.Context(), b))
	must(t, s.worker.AddItems(t.Context(), items(b.ID, 0, 2)))
	must(t, s.worker.CloseBatch(t.Context(), b.ID))
	s.skip(t, b.ID, gateway.ItemCanceled, 0, 1)
	got, err := s.worker.EndBatch(t.Context(), b.ID, gateway.BatchCanceled)
	if err != nil || got.Total != 2 || got.Counts.Canceled != 2 || !got.StartedAt.IsZero() {
		t.Errorf("ended: %+v, %v", got, err)
	}
}

func TestResultsAreReadInTheOrderOfItems(t *testing.T) {
	s := start(t)
	b, last := s.mixed(t)
	s.commit(t, nil, nil, newEnding(last))
	for part, want := range map[gateway.Part][]string{
		gateway.AllResults: {"item-0", "item-1", "item-2", "item-3", "item-4", "item-5"},
		gateway.OutputPart: {"item-0", "item-5"},
		gateway.ErrorPart:  {"item-1", "item-2", "item-3", "item-4"},
	} {
		t.Run(string(part), func(t *testing.T) {
			var got []string
			must(t, s.frontend.Results(t.Context(), b.ID, part, func(line gateway.Body) error {
				got = append(got, strings.TrimPrefix(string(line.Zstd), "the line of "))
				if line.Size != int64(len(line.Zstd))+10 {
					t.Errorf("a line of %d bytes, want %d", line.Size, len(line.Zstd)+10)
				}
				return nil
			}))
			if !slices.Equal(got, want) {
				t.Errorf("results = %v, want %v", got, want)
			}
		})
	}
}

// narrow is the frontend's side with one connection: what holds that lets nobody else have an answer.
func (s *stack) narrow(t *testing.T) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: s.URL(postgrestest.Frontend), MaxConns: 1, Timeout: 2 * time.Second})
	must(t, err)
	t.Cleanup(db.Close)
	return db
}

func TestResultsAreReadAPageAtATime(t *testing.T) {
	for name, tt := range map[string]struct {
		items int
		line  string // of each
		pages int64  // beside the question how far to read
	}{
		"by their number": {1001, "short", 3},
		"by their length": {5, strings.Repeat("x", 2_000_000), 3},
		"one at least":    {2, strings.Repeat("x", 5_000_000), 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			b := s.run(t, tt.items)
			for n := range tt.items {
				e := newSkip(b.ID, n, gateway.ItemErrored)
				e.Result.Line = bodyOf(tt.line)
				s.commit(t, nil, nil, e)
			}
			reader, wire := through(t, s.Server, postgrestest.Frontend, postgres.Config{})
			for again := range 2 { // the first time prepares the statements
				read, before := 0, wire.trips.Load()
				must(t, reader.Results(t.Context(), b.ID, gateway.AllResults, func(line gateway.Body) error {
					read++
					if string(line.Zstd) != tt.line {
						t.Errorf("line %d is %d bytes", read, len(line.Zstd))
					}
					return nil
				}))
				if trips := wire.trips.Load() - before; read != tt.items || again == 1 && trips != tt.pages+1 {
					t.Errorf("read %d lines in %d round trips, want %d in %d", read, trips, tt.items, tt.pages+1)
				}
			}
			db := s.narrow(t)
			enough := errors.New("enough")
			err := db.Results(t.Context(), b.ID, gateway.AllResults, func(gateway.Body) error {
				_, err := db.Batch(t.Context(), b.ID) // the connection is free meanwhile
				return errors.Join(err, enough)
			})
			if !errors.Is(err, enough) || strings.Contains(err.Error(), "postgres") {
				t.Errorf("error = %v, want fn's", err)
			}
		})
	}
}
