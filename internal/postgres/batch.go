package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// CreateBatch puts a batch on record, as it is before it runs. An error with [gateway.ErrKeyUsed] in its chain means
// that its owner has another batch with its idempotency key.
func (db *DB) CreateBatch(ctx context.Context, b *gateway.Batch) error {
	_, err := db.exec(ctx, "create batch", `
		INSERT INTO batches (id, workflow_id, subject, user_name, tier, roles, groups, endpoint, dialect, state, open, input_file,
			header, metadata, idempotency_key, input_digest, total, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (id) DO NOTHING`,
		nullable(b.ID), b.WorkflowID, clean(b.Principal.Subject, maxKey), clean(b.Principal.User, maxText),
		clean(string(b.Principal.Tier), maxText), b.Principal.Roles, b.Principal.Groups, string(b.Endpoint), string(b.Endpoint.Dialect()),
		string(b.State), b.Open, nullable(b.InputFile), b.Header, b.Metadata, clean(b.IdempotencyKey, maxKey), b.InputDigest,
		b.Total, instant(b.CreatedAt), instant(b.ExpiresAt))
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.ConstraintName == "batches_key" {
		return fmt.Errorf("%w: %w", gateway.ErrKeyUsed, err)
	}
	return err
}

// AcceptBatch ends the upload of a batch that has total items, numbered from 0, and whose input has the digest.
func (db *DB) AcceptBatch(ctx context.Context, id uuid.UUID, total int, digest []byte) error {
	return db.advance(ctx, "accept batch", id, total, gateway.BatchUploading, `SELECT FROM accept_batch($1, $2, $3)`, digest)
}

// DiscardBatch gives up the upload of a batch; its idempotency key is free again.
func (db *DB) DiscardBatch(ctx context.Context, id uuid.UUID) error {
	_, err := db.exec(ctx, "discard batch", `SELECT FROM discard_batch($1)`, nullable(id))
	return err
}

// CancelBatch asks for the end of a batch, unless it has ended.
func (db *DB) CancelBatch(ctx context.Context, id uuid.UUID) error {
	_, err := db.exec(ctx, "cancel batch", `SELECT FROM cancel_batch($1)`, nullable(id))
	return err
}

// DeleteBatch takes a batch away from its owner, with the files of its results. For one that has not ended the error has
// [gateway.ErrNotFound] in its chain.
func (db *DB) DeleteBatch(ctx context.Context, id uuid.UUID) error {
	return db.found(ctx, "delete batch", `SELECT FROM delete_batch($1)`, nullable(id))
}

// BeginBatch says that the items of a batch run, of which there are total, numbered from 0.
func (db *DB) BeginBatch(ctx context.Context, id uuid.UUID, total int) error {
	return db.advance(ctx, "begin batch", id, total, gateway.BatchValidating, `
		UPDATE batches b SET state = 'running', total = $2::integer, started_at = now()
		WHERE b.id = $1 AND b.state = 'validating'
			AND ($2::integer, $2::integer - 1) = (SELECT count(*), coalesce(max(i.n), -1) FROM batch_items i WHERE i.batch_id = $1)`)
}

// advance runs a statement that takes a batch out of a state if it has exactly total items. It may be there already.
func (db *DB) advance(ctx context.Context, op string, id uuid.UUID, total int, from gateway.BatchState, sql string, args ...any) error {
	n, err := db.exec(ctx, op, sql, append([]any{nullable(id), total}, args...)...)
	if err != nil || n > 0 {
		return err
	}
	states, err := query(ctx, db, op, scanState, `SELECT state FROM batches WHERE id = $1 AND deleted_at IS NULL`, nullable(id))
	switch {
	case err != nil:
		return err
	case len(states) == 0:
		return fmt.Errorf("postgres: %s %s: %w", op, id, gateway.ErrNotFound)
	case states[0] == gateway.BatchUploading || states[0] == from:
		return fmt.Errorf("postgres: %s %s: it is %s, and does not have %d items", op, id, states[0], total)
	}
	return nil
}

// GrowBatch says that an open batch that runs has total items now, and whether more may come. One that was closed stays so.
func (db *DB) GrowBatch(ctx context.Context, id uuid.UUID, total int, open bool) error {
	_, err := db.exec(ctx, "grow batch", `
		UPDATE batches SET total = greatest(total, $2), open = open AND $3
		WHERE id = $1 AND state IN ('validating', 'running') AND (total < $2 OR open AND NOT $3)`, nullable(id), total, open)
	return err
}

// RefuseBatch ends a batch whose input cannot be used, and drops what it has of items.
func (db *DB) RefuseBatch(ctx context.Context, id uuid.UUID, errs []gateway.InputError) error {
	_, err := db.exec(ctx, "refuse batch", `
		UPDATE batches SET state = 'ended', ending = 'refused', open = false, input_errors = $2, ended_at = now()
		WHERE id = $1 AND state = 'validating'`, nullable(id), errs)
	for n := int64(1); n > 0 && err == nil; {
		n, err = db.exec(ctx, "refuse batch: drop items", `
			DELETE FROM batch_items i USING batches b
			WHERE b.id = $1 AND b.ending = 'refused' AND i.batch_id = b.id
				AND i.n = ANY (ARRAY(SELECT n FROM batch_items WHERE batch_id = $1 ORDER BY n LIMIT $2))`, nullable(id), pieceRows)
	}
	return err
}

// HoldBatch says what a batch waits for; the zero value, that it does not.
func (db *DB) HoldBatch(ctx context.Context, id uuid.UUID, w gateway.Wait) error {
	_, err := db.exec(ctx, "hold batch", `
		UPDATE batches SET wait_reason = $2, wait_until = $3
		WHERE id = $1 AND state IN ('validating', 'running') AND (wait_reason, wait_until) IS DISTINCT FROM ($2, $3::timestamptz)`,
		nullable(id), string(w.Reason), instant(w.Until))
	return err
}

// CloseBatch says that no more items of a batch are begun, and sees to it.
func (db *DB) CloseBatch(ctx context.Context, id uuid.UUID) error {
	_, err := db.exec(ctx, "close batch", `
		UPDATE batches SET state = 'closing', open = false, closing_at = now(), wait_reason = '', wait_until = NULL
		WHERE id = $1 AND state IN ('validating', 'running')`, nullable(id))
	return err
}

// found runs a statement that touches one thing, and has [gateway.ErrNotFound] in its error's chain if it touches none.
func (db *DB) found(ctx context.Context, op, sql string, args ...any) error {
	n, err := db.exec(ctx, op, sql, args...)
	if err == nil && n == 0 {
		return fmt.Errorf("postgres: %s: %w", op, gateway.ErrNotFound)
	}
	return err
}

// nullable is null for the zero UUID.
func nullable(u uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: u, Valid: u != uuid.Nil} }

// instant is null for the zero time.
func instant(t time.Time) pgtype.Timestamptz { return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()} }

// utc is the reverse of instant.
func utc(t pgtype.Timestamptz) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}
