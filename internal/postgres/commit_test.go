package postgres_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

func TestAnItemEndsWithItsRequest(t *testing.T) {
	s := start(t)
	b := s.run(t, 2)
	in := s.begin(t, b.ID, 1)
	s.wantRows(t, [4]int64{1, 0, 1, 0})
	e := newEnding(in)
	for i := range 2 { // the answer to the first may have been lost
		got := s.commit(t, nil, nil, e)
		if want := (gateway.Settlement{ID: in.ID, Subject: "7f9c", Window: in.Window, Charge: e.Outcome.Charge, Reserved: true}); i == 0 && (len(got) != 1 || got[0] != want) || i == 1 && got != nil {
			t.Errorf("settlements of ending %d = %+v", i, got)
		}
		s.wantRows(t, [4]int64{0, 0, 2, 1})
	}
	if n := s.Int(t, `
		SELECT count(*) FROM ledger l JOIN batch_results r ON r.request_id = l.id AND r.batch_id = l.batch_id AND r.n = l.batch_n
		WHERE l.batch_n = 1 AND r.custom_id = 'item-1' AND r.state = 'succeeded' AND r.kind = ''`); n != 1 {
		t.Error("the ledger and the result do not name each other")
	}
}

func TestTheLedgerHasAnItemAsItHasAnyRequest(t *testing.T) {
	for name, change := range map[string]func(in *gateway.Intent, out *gateway.Outcome){
		"sent once":  func(*gateway.Intent, *gateway.Outcome) {},
		"never sent": func(_ *gateway.Intent, out *gateway.Outcome) { out.Attempts, out.Target = 0, gateway.Target{} },
		"sent again": func(_ *gateway.Intent, out *gateway.Outcome) {
			out.Attempts, out.Target = 2, gateway.Target{Backend: "backend-2", Model: "model-2"}
		},
		"without an answer": func(_ *gateway.Intent, out *gateway.Outcome) {
			out.Body, out.FirstByteAt, out.Status, out.Error = gateway.Body{}, time.Time{}, gateway.Failed, "refused\x00"
		},
		"not reserved": func(in *gateway.Intent, _ *gateway.Outcome) { in.Reserved = false },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			b := s.run(t, 1)
			request, out := newIntent(), newOutcome(uuid.Nil)
			change(request, out)
			item, ofItem := *request, *out
			item.ID, item.Item = uuid.Must(uuid.NewV7()), gateway.ItemRef{Batch: b.ID}
			out.ID, ofItem.ID = request.ID, item.ID

			s.stage(t, []*gateway.Intent{request}, []*gateway.Outcome{out})
			s.write(t, request.ID)
			e := newSkip(b.ID, 0, gateway.ItemSucceeded)
			e.Outcome = &ofItem
			s.commit(t, []*gateway.Intent{&item}, nil, e)
			if n := s.Int(t, `SELECT count(*) + count(DISTINCT to_jsonb(l) - 'id' - 'recorded_at' - 'batch_id' - 'batch_n' - 'digest') FROM ledger l`); n != 3 {
				t.Errorf("two rows and their kinds are %d, want 2 + 1", n)
			}
			if n := s.Int(t, `SELECT count(DISTINCT (kind, zstd, size, digest)) FROM bodies`); n*2 != s.rows(t)[2] {
				t.Errorf("%d kinds of %d bodies", n, s.rows(t)[2])
			}
		})
	}
}

