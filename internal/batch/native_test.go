package batch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openova-io/llm-gateway/internal/batch"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// provider is a service with a batch API in the Anthropic dialect.
type provider struct {
	mu       sync.Mutex
	refuse   int                 // status for the next submission; 0 takes it
	ended    bool                // every batch that it has
	fate     func(n int) string  // the result of an item, as JSON; nil: an answer
	batches  map[string][]string // names of their items
	prompts  map[string]string   // by name
	canceled []string
}

// handle answers what is asked of the batch API; false if it was something else.
func (p *provider) handle(rw http.ResponseWriter, r *http.Request, body []byte) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/messages/batches")
	if !ok {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id, verb, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	rw.Header().Set("Content-Type", "application/json")
	switch {
	case rest == "" && p.refuse != 0:
		rw.WriteHeader(p.refuse)
		_, _ = fmt.Fprint(rw, errorBody("invalid_request_error"))
		return true
	case rest == "":
		id = fmt.Sprintf("msgbatch_there_%d", len(p.batches))
		p.take(id, body)
	case verb == "cancel":
		p.canceled, p.ended = append(p.canceled, id), true
	case verb == "results":
		for _, name := range p.batches[id] {
			var n int
			_, _ = fmt.Sscanf(p.prompts[name], "item %d", &n)
			if result := p.result(n); result != "-" { // some leave out what they did not run
				_, _ = fmt.Fprintf(rw, "{\"custom_id\":%q,\"result\":%s}\n", name, result)
			}
		}
		return true
	}
	status := "in_progress"
	if p.ended {
		status = "ended"
	}
	_, _ = fmt.Fprintf(rw, `{"id":%q,"type":"message_batch","processing_status":%q}`, id, status)
	return true
}

func (p *provider) take(id string, body []byte) {
	var submitted struct {
		Requests []struct {
			CustomID string `json:"custom_id"`
			Params   struct{ Messages []struct{ Content string } }
		}
	}
	_ = json.Unmarshal(body, &submitted)
	p.batches[id] = nil
	for _, item := range submitted.Requests {
		p.batches[id] = append(p.batches[id], item.CustomID)
		p.prompts[item.CustomID] = item.Params.Messages[0].Content
	}
}

func (p *provider) result(n int) string {
	if p.fate != nil {
		if result := p.fate(n); result != "" {
			return result
		}
	}
	return fmt.Sprintf(`{"type":"succeeded","message":{"type":"message","content":[{"type":"text","text":"answer %d"}],"usage":{"input_tokens":10,"output_tokens":2}}}`, n)
}

func (p *provider) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

// newNativeWorld is a world whose tier native hands items to a provider's batch API.
func newNativeWorld(t *testing.T) (*world, *provider) {
	w := newWorld(t)
	w.provider = &provider{batches: map[string][]string{}, prompts: map[string]string{}}
	w.cfg.Tiers["native"] = config.Tier{RequestsPerDay: 20, TokensPerDay: -1, Routes: []config.Route{{Match: "*", Backend: "anthropic", Batch: config.BatchNative}}}
	return w, w.provider
}

func TestItemsGoThroughABackendsOwnBatches(t *testing.T) {
	w, p := newNativeWorld(t)
	p.fate = func(n int) string {
		switch n {
		case 1:
			return `{"type":"errored","error":` + errorBody("invalid_request_error") + `}`
		case 2:
			return `{"type":"expired"}`
		}
		return ""
	}
	b := w.batch("native", 5)
	got := w.run(w.runner(), b, 5)
	if got.Left != 5 || got.Wait.Reason != gateway.WaitNative || time.Until(got.Wait.Until) > 5*time.Second || w.open(b) != 5 {
		t.Errorf("handed over: %+v, %d open", got, w.open(b))
	}
	if got := w.run(w.runner(), b, 5); got.Left != 5 || len(p.batches) != 1 { // another worker
		t.Errorf("while it runs there: %+v, %d batches there", got, len(p.batches))
	}
	p.end()
	r := w.runner()
	if got := w.run(r, b, 5); got.Counts != (gateway.ItemCounts{Succeeded: 3, Errored: 1}) || got.Left != 1 || len(p.batches) != 2 {
		t.Errorf("taken in: %+v, %d batches there; the one that expired is handed over again", got, len(p.batches))
	}
	if got := w.run(r, b, 5); got.Left != 0 || len(w.seen()) != 1 {
		t.Errorf("after it has expired twice it is sent by itself: %+v, %d sent", got, len(w.seen()))
	}
	alone := good()
	alone.Attempts = 3
	w.require(b, good(), line{State: gateway.ItemErrored, Error: "invalid_request_error", Ledger: 1, Status: gateway.Failed, Attempts: 1}, alone, good(), good())
	if w.used(b) != 4 || w.open(b) != 0 {
		t.Errorf("%d used, %d open", w.used(b), w.open(b))
	}
}

