package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/seal"
)

// What follows is the operator's: it takes the login that owns the tables. Each measure is put on record, and noted in the
// next seal.

// HeldError is the error of an erasure that a hold forbids.
type HeldError struct{ Hold seal.Note }

func (e *HeldError) Error() string {
	return fmt.Sprintf("hold %d (%s, by %s) covers what is to be erased. Release it first, if you may: worker audit release %[1]d", e.Hold.ID, e.Hold.Reason, e.Hold.By)
}

// errDry ends a transaction that was only to show what it would do.
var errDry = errors.New("nothing was changed")

// measure runs fn in a transaction, when no other measure is under way. With dry nothing of it stays.
func (db *DB) measure(ctx context.Context, op string, dry bool, fn func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('llmgw.measures', 0))`); err != nil {
			return err
		}
		if err := fn(ctx, tx); err != nil {
			return err
		}
		if dry {
			return errDry
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDry) {
		return fmt.Errorf("postgres: %s: %w", op, err)
	}
	return nil
}

// record puts a measure on record, and answers its number.
func record(ctx context.Context, tx pgx.Tx, n seal.Note) (id int64, err error) {
	err = tx.QueryRow(ctx, `SELECT add_measure($1, $2, $3, $4, $5, $6, nullif($7::bigint, 0), $8, $9)`,
		n.Kind, n.By, n.Reason, n.Subject, n.From, n.Before, n.Hold, n.Table, n.Rows).Scan(&id)
	return id, err
}

// Hold forbids to retire and to erase what the note covers, until it is released. It answers the hold's number.
func (db *DB) Hold(ctx context.Context, n seal.Note) (id int64, err error) {
	n.Kind = seal.Hold
	err = db.measure(ctx, "hold", false, func(ctx context.Context, tx pgx.Tx) (err error) {
		id, err = record(ctx, tx, n)
		return err
	})
	return id, err
}

// Release ends a hold.
func (db *DB) Release(ctx context.Context, hold int64, by, reason string) error {
	return db.measure(ctx, "release", false, func(ctx context.Context, tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM holds WHERE id = $1)`, hold).Scan(&there); err != nil {
			return err
		}
		if !there {
			return fmt.Errorf("no hold %d is in force. worker audit holds lists those that are", hold)
		}
		_, err := record(ctx, tx, seal.Note{Kind: seal.Release, By: by, Reason: reason, Hold: hold})
		return err
	})
}

const selectHolds = `SELECT id, 'hold', at, taken_by, reason, subject, from_at, to_at, 0::bigint, '', 0::bigint FROM holds `

// Holds answers the holds in force, the oldest first.
func (db *DB) Holds(ctx context.Context) ([]seal.Note, error) {
	return query(ctx, db, "holds", scanNote, selectHolds+`ORDER BY id`)
}

// Retired is what became of a partition.
type Retired struct {
	Partition     string
	Dropped, Kept int64 // rows; those that a hold covers are kept
}

// Retire ends the retention of all months of a table ("bodies", "attempts" or "ledger") before the month of the cutoff. With
// dry it only tells what it would do.
func (db *DB) Retire(ctx context.Context, table string, cutoff time.Time, by, reason string, dry bool) (parts []Retired, err error) {
	err = db.measure(ctx, "retire "+table, dry, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT part, dropped, kept FROM retire($1, $2, $3, $4, $5)`, table, cutoff, by, reason, dry)
		if err == nil {
			parts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Retired])
		}
		return err
	})
	return parts, err
}

// Erased counts what an erasure deleted.
type Erased struct{ Bodies, Items, Results, Files int64 }

// Erase deletes what a subject asked and was answered: the bodies of requests that are in the ledger, the items and results of
// batches that have ended, and files, if they were made in the note's time. The ledger stays as it is. It is refused, with a
// [*HeldError], while a hold covers any of it. With dry it only tells what it would do.
func (db *DB) Erase(ctx context.Context, n seal.Note, dry bool) (e Erased, err error) {
	n.Kind = seal.Erase
	err = db.measure(ctx, "erase", dry, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectHolds+`
			WHERE (subject = '' OR subject = $1) AND (from_at IS NULL OR $3::timestamptz IS NULL OR from_at < $3)
				AND (to_at IS NULL OR $2::timestamptz IS NULL OR to_at > $2) ORDER BY id LIMIT 1`, n.Subject, n.From, n.Before)
		if err != nil {
			return err
		}
		holds, err := pgx.CollectRows(rows, scanNote)
		if err != nil {
			return err
		}
		if len(holds) > 0 {
			return &HeldError{holds[0]}
		}
		for _, step := range []struct {
			count *int64
			sql   string
		}{
			{&e.Bodies, `
				DELETE FROM bodies b USING ledger l WHERE l.id = b.request_id AND l.subject = $1
					AND ($2::timestamptz IS NULL OR l.id >= uuid_floor($2)) AND ($3::timestamptz IS NULL OR l.id < uuid_floor($3))`},
			{&e.Items, `DELETE FROM batch_items USING ` + endedBatches + ` WHERE batch_items.batch_id = b.id`},
			{&e.Results, `DELETE FROM batch_results USING ` + endedBatches + ` WHERE batch_results.batch_id = b.id`},
			{new(int64), `DELETE FROM native_batches USING ` + endedBatches + ` WHERE native_batches.batch_id = b.id`},
			{new(int64), `DELETE FROM file_chunks USING ` + idleFiles + ` WHERE file_chunks.file_id = f.id`},
			{&e.Files, `UPDATE files SET deleted_at = now() FROM ` + idleFiles + ` WHERE files.id = f.id AND files.deleted_at IS NULL`},
			{new(int64), `UPDATE batches SET archived_at = coalesce(archived_at, now()), emptied = true FROM ` + endedBatches + ` WHERE batches.id = b.id`},
		} {
			tag, err := tx.Exec(ctx, step.sql, n.Subject, n.From, n.Before)
			if err != nil {
				return err
			}
			*step.count = tag.RowsAffected()
		}
		n.Rows = e.Bodies
		_, err = record(ctx, tx, n)
		return err
	})
	return e, err
}

const (
	inTime = `subject = $1 AND ($2::timestamptz IS NULL OR created_at >= $2) AND ($3::timestamptz IS NULL OR created_at < $3)`

	// endedBatches are the batches of the subject that have ended; idleFiles the files that no running batch is made of, and
	// that are not being uploaded.
	endedBatches = `(SELECT id FROM batches WHERE ` + inTime + ` AND ended_at IS NOT NULL) b`
	idleFiles    = `(SELECT id FROM files WHERE ` + inTime + ` AND finished_at IS NOT NULL
		AND NOT EXISTS (SELECT FROM batches r WHERE r.input_file = files.id AND r.ended_at IS NULL)) f`
)