func TestAnItemHasOneRequestAtATimeAndOneForEver(t *testing.T) {
	s := start(t)
	b, validating := s.run(t, 9), newBatch()
	validating.State = gateway.BatchValidating
	must(t, s.worker.CreateBatch(t.Context(), validating))
	open, ended := s.begin(t, b.ID, 0), s.finish(t, b.ID, 1)
	s.skip(t, b.ID, gateway.ItemErrored, 2)
	s.commit(t, nil, []*gateway.Attempt{newAttempt(open.ID, 2)})
	rows := s.rows(t)

	second := func(batch uuid.UUID, n int) *gateway.Intent {
		in := newIntent()
		in.Item = gateway.ItemRef{Batch: batch, N: n}
		return in
	}
	good := second(b.ID, 8)
	for name, tt := range map[string]struct {
		intents  []*gateway.Intent
		attempts []*gateway.Attempt
	}{
		"its request is open":                    {[]*gateway.Intent{good, second(b.ID, 0)}, nil},
		"its request has ended":                  {[]*gateway.Intent{good, second(b.ID, 1)}, nil},
		"its request, which has ended, again":    {[]*gateway.Intent{good, ended}, nil},
		"it has a result without a request":      {[]*gateway.Intent{good, second(b.ID, 2)}, nil},
		"its batch does not run yet":             {[]*gateway.Intent{good, second(validating.ID, 0)}, nil},
		"there is no such batch":                 {[]*gateway.Intent{good, second(uuid.UUID{9}, 0)}, nil},
		"another has sent it again":              {[]*gateway.Intent{good}, []*gateway.Attempt{newAttempt(open.ID, 2)}},
		"it is sent again after it ended":        {[]*gateway.Intent{good}, []*gateway.Attempt{newAttempt(ended.ID, 2)}},
		"a request is sent again that never was": {[]*gateway.Intent{good}, []*gateway.Attempt{newAttempt(uuid.Must(uuid.NewV7()), 2)}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.worker.Commit(t.Context(), tt.intents, tt.attempts, nil)
			if !errors.Is(err, gateway.ErrItemTaken) || !errors.Is(err, gateway.ErrRecordRefused) {
				t.Errorf("error = %v, want %v", err, gateway.ErrItemTaken)
			}
			s.wantRows(t, rows)
		})
	}
	s.commit(t, []*gateway.Intent{good}, nil)
	s.commit(t, []*gateway.Intent{good, open}, nil) // again
	must(t, s.worker.CloseBatch(t.Context(), b.ID))
	if _, err := s.worker.Commit(t.Context(), []*gateway.Intent{second(b.ID, 7)}, nil, nil); !errors.Is(err, gateway.ErrItemTaken) {
		t.Errorf("an item of a batch that closes: error = %v, want %v", err, gateway.ErrItemTaken)
	}
	s.commit(t, nil, nil, newEnding(open)) // what runs ends
}

func TestAnEndingThatIsNotTheItemsChangesNothing(t *testing.T) {
	s := start(t)
	b := s.run(t, 3)
	open := s.begin(t, b.ID, 0)
	s.finish(t, b.ID, 1)
	never := newIntent()
	never.Item = gateway.ItemRef{Batch: b.ID, N: 2}
	rows, results := s.rows(t), `SELECT count(*) FROM batch_results WHERE state = 'succeeded'`
	for name, e := range map[string]*gateway.Ending{
		"without an outcome, of an open request":    newSkip(b.ID, 0, gateway.ItemCanceled),
		"without an outcome, of one that ended":     newSkip(b.ID, 1, gateway.ItemCanceled),
		"of a request that was never put on record": newEnding(never),
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.commit(t, nil, nil, e); got != nil {
				t.Errorf("settlements = %+v", got)
			}
			s.wantRows(t, rows)
			if n, all := s.Int(t, results), s.Int(t, `SELECT count(*) FROM batch_results`); n != 1 || all != 1 {
				t.Errorf("%d results of %d are those that were there", n, all)
			}
		})
	}
	s.commit(t, nil, nil, newEnding(open))
}

// A worker that was taken for dead ends an item that another has sent again meanwhile.
func TestWhatAnotherSentIsCountedByWhoeverEndsTheItem(t *testing.T) {
	s := start(t)
	b := s.run(t, 1)
	in := s.begin(t, b.ID, 0)
	again := newAttempt(in.ID, 2)
	s.commit(t, nil, []*gateway.Attempt{again})
	s.commit(t, nil, nil, newEnding(in))
	s.wantSendings(t, in.ID, sent(1, in.AdmittedAt, in.Target, again.Status, again.Reason), sent(2, again.At, again.Target, 200, ""))
}

