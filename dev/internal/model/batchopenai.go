package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tidwall/gjson"
)

// maxLines is the limit of a batch's input file.
const maxLines = 50_000

// openaiOrder is what a batch of the OpenAI dialect was ordered with.
type openaiOrder struct {
	input    string // the file
	endpoint string
	metadata json.RawMessage
	errors   []any // what is wrong with the file
}

// openaiBatches are the endpoints of the Batch API.
func (m *Model) openaiBatches() map[string]endpoint {
	of := func(answer func(*exchange, *batch) error) func(*exchange) error {
		return func(x *exchange) error {
			if b := m.batches.find(x.id); b != nil {
				return answer(x, b)
			}
			return x.refuse(http.StatusNotFound, "No batch found with id '"+x.id+"'.")
		}
	}
	retrieve := func(x *exchange, b *batch) error { return x.writeJSON(marshal(b.object())) }
	return map[string]endpoint{
		"POST /v1/batches":     {dialect: openai{}, answer: m.createBatch},
		"GET /v1/batches":      {dialect: openai{}, answer: m.listBatches},
		"GET /v1/batches/{id}": {dialect: openai{}, answer: of(retrieve)},
		"POST /v1/batches/{id}/cancel": {dialect: openai{}, other: true, answer: of(func(x *exchange, b *batch) error {
			if !b.cancel() {
				return x.refuse(http.StatusConflict, fmt.Sprintf("Cannot cancel a batch with status '%s'.", b.object()["status"]))
			}
			return retrieve(x, b)
		})},
	}
}

// createBatch answers POST /v1/batches. As at the real one, what is wrong with
// the file is told by the batch.
func (m *Model) createBatch(x *exchange) error {
	input := m.batches.findFile(x.fields["input_file_id"].Str)
	path := x.fields["endpoint"].Str
	switch {
	case input == nil || input.purpose != "batch":
		return x.refuse(http.StatusBadRequest, "Invalid 'input_file_id': there is no such file with the purpose 'batch'.")
	case !slices.Contains([]string{"/v1/chat/completions", "/v1/embeddings", "/v1/responses"}, path):
		return x.refuse(http.StatusBadRequest, "Invalid 'endpoint': '"+path+"'.")
	case x.fields["completion_window"].Str != "24h":
		return x.refuse(http.StatusBadRequest, "Invalid 'completion_window': only '24h' is supported.")
	}
	items, mistakes := lineItems(input.content, path)
	if len(mistakes) > 0 {
		items = nil
	}
	b := m.newBatch(x, "batch_", openaiWire{}, len(items))
	b.order = openaiOrder{input: input.id, endpoint: path, metadata: json.RawMessage("null"), errors: mistakes}
	if metadata := x.fields["metadata"]; metadata.Exists() {
		b.order.metadata = json.RawMessage(metadata.Raw)
	}
	m.batches.add(b)
	x.note(http.StatusOK, usage{})
	created := marshal(b.object())
	go m.run(b, items)
	return x.writeJSON(created)
}

// lineItems reads the items of an input file, and what is wrong with it.
func lineItems(content []byte, path string) (items []batchItem, mistakes []any) {
	wrong := func(line int, code, param, message string) {
		mistake := map[string]any{"code": code, "message": message, "line": nil, "param": nil}
		if line > 0 {
			mistake["line"] = line
		}
		if param != "" {
			mistake["param"] = param
		}
		mistakes = append(mistakes, mistake)
	}
	seen, n := map[string]bool{}, 0
	for line := range bytes.Lines(content) {
		n++
		fields := gjson.GetManyBytes(line, "custom_id", "method", "url", "body")
		id := fields[0].Str
		switch {
		case len(bytes.TrimSpace(line)) == 0:
			continue
		case !gjson.ValidBytes(line):
			wrong(n, "invalid_json_line", "", "This line is not parseable as valid JSON.")
		case id == "":
			wrong(n, "missing_required_parameter", "custom_id", "Missing required parameter: 'custom_id'.")
		case seen[id]:
			wrong(n, "duplicate_custom_id", "custom_id", "The custom_id for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.")
		case fields[1].Str != http.MethodPost:
			wrong(n, "invalid_method", "method", "The HTTP method provided is not supported: only POST is.")
		case fields[2].Str != path:
			wrong(n, "invalid_url", "url", "The URL provided for this request does not match the batch endpoint.")
		case !fields[3].IsObject():
			wrong(n, "missing_required_parameter", "body", "Missing required parameter: 'body'.")
		}
		seen[id] = true
		items = append(items, batchItem{customID: id, path: path, body: []byte(fields[3].Raw)})
	}
	switch {
	case len(items) == 0:
		wrong(0, "empty_file", "", "The input file is empty. Please ensure that the batch contains at least one request.")
	case len(items) > maxLines:
		wrong(0, "too_many_tasks", "", fmt.Sprintf("The batch input file contains too many requests: %d, where the limit is %d.", len(items), maxLines))
	}
	return items, mistakes
}

