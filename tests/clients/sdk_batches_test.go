package clients_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// batchOrder is what the calls about batches and files need beside the rest.
type batchOrder struct {
	ID       string            `json:"id"`    // of the batch, or of the file
	Items    []batchItem       `json:"items"` // of a new batch of Anthropic's
	Beta     bool              `json:"beta"`  // by the SDK's beta names
	File     string            `json:"file"`  // the content of a new file
	Endpoint string            `json:"endpoint"`
	Metadata map[string]string `json:"metadata"`
}

// batchItem is a prompt of a batch.
type batchItem struct {
	CustomID string `json:"custom_id"`
	Prompt   string `json:"prompt"`
}

// batchReply is what a program would make of the answer to such a call.
type batchReply struct {
	ID        string            `json:"id"`
	Status    string            `json:"status"`
	Total     int64             `json:"total"` // items
	Succeeded int64             `json:"succeeded"`
	Errored   int64             `json:"errored"`
	Metadata  map[string]string `json:"metadata"`
	Mistakes  []batchMistake    `json:"mistakes"` // in the input of a batch
	Results   []batchResult     `json:"results"`
	Output    string            `json:"output"` // what a file holds: that of the results
	Errors    string            `json:"errors"` // the same, of what has no result
	IDs       []string          `json:"ids"`    // of a list
	Name      string            `json:"name"`   // of a file, as is the rest
	Bytes     int64             `json:"bytes"`
	Purpose   string            `json:"purpose"`
}

type batchMistake struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Line    int64  `json:"line"`
}

// batchResult is what came of an item.
type batchResult struct {
	CustomID string `json:"custom_id"`
	End      string `json:"end"` // "succeeded", "errored", "canceled"
	Text     string `json:"text"`
	Error    string `json:"error"`
}

// batchWords is how the vendors differ about batches.
type batchWords struct {
	completed, canceling, canceled string // statuses
	late                           int    // what a program is answered that cancels a batch which has ended
}

func TestSDKsRunABatch(t *testing.T) {
	eachOver(t, allSDKs(), func(t *testing.T, s session) { s.runBatch(t, false) })
}

func TestAnthropicSDKsRunABatchByItsBetaNames(t *testing.T) {
	each(t, anthropicSDKs(), over+"openai", func(t *testing.T, s session) { s.runBatch(t, true) })
}

// runBatch runs a batch in which one item fails, and checks what is told of it and what is on record.
func (s session) runBatch(t *testing.T, beta bool) {
	t.Helper()
	const refusal = "prompt is too long: 210000 tokens > 200000 maximum"
	made := s.createBatch(t, beta,
		batchItem{"morning", "good morning"},
		batchItem{"refused", "[x-mock: status=400,message=" + refusal + "]"},
		batchItem{"evening", "good evening"})
	got, results := s.finishBatch(t, made.ID, beta)
	if b := got.Batch; b.ID != made.ID || b.Status != s.batch.completed || b.Total != 3 || b.Succeeded != 2 || b.Errored != 1 {
		t.Errorf("batch %+v, want %s with 2 of 3 items that succeeded and 1 that failed", b, s.batch.completed)
	}
	if calls := s.tap.Calls(); s.endpoint == "messages" && !strings.HasSuffix(calls[len(calls)-1].Path, made.ID+"/results") {
		t.Errorf("the results were not read where results_url has them: %s", paths(calls))
	}
	for _, want := range []batchResult{
		{CustomID: "morning", End: "succeeded", Text: "This is claude-haiku-5-5. You said: good morning"},
		{CustomID: "refused", End: "errored", Error: refusal},
		{CustomID: "evening", End: "succeeded", Text: "This is claude-haiku-5-5. You said: good evening"},
	} {
		if results[want.CustomID] != want {
			t.Errorf("result %+v, want %+v", results[want.CustomID], want)
		}
	}
	s.checkBatchRows(t, got)
}

// checkBatchRows checks that each of the three items reached its model once and has one row in the ledger, and that
// the tokens which the batch tells are theirs.
func (s session) checkBatchRows(t *testing.T, got reply) {
	t.Helper()
	var in, out int64
	var charged, failed int
	for _, row := range stack.Ledger(t, s.user.Subject, 0, 3) {
		if row.Backend != s.backend || row.Endpoint != s.endpoint {
			t.Errorf("ledger row %+v, want one of %s at %s", row, s.endpoint, s.backend)
		}
		if reached := stack.Reached(t, row.ID); len(reached) != 1 || !strings.HasPrefix(reached[0], s.backend+" ") {
			t.Errorf("item %s reached %q, want %s once", row.ID, reached, s.backend)
		}
		in, out, charged = in+row.InputTokens, out+row.OutputTokens, charged+row.Charge
		if row.Status == "failed" && row.HTTPStatus == 400 && row.Charge == 0 {
			failed++
		}
	}
	if charged != 2 || failed != 1 {
		t.Errorf("%d items are charged and %d have failed for nothing, want 2 and 1", charged, failed)
	}
	if s.endpoint == "chat" && (got.InputTokens != in || got.OutputTokens != out) { // Anthropic's tell none
		t.Errorf("%d tokens in and %d out, the ledger has %d and %d", got.InputTokens, got.OutputTokens, in, out)
	}
	stack.Charged(t, s.user, 2)
}