func TestACommitIsWholeOrNotAtAll(t *testing.T) {
	s := start(t)
	b := s.run(t, 4)
	open := s.begin(t, b.ID, 0)
	rows := s.rows(t)
	next := newIntent()
	next.Item = gateway.ItemRef{Batch: b.ID, N: 1}
	bad := newSkip(b.ID, 3, "unheard of")
	got, err := s.worker.Commit(t.Context(), []*gateway.Intent{next}, []*gateway.Attempt{newAttempt(open.ID, 2)}, []*gateway.Ending{newEnding(open), bad})
	if !errors.Is(err, gateway.ErrRecordRefused) || errors.Is(err, gateway.ErrItemTaken) || errors.Is(err, gateway.ErrFateUnknown) || got != nil {
		t.Fatalf("settlements = %+v, error = %v; want %v", got, err, gateway.ErrRecordRefused)
	}
	s.wantRows(t, rows)
	if n := s.Int(t, `SELECT (SELECT count(*) FROM batch_results) + (SELECT count(*) FROM attempts)`); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	if got := s.commit(t, nil, nil); got != nil {
		t.Errorf("settlements of nothing = %+v", got)
	}
}

// An error that comes with the commit, after every statement went well, is seen too.
func TestAnErrorAtTheCommitOfItemsIsAnError(t *testing.T) {
	s := start(t)
	b := s.run(t, 1)
	in := s.begin(t, b.ID, 0)
	s.refuseAtCommit(t, "batch_results")
	got, err := s.worker.Commit(t.Context(), nil, nil, []*gateway.Ending{newEnding(in)})
	if err == nil || errors.Is(err, gateway.ErrFateUnknown) || got != nil {
		t.Fatalf("settlements = %+v, error = %v; want one that is certain", got, err)
	}
	s.wantRows(t, [4]int64{1, 0, 1, 0})
}

// A worker of the version before may take an item for a request of a frontend that is gone.
func TestAnItemThatWasEndedAsARequestIsOneInTheLedger(t *testing.T) {
	s := start(t)
	b := s.run(t, 3)
	in := s.begin(t, b.ID, 2)
	s.stage(t, nil, []*gateway.Outcome{newOutcome(in.ID)})
	s.write(t, in.ID)
	if n := s.Int(t, `SELECT count(*) FROM ledger WHERE batch_id = $1 AND batch_n = 2`, b.ID); n != 1 {
		t.Error("the ledger does not say which item it was")
	}
}

func TestACommitOfItemsIsOneRoundTrip(t *testing.T) {
	s := start(t)
	worker, wire := through(t, s.Server, postgrestest.Worker, postgres.Config{})
	b := s.run(t, 3)
	for n := range 3 { // the first prepares the statements
		in := newIntent()
		in.Item = gateway.ItemRef{Batch: b.ID, N: n}
		before := wire.trips.Load()
		_, err := worker.Commit(t.Context(), []*gateway.Intent{in}, []*gateway.Attempt{newAttempt(in.ID, 2)}, []*gateway.Ending{newEnding(in)})
		must(t, err)
		if took := wire.trips.Load() - before; before > 0 && took != 1 {
			t.Errorf("it took %d round trips", took)
		}
	}
}

func TestACommitOfItemsWithoutAnAnswerMayBeMadeAgain(t *testing.T) {
	for name, mode := range map[string]int32{"the request is lost": dropRequests, "the answer is lost": dropAnswers} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			worker, wire := through(t, s.Server, postgrestest.Worker, postgres.Config{})
			b := s.run(t, 1)
			in := s.begin(t, b.ID, 0)
			_, err := worker.Commit(t.Context(), nil, nil, []*gateway.Ending{newSkip(b.ID, 0, gateway.ItemErrored)})
			must(t, err) // prepares the statements, and changes nothing
			wire.mode.Store(mode)
			if _, err := worker.Commit(t.Context(), nil, nil, []*gateway.Ending{newEnding(in)}); !errors.Is(err, gateway.ErrFateUnknown) {
				t.Fatalf("error = %v, want %v", err, gateway.ErrFateUnknown)
			}
			wire.mode.Store(pass)
			got, err := worker.Commit(t.Context(), nil, nil, []*gateway.Ending{newEnding(in)})
			if err != nil || len(got) == 1 != (mode == dropRequests) {
				t.Errorf("settlements = %+v, %v", got, err)
			}
			s.wantRows(t, [4]int64{0, 0, 2, 1})
		})
	}
}