// object is the batch as the API shows it.
func (b *batch) object() map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	completed, failed := b.counts[itemSucceeded], b.counts[itemErrored]+b.counts[itemExpired]
	object := map[string]any{
		"id": b.id, "object": "batch", "endpoint": b.order.endpoint, "errors": nil, "input_file_id": b.order.input,
		"completion_window": "24h", "status": b.status(), "output_file_id": nil, "error_file_id": nil,
		"created_at": b.created.Unix(), "expires_at": b.created.Add(batchLife).Unix(), "in_progress_at": stamp(b.started),
		"finalizing_at": nil, "completed_at": nil, "failed_at": nil, "expired_at": nil,
		"cancelling_at": stamp(b.canceled), "cancelled_at": nil,
		"request_counts": map[string]int{"total": b.total, "completed": completed, "failed": failed},
		"metadata":       b.order.metadata,
	}
	if b.ended.IsZero() {
		return object
	}
	object[b.status()+"_at"] = stamp(b.ended)
	if len(b.order.errors) > 0 {
		object["errors"] = map[string]any{"object": "list", "data": b.order.errors}
		return object
	}
	object["finalizing_at"] = stamp(b.ended)
	for i, name := range []string{"output_file_id", "error_file_id"} {
		if b.files[i] != "" {
			object[name] = b.files[i]
		}
	}
	return object
}

// status is how far the batch is, in OpenAI's words.
func (b *batch) status() string {
	switch {
	case b.ended.IsZero() && !b.canceled.IsZero():
		return "cancelling"
	case b.ended.IsZero() && b.started.IsZero():
		return "validating"
	case b.ended.IsZero():
		return "in_progress"
	case len(b.order.errors) > 0:
		return "failed"
	case !b.canceled.IsZero():
		return "cancelled"
	case b.counts[itemExpired] > 0:
		return "expired"
	}
	return "completed"
}

// stamp is a time as the API writes it; nil if it has not come.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

// listBatches answers GET /v1/batches.
func (m *Model) listBatches(x *exchange) error {
	query := x.r.URL.Query()
	part, more := page(m.batches.newest("batch_"), query.Get("after"), "", query.Get("limit"))
	list := listed(part, more, (*batch).object)
	list["object"] = "list"
	return x.writeJSON(marshal(list))
}

// openaiWire is how the Batch API tells results.
type openaiWire struct{}

func (openaiWire) line(customID string, end itemEnd, a itemAnswer) (line []byte, apart bool) {
	result := map[string]any{"id": "batch_" + a.requestID, "custom_id": customID, "response": nil, "error": nil}
	switch end {
	case itemCanceled:
		return nil, false
	case itemExpired:
		result["id"] = "batch_req_" + customID
		result["error"] = map[string]string{
			"code": "batch_expired", "message": "This request could not be executed before the completion window expired.",
		}
	default:
		result["response"] = map[string]any{"status_code": a.status, "request_id": a.requestID, "body": json.RawMessage(a.body)}
	}
	return marshal(result), end != itemSucceeded
}

// finish makes files of the results.
func (openaiWire) finish(m *Model, b *batch) {
	b.mu.Lock()
	results := [2][]byte{b.output, b.errors}
	b.output, b.errors = nil, nil
	b.mu.Unlock()
	var ids [2]string
	for i, kind := range []string{"output", "error"} {
		if len(results[i]) > 0 {
			ids[i] = "file-" + b.id + "-" + kind
			m.batches.addFile(&file{id: ids[i], name: b.id + "_" + kind + ".jsonl", purpose: "batch_output", created: time.Now(), content: results[i]})
		}
	}
	b.mu.Lock()
	b.files = ids
	b.mu.Unlock()
}
