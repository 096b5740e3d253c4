package integration

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// traced is what the stores have of one item.
type traced struct {
	CustomID string
	State    string // of its result
	Admitted bool   // its result names a request
	Rows     int    // in the ledger
	Status   string // there
	Attempts int
	Charged  int // requests
	Input    int64
	Output   int64
}

// trace reads what the stores have of a batch's items, in their order.
func (w *world) trace(t *testing.T, id string) []traced {
	t.Helper()
	rows, err := w.db(t, "owner").Query(t.Context(), `
		SELECT i.custom_id, coalesce(max(r.state), ''), count(r.request_id) > 0, count(l.id), coalesce(max(l.status), ''),
			coalesce(sum(l.attempts), 0)::int, coalesce(sum(l.charge_requests), 0)::int,
			coalesce(sum(l.input_tokens), 0)::bigint, coalesce(sum(l.output_tokens), 0)::bigint
		FROM batch_items i
		LEFT JOIN batch_results r USING (batch_id, n)
		LEFT JOIN ledger l ON l.batch_id = i.batch_id AND l.batch_n = i.n
		WHERE i.batch_id = $1 GROUP BY i.n, i.custom_id ORDER BY i.n`, batchID(t, id))
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[traced])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func batchID(t *testing.T, public string) uuid.UUID {
	t.Helper()
	id, _, ok := gateway.ParseBatchID(public)
	if !ok {
		t.Fatalf("%q is no batch's id", public)
	}
	return id
}

// prove holds the results of a batch that has ended against the stores: one result for each item, one row in the ledger
// for each that was admitted, and none for any other; each success is charged once, and nothing is open. Redis is held
// against the ledger when the test ends.
func (o *owner) prove(t *testing.T, b api.Batch) (items []traced) {
	t.Helper()
	items = o.trace(t, b.ID)
	results := o.results(t, b.ID)
	if len(items) != b.Counts.Total || len(results) != b.Counts.Total {
		t.Fatalf("%s: %d items and %d results on record, of %d", b.ID, len(items), len(results), b.Counts.Total)
	}
	var input, output int64
	counts := map[string]int{}
	for i, it := range items {
		input, output = input+it.Input, output+it.Output
		counts[it.State]++
		if r := results[i]; r.id != it.CustomID || r.state != it.State {
			t.Errorf("%s: item %d is %s, %s, and its result %s", b.ID, i, it.CustomID, it.State, r.text)
		}
		if rows := map[bool]int{true: 1}[it.Admitted]; it.Rows != rows {
			t.Errorf("%s: %+v: want %d ledger rows", b.ID, it, rows)
		}
		switch it.State {
		case "succeeded":
			if it.Status != "completed" || it.Charged != 1 || it.Attempts < 1 {
				t.Errorf("%s: %+v: want one completed request, charged once", b.ID, it)
			}
		case "canceled", "expired":
			if it.Status == "completed" {
				t.Errorf("%s: %+v: it has an answer that its owner is not given", b.ID, it)
			}
		}
	}
	for state, said := range map[string]int{"succeeded": b.Counts.Succeeded, "errored": b.Counts.Errored, "canceled": b.Counts.Canceled, "expired": b.Counts.Expired} {
		if counts[state] != said {
			t.Errorf("%s: %d items are %s, the gateway says %d", b.ID, counts[state], state, said)
		}
	}
	if b.Usage.InputTokens != input || b.Usage.OutputTokens != output {
		t.Errorf("%s: the gateway says %d tokens in, %d out; its items' %d, %d", b.ID, b.Usage.InputTokens, b.Usage.OutputTokens, input, output)
	}
	var open int
	if err := o.db(t, "owner").QueryRow(t.Context(), `SELECT count(*) FROM intents WHERE batch_id = $1`, batchID(t, b.ID)).Scan(&open); err != nil || open > 0 {
		t.Errorf("%s: %d requests are open, %v", b.ID, open, err)
	}
	return items
}

// resent counts the attempts that items needed beyond the first.
func resent(items []traced) (n int) {
	for _, it := range items {
		n += max(0, it.Attempts-1)
	}
	return n
}

// provedAs is prove with the counts that there should be.
func (o *owner) provedAs(t *testing.T, b api.Batch, end string, succeeded, errored int) []traced {
	t.Helper()
	if b.End != end || b.Counts.Succeeded != succeeded || b.Counts.Errored != errored {
		t.Errorf("%s: %s %+v, want %s with %d succeeded and %d errored", b.ID, b.End, b.Counts, end, succeeded, errored)
	}
	return o.prove(t, b)
}