// Two workers have the same items, each takes what it can get, and some of it twice.
func TestTwoWorkersOnTheSameItemsCountEachOnce(t *testing.T) {
	s := start(t)
	const n, group = 96, 8
	b := s.run(t, n)
	var (
		mu      sync.Mutex
		settled = map[uuid.UUID]int{}
		all     sync.WaitGroup
	)
	commit := func(db *postgres.DB, intents []*gateway.Intent, endings []*gateway.Ending) error {
		got, err := db.Commit(t.Context(), intents, nil, endings)
		mu.Lock()
		defer mu.Unlock()
		for _, settlement := range got {
			settled[settlement.ID]++
		}
		return err
	}
	for w := range 2 {
		db := open(t, s.URL(postgrestest.Worker))
		all.Go(func() {
			for from := 0; from < n; from += group {
				var endings []*gateway.Ending
				for i := range group {
					if w == 1 {
						i = group - 1 - i
					}
					in := newIntent()
					in.Item = gateway.ItemRef{Batch: b.ID, N: from + i}
					switch err := commit(db, []*gateway.Intent{in}, nil); {
					case err == nil:
						endings = append(endings, newEnding(in))
					case !errors.Is(err, gateway.ErrItemTaken):
						t.Error(err)
					}
				}
				for range 2 {
					if err := commit(db, nil, endings); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	for id, times := range settled {
		if times != 1 {
			t.Errorf("request %s was settled %d times", id, times)
		}
	}
	if len(settled) != n {
		t.Errorf("%d requests were settled, want %d", len(settled), n)
	}
	s.wantRows(t, [4]int64{0, 0, 2 * n, n})
	if results := s.Int(t, `SELECT count(*) FROM batch_results`); results != n {
		t.Errorf("%d results, want %d", results, n)
	}
}

// Two workers go on with the same open requests, after the first was taken for dead.
func TestTwoWorkersThatEndTheSameRequestsEndEachOnce(t *testing.T) {
	s := start(t)
	const n = 64
	b := s.run(t, n)
	intents := make([]*gateway.Intent, n)
	for i := range intents {
		intents[i] = newIntent()
		intents[i].Item = gateway.ItemRef{Batch: b.ID, N: i}
	}
	s.commit(t, intents, nil)
	var (
		settled [4]int
		all     sync.WaitGroup
	)
	for w := range settled {
		all.Go(func() {
			endings := make([]*gateway.Ending, n)
			for i, in := range intents {
				if w%2 == 1 {
					i = n - 1 - i // in the opposite order
				}
				endings[i] = newEnding(in)
			}
			got, err := s.worker.Commit(t.Context(), nil, nil, endings)
			if err != nil {
				t.Error(err)
			}
			settled[w] = len(got)
		})
	}
	all.Wait()
	if sum := settled[0] + settled[1] + settled[2] + settled[3]; sum != n {
		t.Errorf("settled %v, want %d in all", settled, n)
	}
	s.wantRows(t, [4]int64{0, 0, 2 * n, n})
}

func TestTheItemsOfABatchAreNotAFrontends(t *testing.T) {
	s := start(t)
	b := s.run(t, 1)
	in := s.begin(t, b.ID, 0)
	s.Exec(t, `UPDATE intents SET staged_at = now() - interval '1 hour'`)
	if got, err := s.worker.Abandoned(t.Context(), time.Nanosecond); err != nil || len(got) > 0 {
		t.Errorf("abandoned = %v, %v", got, err)
	}
	if n, err := s.worker.CloseAbandoned(t.Context(), []uuid.UUID{in.Instance}, 10); err != nil || n > 0 {
		t.Errorf("closed %d, %v", n, err)
	}
	if got, err := s.worker.LongRunning(t.Context(), 0, nil, 10); err != nil || len(got) > 0 {
		t.Errorf("long running = %+v, %v", got, err)
	}
	if got, err := s.worker.Unknown(t.Context(), []uuid.UUID{in.ID}); err != nil || len(got) > 0 {
		t.Errorf("unknown = %v, %v", got, err)
	}
	snap, err := s.worker.Snapshot(t.Context(), "7f9c", in.Window, nil)
	if want := (gateway.Reservation{ID: in.ID, Charge: in.Charge}); err != nil || len(snap.Open) != 1 || snap.Open[0] != want {
		t.Errorf("snapshot = %+v, %v; want the item among the open", snap, err)
	}
}
