package anthropic

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

func aBatch(change func(*gateway.Batch)) *gateway.Batch {
	made := time.Date(2026, 8, 20, 20, 37, 24, 100_435_000, time.FixedZone("", 2*3600))
	b := &gateway.Batch{
		ID: uuid.MustParse("0198c8f2-7e11-7c3a-8b1d-2f6a5d0c4e99"), Endpoint: gateway.Messages, State: gateway.BatchRunning, Total: 10,
		Counts: gateway.ItemCounts{Succeeded: 4, Errored: 3, Canceled: 2, Expired: 1}, CreatedAt: made, ExpiresAt: made.Add(24 * time.Hour),
	}
	change(b)
	return b
}

func end(b *gateway.Batch) {
	b.State, b.End, b.EndedAt = gateway.BatchEnded, gateway.BatchCompleted, b.CreatedAt.Add(time.Hour)
}

func TestMessageBatches(t *testing.T) {
	const url = "https://gateway.example/v1/messages/batches/msgbatch_0198c8f27e117c3a8b1d2f6a5d0c4e99/results"
	compare(t, "batches.golden", [][2]string{
		{"one that runs counts nothing as done", string(MessageBatch(aBatch(func(*gateway.Batch) {}), url))},
		{"one whose owner stops it", string(MessageBatch(aBatch(func(b *gateway.Batch) {
			b.State, b.CancelRequestedAt = gateway.BatchClosing, b.CreatedAt.Add(time.Minute)
		}), url))},
		{"one that has ended", string(MessageBatch(aBatch(end), url))},
		{"one that was stopped and has ended", string(MessageBatch(aBatch(func(b *gateway.Batch) {
			end(b)
			b.End, b.CancelRequestedAt = gateway.BatchCanceled, b.CreatedAt.Add(time.Minute)
		}), url))},
		{"one whose results are gone", string(MessageBatch(aBatch(func(b *gateway.Batch) {
			end(b)
			b.ArchivedAt = b.EndedAt.Add(29 * 24 * time.Hour)
		}), url))},
		{"deleted", string(MessageBatchDeleted("msgbatch_0198c8f27e117c3a8b1d2f6a5d0c4e99"))},
	})
}

func TestMessageBatchLists(t *testing.T) {
	other := aBatch(func(b *gateway.Batch) {
		end(b)
		b.ID = uuid.MustParse("0198c8f2-0000-7c3a-8b1d-2f6a5d0c4e99")
	})
	url := func(id string) string { return "https://gateway.example/" + id }
	compare(t, "batchlists.golden", [][2]string{
		{"with more behind it", string(MessageBatchList([]gateway.Batch{*aBatch(func(*gateway.Batch) {}), *other}, true, url))},
		{"of nothing", string(MessageBatchList(nil, false, url))},
	})
}

func TestResultLines(t *testing.T) {
	message := "{\n \"type\": \"message\", \"id\":\"m\",\r\n\t\"n\": 1.50e+3, \"text\":\"a <b> & \\u00e9 \u2028 é\\n\", \"new\":{\"z\":[ ],\"a\":12345678901234567890}}\n"
	refusal := `{"type":"error", "error": {"type":"overloaded_error","message":"<busy>"}, "request_id":"req_1"}`
	var lines [][2]string
	for _, c := range []struct {
		name   string
		state  gateway.ItemState
		status int
		body   string
	}{
		{"succeeded", gateway.ItemSucceeded, 200, message},
		{"errored", gateway.ItemErrored, 529, refusal},
		{"canceled", gateway.ItemCanceled, 0, ""},
		{"expired", gateway.ItemExpired, 0, ""},
		{"a proxy's page", gateway.ItemErrored, 502, "<html>\n<h1>Bad \xff Gateway</h1>" + strings.Repeat(".", 1000)},
		{"an error of another API", gateway.ItemErrored, 400, `{"error":{"message":"no"}}`},
		{"an error that is cut", gateway.ItemErrored, 500, refusal[:40]},
		{"an error that is cut at its end", gateway.ItemErrored, 500, strings.TrimSuffix(refusal, "}")},
		{"an answer that is no JSON", gateway.ItemSucceeded, 200, "OK"},
		{"an answer that is no object", gateway.ItemSucceeded, 200, `["type","message"]`},
		{"an answer that is cut", gateway.ItemSucceeded, 200, message[:60]},
		{"no answer", gateway.ItemErrored, 500, ""},
	} {
		line := ResultLine(c.state, "a-1", c.status, []byte(c.body), "0198c8f2-7e11-7c3a-8b1d-2f6a5d0c4e99")
		lines = append(lines, [2]string{c.name, string(line)})
	}
	compare(t, "batchresults.golden", lines)
}

func TestTheKindOfAnError(t *testing.T) {
	for body, want := range map[string]string{
		`{"type":"error","error":{"type":"overloaded_error","message":"m"}}`: "overloaded_error",
		`{"type":"message","content":[{"text":"error"}]}`:                    "",
		`{"error":{"type":7}}`: "", `{"error":"no"}`: "", "<html>": "", "": "",
	} {
		if got := ErrorKind([]byte(body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