// What runs is finished, the rest is never sent.
func TestSDKsCancelABatch(t *testing.T) {
	cancel := func(t *testing.T, s session) {
		t.Helper()
		const items = 40 // two run at a time, for a second each
		var slow []batchItem
		for i := range items {
			slow = append(slow, batchItem{fmt.Sprint("item-", i), directive(map[string]any{"delay": "1s"})})
		}
		made := s.createBatch(t, false, slow...)
		stack.Begun(t, s.user.Subject)
		stop := order{Call: "batch_cancel", Batch: batchOrder{ID: made.ID}}
		canceled := s.do(t, stop)
		s.checkID(t, canceled)
		if canceled.Error != nil || canceled.Batch.ID != made.ID || canceled.Batch.Status != s.batch.canceling {
			t.Fatalf("batch %+v, error %+v", canceled.Batch, canceled.Error)
		}
		got, results := s.finishBatch(t, made.ID, false)
		ends := map[string]int{}
		for _, result := range results {
			ends[result.End]++
		}
		if len(results) != items || ends["succeeded"] < 1 || ends["canceled"] < 1 || ends["succeeded"]+ends["canceled"] != items {
			t.Errorf("%d results: %v", len(results), ends)
		}
		if b := got.Batch; b.Status != s.batch.canceled || b.Total != items || b.Succeeded != int64(ends["succeeded"]) || b.Errored != 0 {
			t.Errorf("batch %+v, of the results %v", b, ends)
		}
		stack.Ledger(t, s.user.Subject, 0, ends["succeeded"])
		s.checkError(t, s.do(t, stop), s.batch.late, "")
	}
	each(t, anthropicSDKs(), over+"openai", cancel)
	each(t, openAISDKs(), over+"anthropic", cancel)
}

func TestSDKsListTheBatchesOfTheirUserAlone(t *testing.T) {
	each(t, allSDKs(), "pro", func(t *testing.T, s session) {
		var made []string // the newest first, as in the list
		for _, name := range []string{"first", "second"} {
			made = slices.Insert(made, 0, s.createBatch(t, false, batchItem{name, "hello"}).ID)
		}
		before := len(s.tap.Calls())
		list := order{Call: "batch_list", Page: 1}
		if got := s.do(t, list); got.Error != nil || !slices.Equal(got.Batch.IDs, made) {
			t.Errorf("batches %q, want %q: %+v", got.Batch.IDs, made, got.Error)
		}
		if pages := len(s.tap.Calls()) - before; pages != 2 {
			t.Errorf("%d pages, want 2", pages)
		}
		stranger := stack.User(t, "pro").Token
		list.Token = stranger
		if got := s.do(t, list); got.Error != nil || len(got.Batch.IDs) > 0 {
			t.Errorf("a stranger is shown %q: %+v", got.Batch.IDs, got.Error)
		}
		s.checkError(t, s.do(t, order{Call: "batch_get", Token: stranger, Batch: batchOrder{ID: made[0]}}), 404, "")
		got := s.do(t, order{Call: "batch_get", Batch: batchOrder{ID: made[0]}})
		s.checkID(t, got)
		if got.Error != nil || got.Batch.ID != made[0] || got.Batch.Status == s.batch.canceling {
			t.Errorf("batch %+v, error %+v", got.Batch, got.Error)
		}
	})
}

// createBatch makes a batch, at OpenAI's of a file that it uploads.
func (s session) createBatch(t *testing.T, beta bool, items ...batchItem) batchReply {
	t.Helper()
	o := order{Call: "batch_create", Batch: batchOrder{Items: items, Beta: beta}}
	if s.endpoint == "chat" {
		o.Batch = batchOrder{ID: s.upload(t, chatLines(t, items)).ID, Endpoint: s.path}
	}
	got := s.do(t, o)
	if got.Error != nil || got.Batch.ID == "" {
		t.Fatalf("batch %+v, error %+v", got.Batch, got.Error)
	}
	s.checkID(t, got)
	return got.Batch
}

// finishBatch waits for the end of a batch; the results are by custom_id.
func (s session) finishBatch(t *testing.T, id string, beta bool) (got reply, results map[string]batchResult) {
	t.Helper()
	got = s.do(t, order{Call: "batch_finish", Batch: batchOrder{ID: id, Beta: beta}})
	if got.Error != nil {
		t.Fatalf("error %+v", got.Error)
	}
	list := got.Batch.Results
	for text := range strings.Lines(got.Batch.Output + got.Batch.Errors) {
		list = append(list, resultOf(t, text))
	}
	results = map[string]batchResult{}
	for _, result := range list {
		if _, twice := results[result.CustomID]; twice {
			t.Errorf("%s has two results", result.CustomID)
		}
		results[result.CustomID] = result
	}
	return got, results
}

// chatLines are the lines of a file with prompts.
func chatLines(t *testing.T, items []batchItem) string {
	t.Helper()
	lines := make([]string, len(items))
	for i, item := range items {
		lines[i] = fileLine(t, item.CustomID, "/v1/chat/completions", map[string]any{
			"model": "claude-haiku-5-5", "messages": []map[string]string{{"role": "user", "content": item.Prompt}},
		})
	}
	return strings.Join(lines, "")
}

// fileLine is a line of a file that a batch is made of.
func fileLine(t *testing.T, customID, url string, body any) string {
	t.Helper()
	line, err := json.Marshal(map[string]any{"custom_id": customID, "method": "POST", "url": url, "body": body})
	if err != nil {
		t.Fatal(err)
	}
	return string(line) + "\n"
}
