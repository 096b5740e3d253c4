package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestABatchIsOnRecordAsItWasSent(t *testing.T) {
	w := newBatchWorld(t)
	res, object := w.send(http.MethodPost, "/v1/messages/batches?beta=true", messages("a", "b"),
		"Anthropic-Beta", "message-batches-2024-09-24, context-1m-2025-08-07,fine", "X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "llm.example.org")
	if res.StatusCode != http.StatusOK || res.Header.Get("Request-Id") == "" {
		t.Fatalf("%d %v", res.StatusCode, object)
	}
	if object["type"] != "message_batch" || object["processing_status"] != "in_progress" || object["results_url"] != nil {
		t.Errorf("%v", object)
	}
	id, d, ok := gateway.ParseBatchID(object["id"].(string))
	if !ok || d != gateway.Anthropic {
		t.Fatalf("%v", object["id"])
	}
	b, err := w.worker.Batch(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	header, want := fmt.Sprint(b.Header), "map[anthropic-beta:context-1m-2025-08-07,fine anthropic-version:2023-06-01]"
	if b.State != gateway.BatchValidating || b.Total != 2 || b.WorkflowID != object["id"] || b.Principal.Subject != "s-enterprise" || header != want {
		t.Errorf("%+v", b)
	}
	if window := b.ExpiresAt.Sub(b.CreatedAt); window != 24*time.Hour {
		t.Errorf("it has %s", window)
	}
	w.begin(b.PublicID(), 2)
	items, err := w.worker.WaitingItems(t.Context(), gateway.Chunk{Batch: id, To: 2}, 1<<20)
	if err != nil || len(items) != 2 || items[1].CustomID != "b" || plain(t, items[1].Body) != params {
		t.Errorf("%v %+v", err, items)
	}
}

func TestABatchThatCannotBeUsedIsToldWhyAndLeavesNothing(t *testing.T) {
	w := newBatchWorld(t, func(b *Batches) { b.Config.MaxItems, b.Config.MaxBytes = 600, 1<<20 })
	many := names(550)
	for name, c := range map[string]struct {
		body   string
		header []string
		status int
		says   string
	}{
		"a custom_id twice":                  {messages(append(many, many[7])...), nil, 400, "requests.550.custom_id"},
		"a request without params":           {`{"requests":[{"custom_id":"a"}]}`, nil, 400, "requests.0.params"},
		"broken JSON behind good requests":   {messages(many...)[:20_000], nil, 400, ""},
		"no requests":                        {`{"requests":[]}`, nil, 400, "requests"},
		"too many requests":                  {messages(names(601)...), nil, 400, "600"},
		"a body over the limit":              {messages("a") + strings.Repeat(" ", 1<<20), nil, 413, "The batch is larger than this gateway takes (1 MB). Make several smaller batches of it."},
		"a tier that nobody knows":           {messages("a"), []string{"Authorization", "Bearer tok-gold"}, 403, `"gold"`},
		"a key that is too long":             {messages("a"), []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "Idempotency-Key: must be 255 printable ASCII characters at most."},
		"a key that is no ASCII":             {messages("a"), []string{"Idempotency-Key", "schlüssel"}, 400, "Idempotency-Key: must be 255 printable ASCII characters at most."},
		"a beta that is no ASCII":            {messages("a"), []string{"Anthropic-Beta", "b\xffta"}, 400, "anthropic-beta: must be printable ASCII characters."},
		"a version that cannot be on record": {messages("a"), []string{"Anthropic-Version", "2023\xff"}, 400, "anthropic-version: must be printable ASCII characters."},
	} {
		t.Run(name, func(t *testing.T) {
			header := append([]string{"Idempotency-Key", "key"}, c.header...)
			res, object := w.send(http.MethodPost, "/v1/messages/batches", c.body, header...)
			if res.StatusCode != c.status || !strings.Contains(told(object), c.says) || told(object) == "" || res.Header.Get("X-Should-Retry") != "false" {
				t.Errorf("%d %v", res.StatusCode, object)
			}
			w.nothingIsKept(t)
		})
	}
	if res, _ := w.send(http.MethodPost, "/v1/messages/batches", messages("a"), "Idempotency-Key", "key"); res.StatusCode != http.StatusOK || res.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the key is not free: %d", res.StatusCode)
	}
}

// nothingIsKept asserts that nobody is shown a batch or a file, and that no worker takes one up.
func (w *batchWorld) nothingIsKept(t *testing.T) {
	t.Helper()
	n := w.server.Int(t, `SELECT (SELECT count(*) FROM batches WHERE deleted_at IS NULL) + (SELECT count(*) FROM files WHERE deleted_at IS NULL)`)
	if n != 0 {
		t.Errorf("%d batches and files are left", n)
	}
}

func TestAListOfBatchesIsTurnedInBothDirections(t *testing.T) {
	w := newBatchWorld(t)
	var made []string // the newest first
	for range 5 {
		made = append([]string{w.made("a")}, made...)
	}
	w.send(http.MethodPost, "/v1/messages/batches", messages("a"), "Authorization", "Bearer tok-pro")
	for path, want := range map[string]struct {
		ids  []string
		more bool
	}{
		"/v1/messages/batches":                                 {made, false},
		"/v1/messages/batches?limit=2":                         {made[:2], true},
		"/v1/messages/batches?limit=2&after_id=" + made[1]:     {made[2:4], true},
		"/v1/messages/batches?limit=2&after_id=" + made[3]:     {made[4:], false},
		"/v1/messages/batches?limit=2&before_id=" + made[3]:    {made[1:3], true},
		"/v1/messages/batches?limit=2&before_id=" + made[2]:    {made[:2], false},
		"/v1/messages/batches?limit=1000&before_id=" + made[0]: {nil, false},
		"/v1/batches":                       {nil, false},
		"/batches?limit=3":                  {made[:3], true},
		"/batches?limit=3&after=" + made[2]: {made[3:], false},
	} {
		var page struct {
			Data    []struct{ ID string }
			HasMore bool `json:"has_more"`
		}
		if status := w.get(path, &page); status != http.StatusOK || page.HasMore != want.more {
			t.Errorf("%s: %d, has_more %v", path, status, page.HasMore)
		}
		var ids []string
		for _, b := range page.Data {
			ids = append(ids, b.ID)
		}
		if strings.Join(ids, " ") != strings.Join(want.ids, " ") {
			t.Errorf("%s: %v", path, ids)
		}
	}
	for path, says := range map[string]string{
		"/v1/messages/batches?limit=0":                                       "limit: must be a number from 1 to 1000.",
		"/v1/messages/batches?after_id=x":                                    `after_id: "x" is no id of this list.`,
		"/v1/messages/batches?before_id=file-1":                              `before_id: "file-1" is no id of this list.`,
		"/v1/messages/batches?after_id=" + made[0] + "&before_id=" + made[1]: "after_id and before_id cannot be used together.",
		"/v1/batches?limit=101":                                              "limit: must be a number from 1 to 100.",
		"/v1/batches?after=x":                                                `after: "x" is no id of this list.`,
		"/v1/files?limit=10001":                                              "limit: must be a number from 1 to 10000.",
		"/v1/files?order=up":                                                 `order: must be "asc" or "desc".`,
		"/batches?limit=none":                                                "limit: must be a number from 1 to 100.",
	} {
		if res, object := w.send(http.MethodGet, path, ""); res.StatusCode != http.StatusBadRequest || told(object) != says {
			t.Errorf("%s: %d %v", path, res.StatusCode, object)
		}
	}
}

func TestWhatIsAnothersDoesNotExist(t *testing.T) {
	w := newBatchWorld(t)
	file := w.upload("{}")
	_, object := w.send(http.MethodPost, "/v1/batches", batchRequest(file))
	batch := w.made("a")
	theirs := map[string]string{"msgbatch": batch, "batch": object["id"].(string), "file": file}
	for _, c := range []struct{ method, path, kind string }{
		{"GET", "/v1/messages/batches/%s", "msgbatch"},
		{"POST", "/v1/messages/batches/%s/cancel", "msgbatch"},
		{"GET", "/v1/messages/batches/%s/results", "msgbatch"},
		{"DELETE", "/v1/messages/batches/%s", "msgbatch"},
		{"GET", "/v1/batches/%s", "batch"},
		{"POST", "/v1/batches/%s/cancel", "batch"},
		{"GET", "/batches/%s", "batch"},
		{"POST", "/batches/%s/cancel", "msgbatch"},
		{"GET", "/batches/%s/results", "msgbatch"},
		{"GET", "/v1/files/%s", "file"},
		{"GET", "/v1/files/%s/content", "file"},
		{"DELETE", "/v1/files/%s", "file"},
	} {
		none := strings.Replace(theirs[c.kind], theirs[c.kind][len(theirs[c.kind])-12:], strings.Repeat("0", 12), 1)
		for _, id := range []string{theirs[c.kind], none, "nonsense"} {
			path := fmt.Sprintf(c.path, id)
			res, object := w.send(c.method, path, "", "Authorization", "Bearer tok-pro")
			if want := fmt.Sprintf("There is no %s %q of yours here. GET ", kindOf(c.kind), id); res.StatusCode != http.StatusNotFound || !strings.HasPrefix(told(object), want) {
				t.Errorf("%s %s: %d %v", c.method, path, res.StatusCode, object)
			}
		}
	}
	for path, id := range map[string]string{"/v1/messages/batches/": theirs["batch"], "/v1/batches/": batch} {
		if res, object := w.send(http.MethodGet, path+id, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s of the other dialect: %d %v", path, res.StatusCode, object)
		}
	}
	if n := w.server.Int(t, `SELECT count(*) FROM batches WHERE cancel_requested_at IS NOT NULL OR deleted_at IS NOT NULL`); n != 0 {
		t.Errorf("%d batches were touched", n)
	}
}

func kindOf(kind string) string {
	if kind == "file" {
		return kind
	}
	return "batch"
}

func TestABatchIsCanceledOnceAndDeletedWhenItHasEnded(t *testing.T) {
	w := newBatchWorld(t)
	id := w.made("item-0")
	if res, object := w.send(http.MethodDelete, "/v1/messages/batches/"+id, ""); res.StatusCode != http.StatusBadRequest || !strings.Contains(told(object), "Cancel it first") {
		t.Errorf("deleted while it runs: %d %v", res.StatusCode, object)
	}
	var asked any
	for range 2 {
		res, object := w.send(http.MethodPost, "/v1/messages/batches/"+id+"/cancel", "")
		if res.StatusCode != http.StatusOK || object["processing_status"] != "canceling" || asked != nil && object["cancel_initiated_at"] != asked {
			t.Errorf("%d %v", res.StatusCode, object)
		}
		asked = object["cancel_initiated_at"]
	}
	w.run(id, gateway.ItemSucceeded)
	if res, object := w.send(http.MethodPost, "/v1/messages/batches/"+id+"/cancel", ""); res.StatusCode != http.StatusBadRequest || !strings.Contains(told(object), "it has ended") {
		t.Errorf("canceled when it has ended: %d %v", res.StatusCode, object)
	}
	if res, object := w.send(http.MethodPost, "/batches/"+id+"/cancel", ""); res.StatusCode != http.StatusConflict || res.Header.Get("X-Should-Retry") != "false" || !strings.Contains(told(object), "it has ended (completed)") {
		t.Errorf("canceled when it has ended: %d %v", res.StatusCode, object)
	}
	if res, object := w.send(http.MethodDelete, "/v1/messages/batches/"+id, ""); res.StatusCode != http.StatusOK || object["type"] != "message_batch_deleted" || object["id"] != id {
		t.Errorf("%d %v", res.StatusCode, object)
	}
	if res, _ := w.send(http.MethodGet, "/v1/messages/batches/"+id, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("%d when it was deleted", res.StatusCode)
	}
}

func TestTheGatewaysOwnViewOfABatch(t *testing.T) {
	w := newBatchWorld(t)
	name := w.made(names(4)...)
	id := w.begin(name, 4)
	until := time.Now().Add(3*time.Hour + 12*time.Minute + 30*time.Second).Truncate(time.Second).UTC()
	if err := w.worker.HoldBatch(t.Context(), id, gateway.Wait{Reason: gateway.WaitQuota, Until: until}); err != nil {
		t.Fatal(err)
	}
	errored := gateway.ItemResult{ItemRef: gateway.ItemRef{Batch: id}, CustomID: "item-0", State: gateway.ItemErrored, Kind: "overloaded_error", Line: w.batches.Compressor.Body([]byte("{}"))}
	if _, err := w.worker.Commit(t.Context(), nil, nil, []*gateway.Ending{{Result: errored}}); err != nil {
		t.Fatal(err)
	}
	open := &gateway.Intent{
		ID: uuid.Must(uuid.NewV7()), AdmittedAt: time.Now(), Endpoint: gateway.Messages, Dialect: gateway.Anthropic,
		Window: gateway.DayWindow(time.Now(), time.UTC), Item: gateway.ItemRef{Batch: id, N: 1}, Body: w.batches.Compressor.Body([]byte("{}")),
	}
	if _, err := w.worker.Commit(t.Context(), []*gateway.Intent{open}, nil, nil); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("It waits for u-enterprise's daily quota, which resets at %s (in 3 h 12 m).", until.Format(time.RFC3339))
	var list api.BatchList
	w.get("/batches", &list)
	var b api.Batch
	if status := w.get("/batches/"+name, &b); status != http.StatusOK || len(list.Data) != 1 || fmt.Sprint(list.Data[0].Counts) != fmt.Sprint(b.Counts) {
		t.Fatalf("%d %+v", status, list)
	}
	if b.Counts != (api.Counts{Total: 4, Waiting: 2, Running: 1, Errored: 1}) || fmt.Sprint(b.Failures) != "map[overloaded_error:1]" {
		t.Errorf("%+v %v", b.Counts, b.Failures)
	}
	if b.Waiting == nil || b.Waiting.Message != want || b.Waiting.Reason != "quota" || !b.Waiting.Until.Equal(until) {
		t.Errorf("%+v", b.Waiting)
	}
	if b.State != "running" || b.Dialect != "anthropic" || b.Endpoint != "/v1/messages" || b.StartedAt == nil || b.EndedAt != nil || b.WorkflowID != name {
		t.Errorf("%+v", b)
	}
}

func TestAWaitIsToldToPeople(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		reason gateway.WaitReason
		wait   time.Duration
		want   string
	}{
		{gateway.WaitBackend, 30 * time.Second, "It waits for a backend that has too much to do or is away. It tries again at 2026-11-23T12:00:30Z (in 30 s)."},
		{gateway.WaitNative, 5*time.Minute + 59*time.Second, "Its items are in a batch of the backend's own. It looks for their results at 2026-11-23T12:05:59Z (in 5 m)."},
		{gateway.WaitItems, 23 * time.Hour, "All its items so far have ended, and it is open for more until 2026-11-24T11:00:00Z (in 23 h 0 m)."},
		{gateway.WaitQuota, -time.Second, "It waits for petra's daily quota, which resets at 2026-11-23T11:59:59Z (now)."},
	} {
		b := &gateway.Batch{Principal: gateway.Principal{User: "petra"}, Wait: gateway.Wait{Reason: c.reason, Until: now.Add(c.wait)}}
		if got := waiting(b, now); got == nil || got.Message != c.want || got.Reason != string(c.reason) {
			t.Errorf("%+v", got)
		}
	}
	if got := waiting(&gateway.Batch{}, now); got != nil {
		t.Errorf("%+v", got)
	}
}

