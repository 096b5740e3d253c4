package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Renew says that the frontend process lives, for ttl from now by the database's clock.
func (db *DB) Renew(ctx context.Context, instance uuid.UUID, ttl time.Duration) error {
	_, err := db.exec(ctx, "renew lease",
		`INSERT INTO leases (instance, expires_at) VALUES ($1, now() + $2::interval) ON CONFLICT DO NOTHING`, pgtype.UUID{Bytes: instance, Valid: true}, ttl)
	return err
}

// PruneLeases deletes the leases that have expired.
func (db *DB) PruneLeases(ctx context.Context) error {
	_, err := db.exec(ctx, "prune leases", `DELETE FROM leases WHERE expires_at <= now()`)
	return err
}
