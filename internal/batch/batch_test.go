package batch_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/batch"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func good() line {
	return line{State: gateway.ItemSucceeded, Ledger: 1, Status: gateway.Completed, Attempts: 1, Charged: 1}
}

func (w *world) require(b gateway.Batch, want ...line) {
	w.t.Helper()
	for i, got := range w.lines(b, len(want)) {
		if got != want[i] {
			w.t.Errorf("item %d: %+v, want %+v", i, got, want[i])
		}
	}
}

func repeat(l line, n int) []line {
	all := make([]line, n)
	for i := range all {
		all[i] = l
	}
	return all
}

func TestEveryItemHasOneResultAndOneRowInTheLedger(t *testing.T) {
	w := newWorld(t)
	r, b := w.runner(), w.batch("enterprise", 30)
	got := w.run(r, b, 30)
	if want := (gateway.ChunkResult{Counts: gateway.ItemCounts{Succeeded: 30}, Next: 30}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	w.require(b, repeat(good(), 30)...)
	if w.open(b) != 0 || w.used(b) != 30 {
		t.Errorf("%d open, %d used", w.open(b), w.used(b))
	}
	if again := w.run(r, b, 30); again.Counts.Sum() != 0 || len(w.seen()) != 30 {
		t.Errorf("a second time: %+v; the model was asked %d times", again, len(w.seen()))
	}
}

func TestTheItemsThatTheQuotaHasNoRoomForWait(t *testing.T) {
	w := newWorld(t)
	r, b := w.runner(), w.batch("free", 25)
	got := w.run(r, b, 25)
	reset := gateway.DayWindow(time.Now(), time.UTC).Reset
	if got.Counts != (gateway.ItemCounts{Succeeded: 10}) || got.Left != 15 || got.Wait.Reason != gateway.WaitQuota || got.Wait.Until.Sub(reset).Abs() > time.Minute {
		t.Errorf("%+v; the window is reset at %s", got, reset)
	}
	if w.used(b) != 10 || w.open(b) != 0 || len(w.seen()) != 10 {
		t.Errorf("%d used, %d open, %d sent", w.used(b), w.open(b), len(w.seen()))
	}
	free := w.cfg.Tiers["free"]
	free.RequestsPerDay = 100
	w.cfg.Tiers["free"] = free
	if got := w.run(w.runner(), b, 25); got.Counts.Succeeded != 15 || got.Left != 0 {
		t.Errorf("with more quota: %+v", got)
	}
	w.require(b, repeat(good(), 25)...)
}

func TestWhatABackendAnswersDecidesWhatBecomesOfAnItem(t *testing.T) {
	failed := func(kind string, attempts int) line {
		return line{State: gateway.ItemErrored, Error: kind, Ledger: 1, Status: gateway.Failed, Attempts: attempts}
	}
	after := func(attempts int) line {
		l := good()
		l.Attempts = attempts
		return l
	}
	for name, c := range map[string]struct {
		model func(item, call int) answer
		want  line
	}{
		"an error of the request ends it": {
			func(int, int) answer { return answer{status: 400, body: errorBody("invalid_request_error")} }, failed("invalid_request_error", 1),
		},
		"an error of the backend is tried again": {
			func(_, call int) answer {
				if call < 3 {
					return answer{status: 500, body: errorBody("api_error")}
				}
				return answer{}
			}, after(3),
		},
		"but not for ever": {
			func(int, int) answer { return answer{status: 500, body: errorBody("api_error")} }, failed("api_error", 3),
		},
		"too much load is no failure, however often": {
			func(_, call int) answer {
				if call < 6 {
					return answer{status: 529, header: map[string]string{"Retry-After-Ms": "20"}, body: errorBody("overloaded_error")}
				}
				return answer{}
			}, after(6),
		},
		"nor is a rate limit": {
			func(_, call int) answer {
				if call == 1 {
					return answer{status: 429, header: map[string]string{"Retry-After-Ms": "30"}, body: errorBody("rate_limit_error")}
				}
				return answer{}
			}, after(2),
		},
		"nor is a credential that the operator has to mend": {
			func(_, call int) answer {
				if call == 1 {
					return answer{status: 401, header: map[string]string{"Retry-After-Ms": "1"}, body: errorBody("authentication_error")}
				}
				return answer{}
			}, after(2),
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.model = c.model
			r, b := w.runner(), w.batch("enterprise", 1)
			if got := w.run(r, b, 1); got.Left != 0 {
				t.Errorf("%+v", got)
			}
			w.require(b, c.want)
			if w.open(b) != 0 || w.used(b) != c.want.Charged {
				t.Errorf("%d open, %d used", w.open(b), w.used(b))
			}
		})
	}
}