// signer signs in plain text.
type signer struct{}

func (signer) Sign(batch uuid.UUID, p gateway.Principal, now time.Time) (string, time.Time, error) {
	return batch.String() + " " + p.Subject, now.Add(time.Hour), nil
}

func TestASubmissionIsForOneBatchOfItsCaller(t *testing.T) {
	w := newBatchWorld(t, func(b *Batches) { b.Submissions = signer{} })
	for body, d := range map[string]gateway.Dialect{"": gateway.Anthropic, `{"endpoint":"/v1/messages"}`: gateway.Anthropic, `{"endpoint":"/v1/embeddings"}`: gateway.OpenAI} {
		res, text := w.post("/batches/submissions", body)
		var s api.Submission
		if err := json.Unmarshal([]byte(text), &s); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%d %q", res.StatusCode, text)
		}
		id, got, ok := gateway.ParseBatchID(s.ID)
		if !ok || got != d || s.WorkflowID != s.ID || s.Token != id.String()+" s-enterprise" || s.TaskQueue != w.batches.Temporal.TaskQueue || s.Namespace != w.batches.Temporal.Namespace {
			t.Errorf("%q: %+v", body, s)
		}
	}
	for body, says := range map[string]string{
		"[]":                       `The body must be empty, or a JSON object such as {"endpoint": "/v1/messages"}.`,
		`{"endpoint":"/v1/audio"}`: `endpoint: batches cannot be made for "/v1/audio".`,
	} {
		if res, object := w.send(http.MethodPost, "/batches/submissions", body); res.StatusCode != http.StatusBadRequest || told(object) != says {
			t.Errorf("%q: %d %v", body, res.StatusCode, object)
		}
	}
	if res, object := w.send(http.MethodPost, "/batches/submissions", "", "Authorization", "Bearer tok-gold"); res.StatusCode != http.StatusForbidden {
		t.Errorf("%d %v", res.StatusCode, object)
	}
	w.batches.Submissions = nil
	if res, object := w.send(http.MethodPost, "/batches/submissions", ""); res.StatusCode != http.StatusNotFound || !strings.Contains(told(object), "batch.submission_key_file") {
		t.Errorf("%d %v", res.StatusCode, object)
	}
}

