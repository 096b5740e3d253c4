package openai

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// compare holds lines, each below its name, against a file of testdata.
func compare(t *testing.T, file string, lines [][2]string) {
	t.Helper()
	var got strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&got, "# %s\n%s\n", line[0], line[1])
	}
	want, err := os.ReadFile("testdata/" + file)
	if err != nil || got.String() != string(want) {
		t.Errorf("testdata/%s is not what is made now (%v):\n%s", file, err, got.String())
	}
}

func anID(digit string) uuid.UUID {
	return uuid.MustParse("0198c8f2-7e11-7c3a-8b1d-00000000000" + digit)
}

func aBatch(change func(*gateway.Batch)) *gateway.Batch {
	made := time.Date(2026, 8, 20, 20, 37, 24, 100_435_000, time.FixedZone("", 2*3600))
	b := &gateway.Batch{
		ID: anID("1"), Endpoint: gateway.Chat, State: gateway.BatchValidating, InputFile: anID("2"),
		CreatedAt: made, ExpiresAt: made.Add(24 * time.Hour),
	}
	change(b)
	return b
}

func run(b *gateway.Batch) {
	b.State, b.StartedAt, b.Total = gateway.BatchRunning, b.CreatedAt.Add(time.Minute), 10
	b.Counts = gateway.ItemCounts{Succeeded: 4, Errored: 1}
}

func stop(b *gateway.Batch) {
	run(b)
	b.CancelRequestedAt = b.CreatedAt.Add(2 * time.Minute)
}

func closing(b *gateway.Batch) {
	run(b)
	b.State, b.ClosingAt = gateway.BatchClosing, b.CreatedAt.Add(3*time.Minute)
}

func end(how gateway.BatchEnd) func(*gateway.Batch) {
	return func(b *gateway.Batch) {
		closing(b)
		b.State, b.End, b.EndedAt = gateway.BatchEnded, how, b.CreatedAt.Add(4*time.Minute)
		b.OutputFile, b.ErrorFile = anID("3"), anID("4")
		b.Usage = gateway.Usage{Input: 100, Output: 30, CacheRead: 20, CacheWrite: 3}
	}
}

func TestBatches(t *testing.T) {
	var lines [][2]string
	for _, c := range []struct {
		name   string
		change func(*gateway.Batch)
	}{
		{"one that is new", func(b *gateway.Batch) { b.Metadata = map[string]string{"job": "<nightly>", "a": ""} }},
		{"one that runs", run},
		{"one that closes", closing},
		{"one whose owner stops it", stop},
		{"one whose owner stops it as it begins", func(b *gateway.Batch) { b.CancelRequestedAt = b.CreatedAt.Add(time.Second) }},
		{"one that is stopped and closes", func(b *gateway.Batch) { stop(b); closing(b) }},
		{"one that is done", end(gateway.BatchCompleted)},
		{"one that was done before it could be stopped", func(b *gateway.Batch) { stop(b); end(gateway.BatchCompleted)(b) }},
		{"one that was stopped", func(b *gateway.Batch) { stop(b); end(gateway.BatchCanceled)(b) }},
		{"one whose time was over", end(gateway.BatchExpired)},
		{"one that could not be read", func(b *gateway.Batch) {
			b.State, b.End, b.EndedAt = gateway.BatchEnded, gateway.BatchRefused, b.CreatedAt.Add(time.Minute)
			b.InputErrors = []gateway.InputError{
				{Code: "invalid_json_line", Message: "no JSON", Line: 57_000},
				{Code: "empty_file", Message: "nothing", Param: "input_file_id"},
			}
		}},
		{"one of embeddings from no file", func(b *gateway.Batch) { b.Endpoint, b.InputFile = gateway.Embeddings, uuid.Nil }},
		{"one of responses", func(b *gateway.Batch) { b.Endpoint = gateway.Responses }},
	} {
		lines = append(lines, [2]string{c.name, string(Batch(aBatch(c.change)))})
	}
	compare(t, "batches.golden", lines)
}

func TestFiles(t *testing.T) {
	made := time.Date(2026, 8, 20, 20, 37, 24, 900_000_000, time.FixedZone("", 2*3600))
	upload := gateway.File{ID: anID("2"), Subject: "s", Name: "in \"put\".jsonl", Purpose: gateway.FileForBatch, Size: 1 << 40, CreatedAt: made}
	output := gateway.File{ID: anID("3"), Name: "out.jsonl", Purpose: gateway.FileOfBatch, Batch: anID("1"), CreatedAt: made, ExpiresAt: made.Add(time.Hour)}
	compare(t, "files.golden", [][2]string{
		{"an upload", string(FileObject(&upload))},
		{"an output that goes", string(FileObject(&output))},
		{"deleted", string(FileDeleted("file-1"))},
	})
}

func TestListsOfBatchesAndFiles(t *testing.T) {
	made := time.Unix(1_787_258_244, 0)
	compare(t, "lists.golden", [][2]string{
		{"batches with more behind them", string(BatchList([]gateway.Batch{*aBatch(run), *aBatch(func(b *gateway.Batch) { b.ID = anID("0") })}, true))},
		{"no batches", string(BatchList(nil, false))},
		{"files", string(FileList([]gateway.File{{ID: anID("3"), CreatedAt: made}, {ID: anID("2"), CreatedAt: made}}, false))},
		{"no files", string(FileList(nil, false))},
	})
}

func TestResultLines(t *testing.T) {
	answer := "{\n \"id\": \"c\",\r\n\t\"n\": 1.50e+3, \"text\":\"a <b> & \\u00e9 \u2028 é\\n\", \"new\":{\"z\":[ ],\"a\":12345678901234567890}}\n"
	var lines [][2]string
	for _, c := range []struct {
		name          string
		state         gateway.ItemState
		request       uuid.UUID
		status        int
		body          string
		code, message string
	}{
		{"succeeded", gateway.ItemSucceeded, anID("5"), 200, answer, "", ""},
		{"errored", gateway.ItemErrored, anID("5"), 400, `{"error": {"message":"<no>","type":"invalid_request_error"}}`, "", ""},
		{"never sent", gateway.ItemErrored, uuid.Nil, 0, "", "model_not_found", "There is no such model."},
		{"sent and not answered", gateway.ItemErrored, anID("5"), 0, "", "interrupted", "The gateway died."},
		{"canceled", gateway.ItemCanceled, uuid.Nil, 0, "", "", ""},
		{"expired", gateway.ItemExpired, uuid.Nil, 0, "", "", ""},
		{"a proxy's page", gateway.ItemErrored, anID("5"), 502, "<html>\n<h1>Bad \xff Gateway</h1>" + strings.Repeat(".", 1000), "", ""},
		{"an answer that is cut", gateway.ItemSucceeded, anID("5"), 200, answer[:60], "", ""},
		{"nothing in the answer", gateway.ItemErrored, anID("5"), 500, "", "", ""},
	} {
		line := ResultLine(c.state, `a "1"`, c.request, c.status, []byte(c.body), c.code, c.message)
		lines = append(lines, [2]string{c.name, string(line)})
	}
	lines = append(lines, [2]string{"no answer", string(ResultLine(gateway.ItemErrored, "a", anID("5"), 500, nil, "", ""))})
	compare(t, "batchresults.golden", lines)
}

func TestTheKindOfAnError(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"type":"server_error","code":"x"}}`: "server_error",
		`{"error":{"type":null,"code":"x"}}`:           "x",
		`{"error":{"message":"m"}}`:                    "error",
		`{"error":null,"choices":[]}`:                  "", "<html>": "", "": "",
	} {
		if got := ErrorKind([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
