package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	pageRows  = 500     // that are read at once
	pageBytes = 4 << 20 // the same; one row may be longer
	pieceRows = 5000    // of one batch that a statement looks at

	// joinProgress adds to an item its result and its open request. Each LIMIT makes the server look these up item by
	// item: before it has statistics of a new batch, it takes that for a small one, and would join it as such.
	joinProgress = `
		LEFT JOIN LATERAL (SELECT n FROM batch_results WHERE batch_id = w.batch_id AND n = w.n LIMIT 1) r ON true
		LEFT JOIN LATERAL (SELECT * FROM intents WHERE batch_id = w.batch_id AND batch_n = w.n LIMIT 1) i ON true `
)

// AddItems adds items of one batch, all or none. An item that is there already stays as it is. If the name of one is that of
// another in the batch, there is a [*gateway.DuplicateItem] in the error's chain. A batch that takes no items is one that is
// not found: a frontend may add to it while it is uploaded, a worker until no more items of it are begun.
func (db *DB) AddItems(ctx context.Context, items []gateway.Item) error {
	if len(items) == 0 {
		return nil
	}
	ns, names := make([]int32, len(items)), make([]string, len(items))
	bodies, sizes, digests := make([][]byte, len(items)), make([]int64, len(items)), make([][]byte, len(items))
	for i := range items {
		it := &items[i]
		ns[i], names[i] = int32(it.N), it.CustomID //nolint:gosec // a batch has fewer items
		bodies[i], sizes[i], digests[i] = it.Body.Zstd, it.Body.Size, it.Body.Digest[:]
	}
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO batch_items (batch_id, n, custom_id, zstd, size, digest)
			SELECT $1, * FROM unnest($2::integer[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[])
			ON CONFLICT DO NOTHING`, nullable(items[0].Batch), ns, names, bodies, sizes, digests)
		if err != nil || tag.RowsAffected() == int64(len(items)) {
			return err
		}
		// Some were passed over: are they there?
		var double gateway.DuplicateItem
		err = tx.QueryRow(ctx, `
			SELECT a.n, a.custom_id FROM unnest($2::integer[], $3::text[]) a (n, custom_id)
			WHERE NOT EXISTS (SELECT FROM batch_items i WHERE i.batch_id = $1 AND i.n = a.n AND i.custom_id = a.custom_id)
			ORDER BY a.n LIMIT 1`, nullable(items[0].Batch), ns, names).Scan(&double.N, &double.CustomID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = &double
		}
		return err
	})
	return unwelcome("add items", err)
}

// WaitingItems answers the items of a chunk that have no result, in order, with their bodies: 500 at most, and as many as
// have maxBytes stored bytes, but one in any case. An item whose request is open comes with what is on record of that.
func (db *DB) WaitingItems(ctx context.Context, c gateway.Chunk, maxBytes int64) ([]gateway.WaitingItem, error) {
	scan := func(row pgx.CollectableRow) (w gateway.WaitingItem, err error) {
		var (
			digest []byte
			open   pgtype.UUID
			at     pgtype.Timestamptz
			sent   int
		)
		err = row.Scan(&w.N, &w.CustomID, &w.Body.Zstd, &w.Body.Size, &digest, &open, &at, &sent)
		copy(w.Body.Digest[:], digest)
		w.Batch = c.Batch
		if open.Valid {
			w.Begun = &gateway.Begun{ID: open.Bytes, At: utc(at), Sent: sent}
		}
		return w, err
	}
	for from := c.From; from < c.To; from += pieceRows {
		found, err := query(ctx, db, "waiting items", scan, `
			SELECT n, custom_id, zstd, size, digest, id, admitted_at, sent FROM (
				SELECT w.n, w.custom_id, w.zstd, w.size, w.digest, i.id, i.admitted_at, coalesce(last.n, 1) AS sent,
					sum(octet_length(w.zstd)) OVER (ORDER BY w.n) AS read
				FROM batch_items w `+joinProgress+joinLast+`
				WHERE w.batch_id = $1 AND w.n >= $2 AND w.n < $3 AND r.n IS NULL
				ORDER BY w.n LIMIT $5
			) waiting
			WHERE read <= $4 OR read = octet_length(zstd)
			ORDER BY n`, nullable(c.Batch), from, min(c.To, from+pieceRows), maxBytes, pageRows)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

// CountItems answers how many items of a chunk have ended in which way.
func (db *DB) CountItems(ctx context.Context, c gateway.Chunk) (gateway.ItemCounts, error) {
	scan := func(row pgx.CollectableRow) (n gateway.ItemCounts, err error) {
		err = row.Scan(&n.Succeeded, &n.Errored, &n.Canceled, &n.Expired)
		return n, err
	}
	return one(ctx, db, "count items", scan, `
		SELECT `+countStates+` FROM batch_results r WHERE r.batch_id = $1 AND r.n >= $2 AND r.n < $3`, nullable(c.Batch), c.From, c.To)
}

// Unfinished answers what is missing of a batch that no items are begun of any more: limit items at most, in order, from the
// given one on, that have no result or whose request is open. Each is an ending to complete: its result has a place and a
// name, and the outcome of an open request is that it was interrupted. That keeps the charge it reserved and the
// cost of its intent, and was last sent where its last attempt on record went.
func (db *DB) Unfinished(ctx context.Context, id uuid.UUID, from, limit int) ([]gateway.Ending, error) {
	scan := func(row pgx.CollectableRow) (e gateway.Ending, err error) {
		var (
			open pgtype.UUID
			out  gateway.Outcome
			now  time.Time
		)
		err = row.Scan(&e.Result.N, &e.Result.CustomID, &open, &out.Target.Model, &out.Target.Backend, &out.Attempts,
			&out.Charge.Requests, &out.Charge.Tokens, &out.Cost, &now)
		e.Result.Batch = id
		if open.Valid {
			out.ID, out.Status, out.Error, out.EndedAt = open.Bytes, gateway.Interrupted, abandonedError, now.UTC()
			out.Usage = gateway.Usage{Input: out.Charge.Tokens, Estimated: true}
			e.Outcome = &out
		}
		return e, err
	}
	last, err := one(ctx, db, "unfinished: the last", pgx.RowTo[int], `SELECT coalesce(max(n), -1) FROM batch_items WHERE batch_id = $1`, nullable(id))
	var found []gateway.Ending
	for ; err == nil && from <= last && len(found) < limit; from += pieceRows {
		var page []gateway.Ending
		page, err = query(ctx, db, "unfinished", scan, `
			SELECT w.n, w.custom_id, i.id, coalesce(last.model, i.model_routed, ''), coalesce(last.backend, i.backend, ''), coalesce(last.n, 1),
				coalesce(i.charge_requests, 0), coalesce(i.charge_tokens, 0), coalesce(i.cost_nanos, 0), now()
			FROM batch_items w `+joinProgress+joinLast+`
			WHERE w.batch_id = $1 AND w.n >= $2 AND w.n < $3 AND (i.id IS NOT NULL OR r.n IS NULL)
			ORDER BY w.n LIMIT $4`, nullable(id), from, from+pieceRows, limit-len(found))
		found = append(found, page...)
	}
	return found, err
}

// unwelcome says what an error in adding to a batch or a file means. The policies of the tables refuse rows of what is not
// there, or takes no more.
func unwelcome(op string, err error) error {
	if err == nil {
		return nil
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "42501" {
		return fmt.Errorf("postgres: %s: %w: %w", op, gateway.ErrNotFound, err)
	}
	if double, ok := errors.AsType[*gateway.DuplicateItem](err); ok {
		return fmt.Errorf("postgres: %s: %w", op, double)
	}
	return fmt.Errorf("postgres: %s: %w", op, fate(err))
}
