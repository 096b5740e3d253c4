package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// The bounds that a batch of any size must keep.
const (
	maxEvents = 10_240
	maxBytes  = 10 << 20
	maxMemory = 300 // MB
	inFlight  = 32  // items that a worker has at backends at most, by default
)

// findings are what the stores say of the batch.
type findings struct {
	items        int
	lines        int // of results
	missing      int // items without a line
	twice        int // items with more than one
	failed       int // lines that are not "succeeded"
	ledger       int // rows
	ledgerTwice  int // items with more than one
	resent       int // rows of more than one attempt
	resendings   int // attempts after the first
	runs         int // of the workflow
	events       int64
	historyBytes int64 // both of the largest run
}

// inspect reads the results by the API, and the rest in the stores themselves.
func (b *batch) inspect(ctx context.Context) (findings, error) {
	f := findings{items: b.items}
	if err := b.call(ctx, http.MethodGet, "/v1/messages/batches/"+b.id+"/results", nil, f.readResults); err != nil {
		return f, err
	}
	db, err := pgx.Connect(ctx, b.stack.PostgresURLs["owner"])
	if err != nil {
		return f, err
	}
	defer db.Close(ctx)
	err = db.QueryRow(ctx, `
		SELECT coalesce(sum(n), 0)::int, count(*) FILTER (WHERE n > 1), coalesce(sum(resent), 0)::int, coalesce(sum(resendings), 0)::int FROM (
			SELECT count(*) AS n, count(*) FILTER (WHERE attempts > 1) AS resent, sum(attempts - 1) AS resendings
			FROM ledger WHERE batch_id IS NOT NULL GROUP BY batch_id, batch_n) item`,
	).Scan(&f.ledger, &f.ledgerTwice, &f.resent, &f.resendings)
	if err != nil {
		return f, err
	}
	return f, f.readHistory(ctx, b)
}

func (f *findings) readResults(body io.Reader) error {
	seen := make(map[string]int, f.items)
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			CustomID string `json:"custom_id"`
			Result   struct {
				Type string `json:"type"`
			} `json:"result"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return err
		}
		f.lines++
		seen[line.CustomID]++
		if line.Result.Type != "succeeded" {
			f.failed++
		}
	}
	for n := range f.items {
		switch seen[customID(n)] {
		case 0:
			f.missing++
		case 1:
		default:
			f.twice++
		}
	}
	return lines.Err()
}

// readHistory finds the largest of the workflow's runs.
func (f *findings) readHistory(ctx context.Context, b *batch) error {
	temporal, err := client.Dial(client.Options{HostPort: b.stack.TemporalAddress, Namespace: b.stack.Namespace})
	if err != nil {
		return err
	}
	defer temporal.Close()
	runs, err := temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: b.stack.Namespace, Query: fmt.Sprintf("WorkflowId = %q", b.id),
	})
	if err != nil {
		return err
	}
	for _, run := range runs.GetExecutions() {
		about, err := temporal.DescribeWorkflowExecution(ctx, b.id, run.GetExecution().GetRunId())
		if err != nil {
			return err
		}
		info := about.GetWorkflowExecutionInfo()
		f.runs++
		f.events, f.historyBytes = max(f.events, info.GetHistoryLength()), max(f.historyBytes, info.GetHistorySizeBytes())
	}
	return nil
}

func (f *findings) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "  result lines                     %6d  of %d items; %d without one, %d with more; %d not succeeded\n", f.lines, f.items, f.missing, f.twice, f.failed)
	_, _ = fmt.Fprintf(w, "  ledger rows of items             %6d  %d items with more than one\n", f.ledger, f.ledgerTwice)
	_, _ = fmt.Fprintf(w, "  items sent again                 %6d  %d times in all\n", f.resent, f.resendings)
	_, _ = fmt.Fprintf(w, "  workflow                         %6d  events, %.1f MB of history in the largest of %d runs\n", f.events, float64(f.historyBytes)/(1<<20), f.runs)
}

func (f *findings) mistakes(memory map[string]int, kills int) []string {
	var bad []string
	complain := func(when bool, format string, args ...any) {
		if when {
			bad = append(bad, fmt.Sprintf(format, args...))
		}
	}
	complain(f.lines != f.items || f.missing > 0 || f.twice > 0, "the results are not one for each item")
	complain(f.failed > 0, "%d items did not succeed", f.failed)
	complain(f.ledger != f.items || f.ledgerTwice > 0, "the ledger rows are not one for each item")
	complain(f.resendings > kills*inFlight, "%d items were sent again: more than were in flight at %d kills", f.resendings, kills)
	complain(f.runs == 0 || f.events >= maxEvents || f.historyBytes >= maxBytes, "the history is too large, or not there")
	for name, most := range memory {
		complain(most == 0 || most >= maxMemory, "the %s had %d MB of memory resident", name, most)
	}
	return bad
}
