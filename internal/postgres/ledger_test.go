package postgres_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
)

func TestALedgerRowHasEverythingOfItsRequest(t *testing.T) {
	s := start(t)
	in := newIntent()
	out := newOutcome(in.ID)
	s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{out})
	got, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{in.ID})
	want := gateway.Settlement{ID: in.ID, Subject: "7f9c", Window: in.Window, Charge: out.Charge, Reserved: true}
	if err != nil || len(got) != 1 || got[0] != want {
		t.Fatalf("settlement = %+v, %v; want %+v", got, err, want)
	}
	found := s.Int(t, `
		SELECT count(*) FROM ledger JOIN bodies q ON q.request_id = id AND q.kind = 'request' JOIN bodies a ON a.request_id = id AND a.kind = 'response'
		WHERE id = $1 AND admitted_at = $2 AND first_byte_at = $3 AND ended_at = $4 AND subject = '7f9c' AND user_name = 'ann'
			AND tier = 'pro' AND endpoint = 'messages' AND dialect = 'anthropic' AND stream AND session = 's1'
			AND model_requested = 'claude-sonnet-4-5' AND model_routed = 'claude-haiku-4-5' AND backend = 'anthropic'
			AND status = 'completed' AND http_status = 200 AND error = '' AND stop_reason = 'end_turn' AND upstream_id = 'req_1'
			AND input_tokens = 20 AND output_tokens = 30 AND cache_read_tokens = 500 AND cache_write_tokens = 5 AND NOT usage_estimated
			AND charge_requests = 1 AND charge_tokens = 55 AND reserved AND window_start = $5 AND window_reset = $6
			AND request_digest = sha256(q.zstd) AND response_digest = sha256(a.zstd)
			AND attempts = 1 AND cost_nanos = 290 AND first_backend IS NULL AND first_model_routed IS NULL
			AND q.digest = request_digest AND a.digest = response_digest AND q.size = 90 AND a.size = 80`,
		in.ID, in.AdmittedAt, out.FirstByteAt, out.EndedAt, in.Window.Start, in.Window.Reset)
	if found != 1 {
		t.Error("the row is not what was staged")
	}
}

func TestPendingIsWhatTheLedgerWillHave(t *testing.T) {
	s := start(t)
	in := newIntent()
	out := newOutcome(in.ID)
	s.stage(t, []*gateway.Intent{in, newIntent()}, []*gateway.Outcome{out})
	second := s.stageEnded(t, 1)
	want := gateway.Entry{
		ID: in.ID, AdmittedAt: in.AdmittedAt, EndedAt: out.EndedAt, Subject: "7f9c", User: "ann", Tier: "pro", Endpoint: gateway.Messages,
		ModelRequested: in.ModelRequested, Target: in.Target, Attempts: 1, Session: "s1", Stream: true, Status: gateway.Completed, HTTPStatus: 200,
		StopReason: "end_turn", Usage: out.Usage, Cost: out.Cost, Charge: out.Charge, Window: in.Window,
	}
	got, err := s.worker.Pending(t.Context(), nil, 1)
	if err != nil || len(got) != 1 || got[0] != want {
		t.Fatalf("pending = %+v, %v; want %+v", got, err, want)
	}
	got, err = s.worker.Pending(t.Context(), []uuid.UUID{in.ID}, 10)
	if err != nil || len(got) != 1 || got[0].ID != second[0] {
		t.Fatalf("pending without the first = %+v, %v; want %v", got, err, second)
	}
	if n, age, err := s.worker.Backlog(t.Context()); err != nil || n != 2 || age <= 0 {
		t.Errorf("backlog = %d, %v, %v", n, age, err)
	}
	if _, err := s.worker.WriteLedger(t.Context(), append(second, in.ID)); err != nil {
		t.Fatal(err)
	}
	if n, age, err := s.worker.Backlog(t.Context()); err != nil || n != 0 || age != 0 {
		t.Errorf("backlog = %d, %v, %v; want none", n, age, err)
	}
}

