package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/seal"
)

const (
	// A seal that was edited may have a time that is none for others.
	sealColumns = `n, CASE WHEN sealed_at BETWEEN 'epoch' AND '9999-01-01' THEN sealed_at ELSE 'epoch' END, rows, first_id, last_id,
		root, notes, previous, hash, key, signature`

	measureColumns = `id, kind, at, taken_by, reason, subject, from_at, to_at, coalesce(hold, 0), source, rows`
)

// Seal seals rows of the ledger that wait for it, limit of them at most, and the measures that were taken since the seal
// before. If there is nothing to seal, it answers the zero seal. sign signs the seal, and may be nil. A row that is gone is
// sealed as one that is gone.
func (db *DB) Seal(ctx context.Context, limit int, sign func(*seal.Seal) error) (made seal.Seal, err error) {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		// One at a time. What it sees is looked at after that, so a seal follows the one that it waited for.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('llmgw.seal', 0))`); err != nil {
			return err
		}
		var (
			previous seal.Seal
			hash     []byte
			noted    int64 // the last measure
			now      time.Time
		)
		err := tx.QueryRow(ctx, `SELECT n, hash, measure FROM seals ORDER BY n DESC LIMIT 1`).Scan(&previous.N, &hash, &noted)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		previous.Hash = seal.DigestOf(hash)
		measures, err := tx.Query(ctx, `SELECT `+measureColumns+` FROM measures WHERE id > $1 ORDER BY id`, noted)
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(measures, scanNote)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			noted = list[len(list)-1].ID
		}
		notes, err := seal.Notes(list)
		if err != nil {
			return err
		}
		entries, err := takeUnsealed(ctx, tx, limit)
		if err != nil || entries.Len()+len(list) == 0 {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
			return err
		}
		s := seal.New(previous, now, entries, notes)
		if sign != nil {
			if err := sign(&s); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO seals (n, sealed_at, rows, first_id, last_id, root, notes, previous, hash, key, signature, entries, measure)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
			s.N, s.SealedAt, s.Rows, pgUUID(s.First), pgUUID(s.Last), s.Root[:], s.Notes, s.Previous[:], s.Hash[:], s.Key, s.Signature, []byte(entries), noted)
		made = s
		return err
	})
	if err != nil {
		return seal.Seal{}, fmt.Errorf("postgres: seal: %w", err)
	}
	return made, nil
}

// takeUnsealed takes the oldest rows that wait for a seal.
func takeUnsealed(ctx context.Context, tx pgx.Tx, limit int) (seal.Entries, error) {
	rows, err := tx.Query(ctx, `
		WITH taken AS (
			DELETE FROM unsealed WHERE id IN (SELECT id FROM unsealed ORDER BY id LIMIT $1) RETURNING id
		)
		SELECT t.id, (SELECT l.digest FROM ledger l WHERE l.id = t.id) FROM taken t ORDER BY t.id`, limit)
	if err != nil {
		return nil, err
	}
	var (
		entries = seal.Entries{}
		id      uuid.UUID
		digest  []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &digest}, func() error {
		entries = entries.Append(id, seal.DigestOf(digest))
		return nil
	})
	return entries, err
}

// Unsealed is how many rows of the ledger wait for a seal.
func (db *DB) Unsealed(ctx context.Context) (int64, error) {
	return one(ctx, db, "unsealed", pgx.RowTo[int64], `SELECT count(*) FROM unsealed`)
}

// Seals answers the newest seals before the given one, or of all if that is 0.
func (db *DB) Seals(ctx context.Context, before int64, limit int) ([]seal.Seal, error) {
	return query(ctx, db, "seals", scanSeal, `
		SELECT `+sealColumns+` FROM seals WHERE $1 = 0 OR n < $1 ORDER BY n DESC LIMIT $2`, before, limit)
}

func scanSeal(row pgx.CollectableRow) (s seal.Seal, err error) {
	var root, previous, hash []byte
	err = row.Scan(&s.N, &s.SealedAt, &s.Rows, &s.First, &s.Last, &root, &s.Notes, &previous, &hash, &s.Key, &s.Signature)
	s.SealedAt, s.Root, s.Previous, s.Hash = s.SealedAt.UTC(), seal.DigestOf(root), seal.DigestOf(previous), seal.DigestOf(hash)
	return s, err
}

func scanNote(row pgx.CollectableRow) (n seal.Note, err error) {
	var from, before pgtype.Timestamptz
	err = row.Scan(&n.ID, &n.Kind, &n.At, &n.By, &n.Reason, &n.Subject, &from, &before, &n.Hold, &n.Table, &n.Rows)
	n.At, n.From, n.Before = n.At.UTC(), optional(from), optional(before)
	return n, err
}

func optional(t pgtype.Timestamptz) *time.Time {
	if !t.Valid {
		return nil
	}
	at := utc(t)
	return &at
}

// pgUUID is an id as the driver encodes it without reflection; zero is a value, too.
func pgUUID(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }
