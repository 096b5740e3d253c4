package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Snapshot answers what a subject has used of a window, and the subject's requests that are not in the ledger yet.
// Both are of the same instant: a request is in exactly one of the two.
func (db *DB) Snapshot(ctx context.Context, subject string, w gateway.Window) (gateway.Snapshot, error) {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	rows, err := db.pool.Query(ctx, `SELECT id, requests, tokens FROM quota_snapshot($1, $2)`, clean(subject, maxKey), w.Start)
	if err != nil {
		return gateway.Snapshot{}, fmt.Errorf("postgres: quota snapshot: %w", err)
	}
	var (
		snap gateway.Snapshot
		of   pgtype.UUID // of nothing: the row of all that is settled
		c    gateway.Charge
	)
	_, err = pgx.ForEachRow(rows, []any{&of, &c.Requests, &c.Tokens}, func() error {
		if of.Valid {
			snap.Open = append(snap.Open, gateway.Reservation{ID: of.Bytes, Charge: c})
		} else {
			snap.Settled = gateway.Used(c)
		}
		return nil
	})
	if err != nil {
		return gateway.Snapshot{}, fmt.Errorf("postgres: quota snapshot: %w", err)
	}
	return snap, nil
}
