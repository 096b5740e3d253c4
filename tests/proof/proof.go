// Package proof holds what a stack did against what it promises: every request that reached a backend is on record,
// every record is closed, every entry is settled once. It reads the stores directly, with other code than the
// gateway's own.
package proof

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// Report is what was found.
type Report struct {
	Sent          int            // distinct requests that reached a backend
	Ledger        int            // ledger rows
	Statuses      map[string]int // ledger rows by status
	Open          int            // intents and outcomes still in the staging tables
	NotOnRecord   []string       // sent, but in no ledger row
	Resent        int            // ledger rows of more than one attempt
	SentTooOften  []string       // reached backends more often than the ledger has attempts
	NeverSeen     []string       // answered more often, says the ledger, than a backend saw them
	Misnumbered   []string       // rows in attempts that are not the ledger's 2, 3, …
	Orphans       int            // rows in attempts without a ledger row
	BadDigests    int            // bodies that are not what their ledger row says
	Windows       int            // subjects' windows compared
	QuotaWrong    []string       // windows where Redis is not the ledger
	Running       int64          // workflows
	RequestClosed int64          // Request workflows that completed
}

// Mistakes lists what contradicts the promises; empty if nothing does.
func (r Report) Mistakes() []string {
	var bad []string
	complain := func(when bool, format string, args ...any) {
		if when {
			bad = append(bad, fmt.Sprintf(format, args...))
		}
	}
	complain(len(r.NotOnRecord) > 0, "%d requests reached a backend and are in no ledger row, such as %s", len(r.NotOnRecord), first(r.NotOnRecord))
	complain(len(r.SentTooOften) > 0, "%d requests were sent without being on record each time, such as %s", len(r.SentTooOften), first(r.SentTooOften))
	complain(len(r.NeverSeen) > 0, "%d requests are on record with an answer to what no backend saw, such as %s", len(r.NeverSeen), first(r.NeverSeen))
	complain(len(r.Misnumbered) > 0, "%d requests have other attempts than the ledger counts, such as %s", len(r.Misnumbered), first(r.Misnumbered))
	complain(r.Orphans > 0, "%d attempts are of no request in the ledger", r.Orphans)
	complain(r.Open > 0, "%d intents and outcomes are still open", r.Open)
	complain(r.BadDigests > 0, "%d bodies are not what the ledger says", r.BadDigests)
	complain(len(r.QuotaWrong) > 0, "%d of %d windows differ between Redis and the ledger, such as %s", len(r.QuotaWrong), r.Windows, first(r.QuotaWrong))
	complain(r.Running > 0, "%d workflows are still running", r.Running)
	return bad
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// Print writes the report as lines.
func (r Report) Print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "  requests that reached a backend  %6d\n", r.Sent)
	_, _ = fmt.Fprintf(w, "  … of them in no ledger row       %6d\n", len(r.NotOnRecord))
	_, _ = fmt.Fprintf(w, "  … of them oftener than on record %6d\n", len(r.SentTooOften))
	_, _ = fmt.Fprintf(w, "  ledger rows                      %6d  %v\n", r.Ledger, r.Statuses)
	_, _ = fmt.Fprintf(w, "  … of more than one attempt       %6d\n", r.Resent)
	_, _ = fmt.Fprintf(w, "  intents and outcomes left open   %6d\n", r.Open)
	_, _ = fmt.Fprintf(w, "  bodies with a wrong digest       %6d\n", r.BadDigests)
	_, _ = fmt.Fprintf(w, "  quota windows, Redis ≠ ledger    %6d  of %d\n", len(r.QuotaWrong), r.Windows)
	_, _ = fmt.Fprintf(w, "  workflows running                %6d  (Request workflows completed: %d)\n", r.Running, r.RequestClosed)
}

