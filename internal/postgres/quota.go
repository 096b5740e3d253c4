package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Snapshot answers what a subject has used of a window, the subject's requests that are not in the ledger yet, and those
// of the requests asked for that are. All is of one instant: a request is settled or open, never both.
func (db *DB) Snapshot(ctx context.Context, subject string, w gateway.Window, asked []uuid.UUID) (gateway.Snapshot, error) {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	rows, err := db.pool.Query(ctx, `SELECT kind, id, class, requests, tokens FROM quota_state($1, $2, $3)`,
		clean(subject, maxKey), w.Start, ids(asked))
	if err != nil {
		return gateway.Snapshot{}, fmt.Errorf("postgres: quota snapshot: %w", err)
	}
	var (
		snap = gateway.Snapshot{Settled: map[string]gateway.Used{}}
		kind string
		id   pgtype.UUID // of nothing where a row is a sum
		r    gateway.Reservation
	)
	_, err = pgx.ForEachRow(rows, []any{&kind, &id, &r.Class, &r.Charge.Requests, &r.Charge.Tokens}, func() error {
		r.ID, r.Ended = id.Bytes, kind == "ended"
		switch kind {
		case "settled":
			snap.Settled[r.Class] = gateway.Used(r.Charge)
		case "open", "ended":
			snap.Open = append(snap.Open, r)
		case "asked":
			snap.Asked = append(snap.Asked, r)
		case "running":
			snap.Running = append(snap.Running, r.ID)
		case "minute":
			snap.Minute = append(snap.Minute, r.ID)
		}
		return nil
	})
	if err != nil {
		return gateway.Snapshot{}, fmt.Errorf("postgres: quota snapshot: %w", err)
	}
	return snap, nil
}
