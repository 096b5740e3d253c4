package model

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// The limits of a batch of messages.
const (
	maxMessages     = 100_000
	maxMessageBytes = 256 << 20
)

// messageBatches are the endpoints of the Message Batches API.
func (m *Model) messageBatches() map[string]endpoint {
	of := func(answer func(*exchange, *batch) error) func(*exchange) error {
		return func(x *exchange) error {
			if b := m.batches.find(x.id); b != nil {
				return answer(x, b)
			}
			return x.refuse(http.StatusNotFound, "No message batch found with id "+x.id)
		}
	}
	retrieve := func(x *exchange, b *batch) error { return x.writeJSON(marshal(b.message(x))) }
	return map[string]endpoint{
		"POST /v1/messages/batches":             {dialect: anthropic{}, answer: m.createMessageBatch},
		"GET /v1/messages/batches":              {dialect: anthropic{}, answer: m.listMessageBatches},
		"GET /v1/messages/batches/{id}":         {dialect: anthropic{}, answer: of(retrieve)},
		"GET /v1/messages/batches/{id}/results": {dialect: anthropic{}, answer: of(messageResults)},
		"DELETE /v1/messages/batches/{id}":      {dialect: anthropic{}, answer: of(m.deleteMessageBatch)},
		"POST /v1/messages/batches/{id}/cancel": {dialect: anthropic{}, other: true, answer: of(func(x *exchange, b *batch) error {
			if !b.cancel() {
				return x.refuse(http.StatusBadRequest, "Batch "+b.id+" cannot be canceled because it has already ended.")
			}
			return retrieve(x, b)
		})},
	}
}

// createMessageBatch answers POST /v1/messages/batches. As at the real one, what
// is wrong with an item's params is found out when it is run.
func (m *Model) createMessageBatch(x *exchange) error {
	if len(x.body) > maxMessageBytes {
		return x.refuse(http.StatusRequestEntityTooLarge, "Request exceeds the maximum size")
	}
	items, message := messageItems(x.fields["requests"])
	if message != "" {
		return x.refuse(http.StatusBadRequest, message)
	}
	b := m.newBatch(x, "msgbatch_01", messageWire{}, len(items))
	m.batches.add(b)
	x.note(http.StatusOK, usage{})
	created := marshal(b.message(x))
	go m.run(b, items)
	return x.writeJSON(created)
}

// messageItems reads the items of a batch; the message says what is wrong with them.
func messageItems(requests gjson.Result) (items []batchItem, message string) {
	if !requests.IsArray() {
		return nil, "requests: Field required"
	}
	const wanted = "^[a-zA-Z0-9_-]{1,64}$"
	name := regexp.MustCompile(wanted)
	seen := map[string]bool{}
	requests.ForEach(func(_, request gjson.Result) bool {
		id, params := request.Get("custom_id").Str, request.Get("params")
		at := fmt.Sprintf("requests.%d.", len(items))
		switch {
		case !name.MatchString(id):
			message = at + "custom_id: String should match pattern '" + wanted + "'"
		case seen[id]:
			message = at + "custom_id: must be unique in the batch, but there is another " + id
		case !params.IsObject():
			message = at + "params: Field required"
		}
		seen[id] = true
		items = append(items, batchItem{customID: id, path: "/v1/messages", body: []byte(params.Raw)})
		return message == ""
	})
	switch {
	case message != "":
	case len(items) == 0:
		message = "requests: List should have at least 1 item after validation, not 0"
	case len(items) > maxMessages:
		message = fmt.Sprintf("requests: List should have at most %d items after validation, not %d", maxMessages, len(items))
	}
	return items, message
}

// message is the batch as the API shows it. Its items are counted as processing
// until all have ended.
func (b *batch) message(x *exchange) map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	status, counts, results := "in_progress", [itemEnds]int{}, any(nil)
	switch {
	case !b.ended.IsZero():
		mount, _, _ := strings.Cut(x.r.RequestURI, "/v1/")
		status, counts, results = "ended", b.counts, "http://"+x.r.Host+mount+"/v1/messages/batches/"+b.id+"/results"
	case !b.canceled.IsZero():
		status = "canceling"
	}
	ended := 0
	for _, n := range counts {
		ended += n
	}
	return map[string]any{
		"id": b.id, "type": "message_batch", "processing_status": status, "results_url": results, "archived_at": nil,
		"created_at": written(b.created), "expires_at": written(b.created.Add(batchLife)),
		"ended_at": written(b.ended), "cancel_initiated_at": written(b.canceled),
		"request_counts": map[string]int{
			"processing": b.total - ended, "succeeded": counts[itemSucceeded], "errored": counts[itemErrored],
			"canceled": counts[itemCanceled], "expired": counts[itemExpired],
		},
	}
}

// written is a time as the API writes it; nil if it has not come.
func written(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// listMessageBatches answers GET /v1/messages/batches.
func (m *Model) listMessageBatches(x *exchange) error {
	query := x.r.URL.Query()
	part, more := page(m.batches.newest("msgbatch_"), query.Get("after_id"), query.Get("before_id"), query.Get("limit"))
	return x.writeJSON(marshal(listed(part, more, func(b *batch) map[string]any { return b.message(x) })))
}

func messageResults(x *exchange, b *batch) error {
	if !b.hasEnded() {
		return x.refuse(http.StatusBadRequest, "Batch "+b.id+" has no results yet: it is still being processed.")
	}
	return x.writeWhole("application/x-jsonl", b.output)
}

func (m *Model) deleteMessageBatch(x *exchange, b *batch) error {
	if !b.hasEnded() {
		return x.refuse(http.StatusBadRequest, "Batch "+b.id+" cannot be deleted while it is being processed. Cancel it first.")
	}
	m.batches.remove(b.id)
	return x.writeJSON(marshal(map[string]string{"id": b.id, "type": "message_batch_deleted"}))
}

// messageWire is how the Message Batches API tells results.
type messageWire struct{}

func (messageWire) line(customID string, end itemEnd, a itemAnswer) (line []byte, apart bool) {
	result := map[string]any{"type": [itemEnds]string{"succeeded", "errored", "canceled", "expired"}[end]}
	switch end {
	case itemSucceeded:
		result["message"] = json.RawMessage(a.body)
	case itemErrored:
		result["error"] = json.RawMessage(a.body)
	}
	return marshal(map[string]any{"custom_id": customID, "result": result}), false
}

func (messageWire) finish(*Model, *batch) {}