func TestWhatCannotBeAdmittedIsNeitherSentNorCharged(t *testing.T) {
	w := newWorld(t)
	w.cfg.Tiers["haiku-only"] = w.cfg.Tiers["pro"]
	tier := w.cfg.Tiers["haiku-only"]
	tier.Routes = tier.Routes[:1]
	w.cfg.Tiers["haiku-only"] = tier
	b := w.batch("haiku-only", 4, func(n int, body string) string {
		switch n {
		case 1:
			return strings.Replace(body, "claude-haiku-5-5", "gpt-4o", 1)
		case 2:
			return strings.Replace(body, `"model":"claude-haiku-5-5",`, "", 1)
		}
		return body
	})
	if got := w.run(w.runner(), b, 4); got.Counts != (gateway.ItemCounts{Succeeded: 2, Errored: 2}) || got.Left != 0 {
		t.Errorf("%+v", got)
	}
	w.require(b, good(), line{State: gateway.ItemErrored, Error: "not_found_error"}, line{State: gateway.ItemErrored, Error: "invalid_request_error"}, good())
	if w.used(b) != 2 {
		t.Errorf("%d used", w.used(b))
	}
}

// begin puts an item on record as sent, as a worker that then dies does.
func (w *world) begin(b gateway.Batch, n int) uuid.UUID {
	w.t.Helper()
	id, now := uuid.Must(uuid.NewV7()), time.Now()
	charge := gateway.Charge{Requests: 1, Tokens: 30}
	window := gateway.DayWindow(now, time.UTC)
	_, _, err := w.quota.Reserve(w.t.Context(), gateway.Ask{ID: id, Subject: b.Principal.Subject, Window: window, Charge: charge, At: now, Limits: gateway.NoLimits()})
	w.check(err)
	_, err = w.db.Commit(w.t.Context(), []*gateway.Intent{{
		ID: id, Instance: uuid.New(), AdmittedAt: now, Principal: b.Principal, Endpoint: b.Endpoint, Dialect: gateway.Anthropic,
		ModelRequested: "claude-haiku-5-5", Target: gateway.Target{Backend: "anthropic", Model: "claude-haiku-5-5"}, Window: window,
		Charge: charge, Reserved: true, Body: w.compressor.Body([]byte("{}")), Item: gateway.ItemRef{Batch: b.ID, N: n},
	}}, nil, nil)
	w.check(err)
	return id
}

func TestAnItemOfADeadWorkerIsSentAgainAsTheSameRequest(t *testing.T) {
	w := newWorld(t)
	b := w.batch("enterprise", 3)
	id := w.begin(b, 1)
	if got := w.run(w.runner(), b, 3); got.Counts.Succeeded != 3 {
		t.Errorf("%+v", got)
	}
	again := good()
	again.Attempts = 2
	w.require(b, good(), again, good())
	var reason string
	w.check(w.audit.QueryRow(t.Context(), `SELECT after_error FROM attempts WHERE request_id = $1 AND n = 2`, id).Scan(&reason))
	if !strings.Contains(reason, "whether it was answered is not known") {
		t.Errorf("the attempt's reason: %q", reason)
	}
	if w.used(b) != 3 {
		t.Errorf("%d used", w.used(b))
	}
}

func TestAnItemOfADeadWorkerThatNobodyServesAnyMoreIsInterrupted(t *testing.T) {
	w := newWorld(t)
	b := w.batch("gone", 1)
	w.begin(b, 0)
	if got := w.run(w.runner(), b, 1); got.Counts.Errored != 1 {
		t.Errorf("%+v", got)
	}
	w.require(b, line{State: gateway.ItemErrored, Error: "permission_error", Ledger: 1, Status: gateway.Interrupted, Attempts: 1, Charged: 1})
}

func TestTwoWorkersOnTheSameItems(t *testing.T) {
	w := newWorld(t)
	b := w.batch("enterprise", 60)
	var both sync.WaitGroup
	for range 2 {
		r := w.runner()
		both.Go(func() { w.run(r, b, 60) })
	}
	both.Wait()
	w.run(w.runner(), b, 60) // what each left to the other
	sent := 0
	for i, l := range w.lines(b, 60) {
		if l.State != gateway.ItemSucceeded || l.Ledger != 1 {
			t.Errorf("item %d: %+v", i, l)
		}
		sent += l.Attempts
	}
	if len(w.seen()) > sent {
		t.Errorf("the model was asked %d times, on record are %d", len(w.seen()), sent)
	}
	if w.used(b) != 60 || w.open(b) != 0 {
		t.Errorf("%d used, %d open", w.used(b), w.open(b))
	}
}

