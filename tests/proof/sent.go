package proof

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// remembered is how many requests a mock model keeps.
const remembered = 10_000

// entry is what the record says of how often a request was sent.
type entry struct {
	ID       string
	Attempts int
	Answered int  // attempts that something came back from
	Numbered bool // the rows in attempts are those that there should be
}

// compareSent holds the backends' own records against the ledger. An attempt that was answered has been seen; one that
// was not may have met a connection refused. None is seen that is not on record.
func (r *Report) compareSent(ctx context.Context, s *stacktest.Stack, db *pgx.Conn) error {
	requests, err := s.ModelRequests(ctx)
	if err != nil {
		return err
	}
	seen, kept, all := map[string]int{}, map[string]int{}, true
	for _, request := range requests {
		kept[request.Mount]++
		all = all && kept[request.Mount] < remembered
		if id := cmp.Or(request.CustomID, request.GatewayRequestID); id != "" { // else somebody asked the model directly
			seen[id]++
		}
	}
	r.Sent = len(seen)
	entries, err := readEntries(ctx, db)
	if err != nil {
		return err
	}
	for _, e := range entries {
		r.compareOne(e, seen[e.ID], all)
		delete(seen, e.ID)
	}
	for id := range seen {
		r.NotOnRecord = append(r.NotOnRecord, id)
	}
	return db.QueryRow(ctx, `SELECT count(*) FROM attempts a WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.id = a.request_id)`).Scan(&r.Orphans)
}

// compareOne holds how often the backends saw a request against its entry. all tells that they have forgotten nothing.
func (r *Report) compareOne(e entry, seen int, all bool) {
	if e.Attempts > 1 {
		r.Resent++
	}
	if seen > e.Attempts {
		r.SentTooOften = append(r.SentTooOften, e.ID)
	}
	if seen < e.Answered && all {
		r.NeverSeen = append(r.NeverSeen, e.ID)
	}
	if !e.Numbered {
		r.Misnumbered = append(r.Misnumbered, e.ID)
	}
}

// readEntries reads the ledger with the attempts. One row more than the ledger counts is in order where the request
// was not completed: it was put on record too late, so it was not sent, and the request was given up.
func readEntries(ctx context.Context, db *pgx.Conn) ([]entry, error) {
	rows, err := db.Query(ctx, `
		SELECT l.id::text, l.attempts,
			(l.http_status > 0 AND l.attempts > 0)::int + count(*) FILTER (WHERE a.n <= l.attempts AND a.after_status > 0),
			count(*) FILTER (WHERE a.n <= l.attempts) = greatest(l.attempts - 1, 0)
				AND coalesce(max(a.n), 0) <= l.attempts + (l.status <> 'completed')::int
		FROM ledger l LEFT JOIN attempts a ON a.request_id = l.id
		GROUP BY l.id, l.attempts, l.http_status, l.status`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[entry])
}
