package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// CreateNative puts on record that a backend has taken items in a batch of its own.
func (db *DB) CreateNative(ctx context.Context, n *gateway.NativeBatch) error {
	_, err := db.exec(ctx, "create native batch", `
		INSERT INTO native_batches (id, batch_id, from_n, backend, model, endpoint, native_id, requests, items, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		nullable(n.ID), nullable(n.Batch), n.Items[0], n.Target.Backend, n.Target.Model, string(n.Endpoint), clean(n.NativeID, maxText),
		ids(n.Requests), n.Items, n.CreatedAt)
	return err
}

// EndNative puts on record that the results of a native batch are here.
func (db *DB) EndNative(ctx context.Context, id uuid.UUID) error {
	_, err := db.exec(ctx, "end native batch", `UPDATE native_batches SET ended_at = now() WHERE id = $1 AND ended_at IS NULL`, nullable(id))
	return err
}

// NativeBatches answers the native batches that have items of the chunk and have not ended, the oldest first.
func (db *DB) NativeBatches(ctx context.Context, c gateway.Chunk) ([]gateway.NativeBatch, error) {
	return query(ctx, db, "native batches", scanNative, `
		SELECT id, batch_id, backend, model, endpoint, native_id, requests, items, created_at
		FROM native_batches
		WHERE batch_id = $1 AND from_n >= $2 AND from_n < $3 AND ended_at IS NULL
		ORDER BY created_at, id`, nullable(c.Batch), c.From, c.To)
}

func scanNative(row pgx.CollectableRow) (n gateway.NativeBatch, err error) {
	var requests []pgtype.UUID
	err = row.Scan(&n.ID, &n.Batch, &n.Target.Backend, &n.Target.Model, &n.Endpoint, &n.NativeID, &requests, &n.Items, &n.CreatedAt)
	n.Requests = make([]uuid.UUID, len(requests))
	for i, r := range requests {
		n.Requests[i] = r.Bytes
	}
	n.CreatedAt = n.CreatedAt.UTC()
	return n, err
}