func TestOnlyWhatTheQuotaHasRoomForIsHandedOver(t *testing.T) {
	w, p := newNativeWorld(t)
	p.ended = true
	b := w.batch("native", 25)
	r := w.runner()
	if got := w.run(r, b, 25); got.Wait.Reason != gateway.WaitNative || len(p.prompts) != 20 {
		t.Errorf("%+v, %d items there", got, len(p.prompts))
	}
	if got := w.run(r, b, 25); got.Counts.Succeeded != 20 || got.Left != 5 || got.Wait.Reason != gateway.WaitQuota || len(p.prompts) != 20 {
		t.Errorf("%+v, %d items there", got, len(p.prompts))
	}
	if w.used(b) != 20 || w.open(b) != 0 {
		t.Errorf("%d used, %d open", w.used(b), w.open(b))
	}
}

func TestABatchThatABackendDoesNotTake(t *testing.T) {
	t.Run("for its content is sent item by item", func(t *testing.T) {
		w, p := newNativeWorld(t)
		p.refuse = http.StatusBadRequest
		b := w.batch("native", 3)
		if got := w.run(w.runner(), b, 3); got.Counts.Succeeded != 3 {
			t.Errorf("%+v", got)
		}
		again := good()
		again.Attempts = 2
		w.require(b, again, again, again)
	})
	t.Run("for its load waits", func(t *testing.T) {
		w, p := newNativeWorld(t)
		p.refuse = http.StatusTooManyRequests
		b := w.batch("native", 3)
		if got := w.run(w.runner(), b, 3); got.Left != 3 || got.Wait.Reason != gateway.WaitBackend || len(w.seen()) != 0 {
			t.Errorf("%+v, %d sent", got, len(w.seen()))
		}
	})
}

func TestABatchThatIsRecalledKeepsWhatItsBackendHasDone(t *testing.T) {
	w, p := newNativeWorld(t)
	p.fate = func(n int) string {
		return []string{"", `{"type":"canceled"}`, `{"type":"expired"}`, "-", `{"type":"errored","error":` + errorBody("overloaded_error") + `}`}[n]
	}
	b := w.batch("native", 5)
	r := w.runner()
	w.run(r, b, 5)
	w.check(r.Recall(t.Context(), b.ID))
	left := line{State: gateway.ItemCanceled, Ledger: 1, Status: gateway.Cancelled, Attempts: 1}
	w.require(b, good(), left, left, left, line{State: gateway.ItemErrored, Error: "overloaded_error", Ledger: 1, Status: gateway.Failed, Attempts: 1})
	if len(p.canceled) != 1 || w.used(b) != 1 || w.open(b) != 0 {
		t.Errorf("canceled there: %v; %d used, %d open", p.canceled, w.used(b), w.open(b))
	}
}

// lapsing is a database that once cannot be asked for a single item.
type lapsing struct {
	batch.Store
	once sync.Once
}

func (l *lapsing) WaitingItems(ctx context.Context, c gateway.Chunk, maxBytes int64) (found []gateway.WaitingItem, err error) {
	if c.To == c.From+1 {
		l.once.Do(func() { err = errors.New("the connection is lost") })
	}
	if err != nil {
		return nil, err
	}
	return l.Store.WaitingItems(ctx, c, maxBytes)
}

func TestAResultThatCannotBePutOnRecordIsFetchedAgain(t *testing.T) {
	w, p := newNativeWorld(t)
	w.store, p.ended = &lapsing{Store: w.db}, true
	b := w.batch("native", 3)
	r := w.runner()
	w.run(r, b, 3)
	if got := w.run(r, b, 3); got.Counts.Succeeded != 2 || got.Left != 1 || len(p.batches) != 1 {
		t.Errorf("with a lapse: %+v, %d batches there", got, len(p.batches))
	}
	if got := w.run(r, b, 3); got.Counts.Succeeded != 1 || got.Left != 0 || len(p.batches) != 1 {
		t.Errorf("after it: %+v, %d batches there", got, len(p.batches))
	}
	w.require(b, repeat(good(), 3)...)
}
