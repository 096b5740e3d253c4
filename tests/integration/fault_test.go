package integration

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/tests/proof"
)

// streams opens n slow streams and waits until each has its first bytes. The function it returns waits for their
// ends and gives the texts.
func (w *world) streams(t *testing.T, n int, mock string) (ids []string, end func() []answer) {
	t.Helper()
	responses := make([]*http.Response, n)
	var opening sync.WaitGroup
	for i := range n {
		opening.Go(func() {
			res, err := w.open(context.Background(), "enterprise", "/v1/messages", message("claude-opus-5-5", "slow", true), "X-Mock", mock)
			if err != nil {
				t.Error(err)
				return
			}
			responses[i] = res
		})
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, res := range responses {
		ids = append(ids, res.Header.Get("Request-Id"))
	}
	return ids, func() []answer {
		answers := make([]answer, n)
		var reading sync.WaitGroup
		for i, res := range responses {
			reading.Go(func() {
				text, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				answers[i] = answer{status: res.StatusCode, header: res.Header, body: string(text), err: err}
			})
		}
		reading.Wait()
		return answers
	}
}

func TestAFrontendKilledMidStreamLeavesNothingOpen(t *testing.T) {
	w := stack(t)
	ids, end := w.streams(t, 25, "tokens=200,gap=100ms")
	w.do(t, "kill/frontend?wait=true")
	for _, a := range end() {
		if a.err == nil {
			t.Error("a stream of a killed frontend ended cleanly")
		}
	}
	db := w.db(t, "auditor")
	start := time.Now()
	for _, id := range ids {
		if status := w.inLedger(t, db, id); status != "interrupted" {
			t.Errorf("%s is on record as %s", id, status)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("closed after %s", took)
	}
}

func TestAWorkerKilledWhileItSettlesLosesAndDoublesNothing(t *testing.T) {
	w := stack(t)
	ctx, stop := context.WithCancel(context.Background())
	var traffic sync.WaitGroup
	var failed atomic.Int64
	for range 8 {
		traffic.Go(func() {
			for ctx.Err() == nil {
				if a := w.ask(context.Background(), "enterprise", "/v1/messages", message("claude-opus-5-5", "hi", true)); a.err != nil || a.status != http.StatusOK {
					failed.Add(1)
				}
			}
		})
	}
	for range 4 {
		time.Sleep(700 * time.Millisecond)
		w.do(t, "kill/worker?wait=true")
	}
	stop()
	traffic.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d requests failed while only workers died", n)
	}
}

func TestWithTemporalStoppedRequestsGoOnAndTheBacklogDrains(t *testing.T) {
	w := stack(t)
	w.do(t, "stop/temporal")
	var all sync.WaitGroup
	var failed atomic.Int64
	for range 10 {
		all.Go(func() {
			for range 50 {
				a := w.ask(context.Background(), "enterprise", "/v1/messages", message("claude-opus-5-5", "hi", true))
				if a.err != nil || a.status != http.StatusOK || !strings.Contains(a.body, "message_stop") {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of 500 requests failed with Temporal stopped", n)
	}
	var waiting int
	if err := w.db(t, "owner").QueryRow(t.Context(), `SELECT count(*) FROM outcomes`).Scan(&waiting); err != nil || waiting < 500 {
		t.Errorf("%d outcomes wait, %v", waiting, err)
	}
	w.do(t, "start/temporal")
	report, err := proof.Wait(t.Context(), w.Stack, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, mistake := range report.Mistakes() {
		t.Error(mistake)
	}
}

func TestWithPostgresDownOrHungRequestsAreRefusedInTime(t *testing.T) {
	for name, verbs := range map[string][2]string{"down": {"stop/postgres", "start/postgres"}, "hung": {"pause/postgres", "resume/postgres"}} {
		t.Run(name, func(t *testing.T) {
			w := stack(t)
			before, err := w.Received(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w.do(t, verbs[0])
			for range 3 {
				start := time.Now()
				a := w.ask(t.Context(), "enterprise", "/v1/messages", message("claude-opus-5-5", "hi", true))
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("answered after %s", took)
				}
				if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "overloaded_error") || a.header.Get("Retry-After") == "" {
					t.Errorf("%+v", a)
				}
			}
			if status := w.get(t, "pro", w.Gateway+"/ready", nil); status != http.StatusServiceUnavailable {
				t.Errorf("/ready says %d", status)
			}
			if status := w.get(t, "pro", w.Gateway+"/health", nil); status != http.StatusOK {
				t.Errorf("/health says %d", status)
			}
			after, err := w.Received(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if after.Total != before.Total {
				t.Errorf("%d requests were sent without a record", after.Total-before.Total)
			}
			w.do(t, verbs[1])
			eventually(t, 30*time.Second, "it recovers by itself", func() bool {
				return w.ask(t.Context(), "enterprise", "/v1/messages", message("claude-opus-5-5", "hi", true)).status == http.StatusOK
			})
		})
	}
}

func TestWithPostgresLostMidStreamTheStreamsFinish(t *testing.T) {
	w := stack(t)
	ids, end := w.streams(t, 10, "tokens=20,gap=100ms")
	w.do(t, "kill/postgres?down=true")
	for _, a := range end() {
		if a.err != nil || !strings.Contains(a.body, "message_stop") {
			t.Errorf("%v %q", a.err, a.body)
		}
	}
	w.do(t, "start/postgres")
	for _, id := range ids {
		if status := w.inLedger(t, w.db(t, "auditor"), id); status != "completed" {
			t.Errorf("%s is on record as %s", id, status)
		}
	}
}

func TestAnEmptiedRedisIsRebuiltFromTheLedger(t *testing.T) {
	w := stack(t)
	for range 3 {
		w.ask(t.Context(), "free", "/v1/messages", message("internal", "hi", false))
	}
	if _, err := proof.Wait(t.Context(), w.Stack, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	var before, after quota
	w.get(t, "free", w.Gateway+"/quota", &before)
	w.do(t, "flush/redis")
	w.get(t, "free", w.Gateway+"/quota", &after)
	if before != after || before.Requests.Used == 0 {
		t.Errorf("%+v became %+v", before, after)
	}
}

func TestTheFreeTierGetsExactlyItsLimit(t *testing.T) {
	w := stack(t)
	var q quota
	w.get(t, "free", w.Gateway+"/quota", &q)
	left := 10 - q.Requests.Used
	var all sync.WaitGroup
	var served, refused atomic.Int64
	for range 50 {
		all.Go(func() {
			switch a := w.ask(context.Background(), "free", "/v1/messages", message("internal", "hi", false)); a.status {
			case http.StatusOK:
				served.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				t.Errorf("%+v", a)
			}
		})
	}
	all.Wait()
	if served.Load() != int64(left) || refused.Load() != int64(50-left) {
		t.Errorf("%d left, %d served, %d refused", left, served.Load(), refused.Load())
	}
}

func TestWithRedisDownUnlimitedTiersGoOn(t *testing.T) {
	w := stack(t)
	w.do(t, "stop/redis")
	if a := w.ask(t.Context(), "pro", "/v1/messages", message("claude-opus-5-5", "hi", true)); a.status != http.StatusServiceUnavailable {
		t.Errorf("pro: %d", a.status)
	}
	if a := w.ask(t.Context(), "enterprise", "/v1/messages", message("claude-opus-5-5", "hi", true)); a.status != http.StatusOK {
		t.Errorf("enterprise: %d %s", a.status, a.body)
	}
	w.do(t, "start/redis")
	eventually(t, 20*time.Second, "pro is served again", func() bool {
		return w.ask(t.Context(), "pro", "/v1/messages", message("claude-opus-5-5", "hi", true)).status == http.StatusOK
	})
}

func TestAFrontendThatIsStoppedLetsItsStreamsEnd(t *testing.T) {
	w := stack(t)
	ids, end := w.streams(t, 50, "tokens=30,gap=100ms")
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = w.Do(context.Background(), "stop/frontend?timeout=30s") }()
	for _, a := range end() {
		if a.err != nil || !strings.Contains(a.body, "message_stop") {
			t.Errorf("%v: %q", a.err, a.body)
		}
	}
	<-stopped
	w.do(t, "start/frontend")
	for _, id := range ids {
		if status := w.inLedger(t, w.db(t, "auditor"), id); status != "completed" {
			t.Errorf("%s is on record as %s", id, status)
		}
	}
}