func TestLongRunningAreThoseWithoutAnOutcome(t *testing.T) {
	s := start(t)
	s.stageEnded(t, 1)
	in, other := newIntent(), newIntent()
	s.stage(t, []*gateway.Intent{in, other}, nil)
	got, err := s.worker.LongRunning(t.Context(), 0, []uuid.UUID{other.ID}, 10)
	if err != nil || len(got) != 1 || got[0].ID != in.ID || got[0].Status != gateway.Streaming || got[0].Charge != in.Charge || !got[0].EndedAt.IsZero() {
		t.Fatalf("long running = %+v, %v", got, err)
	}
	if got, err := s.worker.LongRunning(t.Context(), 3600e9, nil, 10); err != nil || len(got) != 0 {
		t.Errorf("longer than an hour: %+v, %v", got, err)
	}
}

func TestWritingAgainAnswersTheSame(t *testing.T) {
	s := start(t)
	in := newIntent()
	for i := range 3 {
		if i < 2 { // a frontend that did not learn of its commit stages again
			s.stage(t, []*gateway.Intent{in}, []*gateway.Outcome{newOutcome(in.ID)})
		} else {
			s.stage(t, nil, []*gateway.Outcome{newOutcome(in.ID)})
		}
		got, err := s.worker.WriteLedger(t.Context(), []uuid.UUID{in.ID, in.ID})
		if err != nil || len(got) != 1 || got[0].ID != in.ID {
			t.Fatalf("settlements = %+v, %v", got, err)
		}
		s.wantRows(t, [4]int64{0, 0, 2, 1})
	}
	if got, err := s.worker.Settlements(t.Context(), []uuid.UUID{in.ID, {}}); err != nil || len(got) != 1 || got[0].ID != in.ID {
		t.Errorf("settlements = %+v, %v", got, err)
	}
}

func TestWhatCannotBeWrittenIsNamedAndTheRestIsWritten(t *testing.T) {
	s := start(t)
	ended, running, orphan := s.stageEnded(t, 2), newIntent(), newOutcome(uuid.Must(uuid.NewV7()))
	s.stage(t, []*gateway.Intent{running}, []*gateway.Outcome{orphan})
	unknown := uuid.Must(uuid.NewV7())
	got, err := s.worker.WriteLedger(t.Context(), append(ended, running.ID, orphan.ID, unknown))
	if len(got) != 2 {
		t.Errorf("written = %+v, want the two that have ended", got)
	}
	if !errors.Is(err, postgres.ErrNoOutcome) || !errors.Is(err, postgres.ErrNoIntent) {
		t.Fatalf("error = %v, want both kinds", err)
	}
	s.wantRows(t, [4]int64{1, 1, 6, 2})
	lost, err := s.worker.Unknown(t.Context(), []uuid.UUID{ended[0], running.ID, orphan.ID, unknown})
	if err != nil || len(lost) != 1 || lost[0] != unknown {
		t.Errorf("unknown = %v, %v; want %v", lost, err, unknown)
	}
}

func TestSixteenWorkersWriteOneRowPerRequest(t *testing.T) {
	s := start(t)
	ids := s.stageEnded(t, 300)
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			mine := ids[worker*5 : 200+worker*5] // each its own part of the same rows
			got, err := s.worker.WriteLedger(t.Context(), mine)
			if err != nil || len(got) != len(mine) {
				t.Errorf("worker %d: %d settlements, %v; want %d", worker, len(got), err, len(mine))
			}
		})
	}
	wg.Wait()
	s.wantRows(t, [4]int64{25, 25, 600, 275})
}

func TestAThousandAreWrittenAtOnce(t *testing.T) {
	s := start(t)
	ids := s.stageEnded(t, 1000)
	for range 2 {
		if got, err := s.worker.WriteLedger(t.Context(), ids); err != nil || len(got) != 1000 {
			t.Fatalf("%d settlements, %v", len(got), err)
		}
		s.wantRows(t, [4]int64{0, 0, 2000, 1000})
	}
}