func TestACancelledChunkFinishesWhatRunsAndStartsNoMore(t *testing.T) {
	w := newWorld(t)
	w.options.Concurrency = 3
	gate := make(chan struct{})
	w.model = func(int, int) answer { return answer{wait: gate} }
	r, b := w.runner(), w.batch("enterprise", 20)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		w.await(func() bool { return w.running == 3 })
		cancel()
		close(gate)
	}()
	got, err := r.Run(ctx, gateway.Chunk{Batch: b.ID, To: 20}, nil, func(int) {})
	if err != nil || got.Counts != (gateway.ItemCounts{Succeeded: 3}) || got.Left != 17 || got.Next != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	w.require(b, append(repeat(good(), 3), repeat(line{}, 17)...)...)
}

func TestAWorkerThatStopsLeavesWhatItCutsOffToAnother(t *testing.T) {
	w := newWorld(t)
	w.options.Concurrency = 2
	w.model = func(_, call int) answer {
		if call == 1 {
			return answer{wait: make(chan struct{})} // for ever
		}
		return answer{}
	}
	r, b := w.runner(), w.batch("enterprise", 5)
	stopping := make(chan struct{})
	go func() {
		w.await(func() bool { return w.running == 2 })
		close(stopping)
	}()
	got, err := r.Run(t.Context(), gateway.Chunk{Batch: b.ID, To: 5}, stopping, func(int) {})
	if err != nil || got.Counts.Sum() != 0 || got.Left != 5 || w.open(b) != 2 {
		t.Errorf("%+v, %v; %d open", got, err, w.open(b))
	}
	w.model = func(int, int) answer { return answer{} }
	w.run(w.runner(), b, 5)
	again := good()
	again.Attempts = 2
	w.require(b, again, again, good(), good(), good())
}

func TestAChunkGivesItsPlaceUpWhenItsTimeIsOver(t *testing.T) {
	w := newWorld(t)
	w.options.Concurrency, w.options.ChunkTime = 1, 50*time.Millisecond
	slow := make(chan struct{})
	w.model = func(item, _ int) answer {
		if item == 0 {
			return answer{wait: slow}
		}
		return answer{}
	}
	time.AfterFunc(200*time.Millisecond, func() { close(slow) })
	b := w.batch("enterprise", 10)
	got := w.run(w.runner(), b, 10)
	if got.Counts.Succeeded != 1 || got.Left != 9 || got.Next != 1 || got.Wait != (gateway.Wait{}) {
		t.Errorf("%+v", got)
	}
}

func TestABackendThatAsksForLongIsWaitedForOutsideTheChunk(t *testing.T) {
	w := newWorld(t)
	w.model = func(int, int) answer {
		return answer{status: 429, header: map[string]string{"Retry-After": "600"}, body: errorBody("rate_limit_error")}
	}
	b := w.batch("enterprise", 30)
	got := w.run(w.runner(), b, 30)
	if got.Left != 30 || got.Wait.Reason != gateway.WaitBackend || time.Until(got.Wait.Until) < 9*time.Minute {
		t.Errorf("%+v", got)
	}
	if n := len(w.seen()); n > w.options.Concurrency {
		t.Errorf("the backend was asked %d times", n)
	}
}

func TestNoMoreItemsRunThanMay(t *testing.T) {
	w := newWorld(t)
	w.options.Concurrency = 4
	b := w.batch("enterprise", 40)
	w.run(w.runner(), b, 40)
	if w.most > 4 {
		t.Errorf("%d at once", w.most)
	}
}

// shaky is a database that loses its connection, before or after it has committed.
type shaky struct {
	batch.Store
	mu    sync.Mutex
	calls int
}

func (s *shaky) Commit(ctx context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, endings []*gateway.Ending) ([]gateway.Settlement, error) {
	s.mu.Lock()
	s.calls++
	turn := s.calls % 3
	s.mu.Unlock()
	switch turn {
	case 0:
		return nil, errors.New("the connection is lost")
	case 1:
		_, err := s.Store.Commit(ctx, intents, attempts, endings)
		return nil, errors.Join(err, gateway.ErrFateUnknown)
	}
	return s.Store.Commit(ctx, intents, attempts, endings)
}

func TestACommitThatFailsOrWhoseFateIsUnknownLosesNothingAndDoublesNothing(t *testing.T) {
	w := newWorld(t)
	w.store = &shaky{Store: w.db}
	b := w.batch("enterprise", 20)
	r := w.runner()
	for range 40 {
		if w.run(r, b, 20).Left == 0 {
			break
		}
	}
	sent := 0
	for i, l := range w.lines(b, 20) {
		if l.State != gateway.ItemSucceeded || l.Ledger != 1 {
			t.Errorf("item %d: %+v", i, l)
		}
		sent += l.Attempts
	}
	if len(w.seen()) > sent || w.open(b) != 0 {
		t.Errorf("the model was asked %d times, on record are %d; %d open", len(w.seen()), sent, w.open(b))
	}
}

// await waits until it is so.
func (w *world) await(so func() bool) {
	for {
		w.mu.Lock()
		yes := so()
		w.mu.Unlock()
		if yes || w.t.Context().Err() != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