func TestWithoutBatchesTheirPathsSayThatThereAreNone(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/v1/messages/batches", "/v1/files", "/v1/batches", "/batches"} {
		if res, object := w.send(http.MethodGet, path, ""); res.StatusCode != http.StatusNotFound || !strings.Contains(told(object), "takes no batches") {
			t.Errorf("%s: %d %v", path, res.StatusCode, object)
		}
	}
}

func TestBatchPathsAreForKnownCallersOnly(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/v1/messages/batches", "/v1/files", "/v1/batches", "/batches"} {
		if res, _ := w.send(http.MethodGet, path, "", "Authorization", ""); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

func TestWithTheDatabaseAwayBatchesAreRefusedForNow(t *testing.T) {
	w := newBatchWorld(t)
	id := w.made("a")
	w.faults.BatchStore.(interface{ Close() }).Close()
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v1/messages/batches", messages("a")},
		{"GET", "/v1/messages/batches", ""},
		{"GET", "/v1/messages/batches/" + id, ""},
		{"GET", "/v1/files", ""},
		{"GET", "/batches", ""},
	} {
		res, object := w.send(c.method, c.path, c.body)
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "2" || told(object) != "The gateway's records cannot be reached right now. Try again in a few seconds." {
			t.Errorf("%s %s: %d %v", c.method, c.path, res.StatusCode, object)
		}
	}
}

// batchRequest is the body of an OpenAI batch of a file.
func batchRequest(file string) string {
	return fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/chat/completions","completion_window":"24h","metadata":{"for":"a test"}}`, file)
}