// Wait looks until nothing contradicts the promises or the patience is over, and returns the last look.
func Wait(ctx context.Context, s *stacktest.Stack, patience time.Duration) (Report, error) {
	deadline := time.Now().Add(patience)
	for {
		report, err := Look(ctx, s)
		if err == nil && len(report.Mistakes()) == 0 || time.Now().After(deadline) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// Look compares the stores once.
func Look(ctx context.Context, s *stacktest.Stack) (Report, error) {
	var r Report
	db, err := pgx.Connect(ctx, s.PostgresURLs["owner"])
	if err != nil {
		return r, err
	}
	defer db.Close(ctx)
	if err := r.readLedger(ctx, db); err != nil {
		return r, err
	}
	if err := r.compareSent(ctx, s, db); err != nil {
		return r, err
	}
	if err := r.compareQuota(ctx, s, db); err != nil {
		return r, err
	}
	return r, r.countWorkflows(ctx, s)
}

func (r *Report) readLedger(ctx context.Context, db *pgx.Conn) error {
	r.Statuses = map[string]int{}
	rows, err := db.Query(ctx, `SELECT status, count(*) FROM ledger GROUP BY status`)
	if err != nil {
		return err
	}
	var status string
	var n int
	if _, err = pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		r.Statuses[status] = n
		r.Ledger += n
		return nil
	}); err != nil {
		return err
	}
	err = db.QueryRow(ctx, `SELECT (SELECT count(*) FROM intents) + (SELECT count(*) FROM outcomes)`).Scan(&r.Open)
	if err != nil {
		return err
	}
	return db.QueryRow(ctx, `
		SELECT count(*) FROM ledger l
		LEFT JOIN bodies q ON q.request_id = l.id AND q.kind = 'request'
		LEFT JOIN bodies a ON a.request_id = l.id AND a.kind = 'response'
		WHERE q.digest IS DISTINCT FROM l.request_digest OR sha256(q.zstd) IS DISTINCT FROM l.request_digest
		   OR a.digest IS DISTINCT FROM l.response_digest OR (a.zstd IS NOT NULL AND sha256(a.zstd) IS DISTINCT FROM l.response_digest)`,
	).Scan(&r.BadDigests)
}

// compareQuota holds Redis against the ledger, window by window, in both directions.
func (r *Report) compareQuota(ctx context.Context, s *stacktest.Stack, db *pgx.Conn) error {
	options, err := redis.ParseURL(s.RedisURL)
	if err != nil {
		return err
	}
	store := redis.NewClient(options)
	defer store.Close()
	rows, err := db.Query(ctx, `SELECT subject, window_start, sum(charge_requests), sum(charge_tokens) FROM ledger GROUP BY 1, 2`)
	if err != nil {
		return err
	}
	ledger := map[string][2]int64{}
	var subject string
	var start time.Time
	var used [2]int64
	if _, err = pgx.ForEachRow(rows, []any{&subject, &start, &used[0], &used[1]}, func() error {
		ledger[fmt.Sprintf("quota:{%s}:%s", url.QueryEscape(subject), start.UTC().Format("20060102T1504Z"))] = used
		return nil
	}); err != nil {
		return err
	}
	keys, err := store.Keys(ctx, "quota:*Z").Result() // the windows; not the minute, nor the places
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, known := ledger[key]; !known {
			ledger[key] = [2]int64{}
		}
	}
	r.Windows = len(ledger)
	for key, want := range ledger {
		if !slices.Contains(keys, key) {
			continue // cold: the next use reads it from the ledger
		}
		fields, err := store.HGetAll(ctx, key).Result()
		if err != nil {
			return err
		}
		requests, _ := strconv.ParseInt(fields["requests"], 10, 64)
		tokens, _ := strconv.ParseInt(fields["tokens"], 10, 64)
		open := 0
		for name := range fields {
			if len(name) == 36 { // a request's id: a reservation
				open++
			}
		}
		if requests != want[0] || tokens != want[1] || open > 0 {
			r.QuotaWrong = append(r.QuotaWrong, fmt.Sprintf("%s: Redis %d requests, %d tokens, %d reserved; ledger %d and %d", key, requests, tokens, open, want[0], want[1]))
		}
	}
	return nil
}

func (r *Report) countWorkflows(ctx context.Context, s *stacktest.Stack) error {
	temporal, err := client.Dial(client.Options{HostPort: s.TemporalAddress, Namespace: s.Namespace, Logger: nothing{}})
	if err != nil {
		return err
	}
	defer temporal.Close()
	count := func(query string) (int64, error) {
		res, err := temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: s.Namespace, Query: query})
		return res.GetCount(), err
	}
	if r.Running, err = count(`ExecutionStatus = "Running" AND WorkflowType IN ("Request", "SettleBacklog")`); err != nil {
		return err
	}
	r.RequestClosed, err = count(`ExecutionStatus = "Completed" AND WorkflowType = "Request"`)
	return err
}

// nothing is the SDK's log, which is not wanted here.
type nothing struct{}

func (nothing) Debug(string, ...any) {}
func (nothing) Info(string, ...any)  {}
func (nothing) Warn(string, ...any)  {}
func (nothing) Error(string, ...any) {}
