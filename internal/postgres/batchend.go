package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// tally is what came of a batch, or of a part of it.
type tally struct {
	counts         gateway.ItemCounts
	output, errors int64 // bytes of the results files
	usage          gateway.Usage
	cost           gateway.Cost
}

// EndBatch ends a batch: it counts the results for good, adds up what they took, and makes files of them. It answers
// the batch as it is from now on. It is an error if an item has no result, or a request that is open; see Unfinished.
func (db *DB) EndBatch(ctx context.Context, id uuid.UUID, end gateway.BatchEnd) (gateway.Batch, error) {
	b, err := db.Batch(ctx, id)
	if err != nil || b.State == gateway.BatchEnded {
		return b, err
	}
	items, err := db.itemsOf(ctx, id)
	if err != nil {
		return b, err
	}
	t, err := db.tally(ctx, id, items)
	if err != nil {
		return b, err
	}
	if t.counts.Sum() != items || items < b.Total {
		return b, fmt.Errorf("postgres: end batch %s: %d results of %d items, of %d that were counted", id, t.counts.Sum(), items, b.Total)
	}
	n, err := db.end(ctx, id, end, items, t)
	if err != nil {
		return b, err
	}
	b, err = db.Batch(ctx, id)
	if err == nil && n == 0 && b.State != gateway.BatchEnded {
		err = fmt.Errorf("postgres: end batch %s: an item's request is still open", id)
	}
	return b, err
}

// itemsOf is how many items a batch has.
func (db *DB) itemsOf(ctx context.Context, id uuid.UUID) (int, error) {
	return one(ctx, db, "end batch: items", pgx.RowTo[int], `SELECT count(*) FROM batch_items WHERE batch_id = $1`, nullable(id))
}

// tally goes through the results of a batch, a piece at a time.
func (db *DB) tally(ctx context.Context, id uuid.UUID, items int) (all tally, err error) {
	for from := 0; from < items; from += pieceRows {
		// The subquery keeps its OFFSET so that the ledger is read row by row by its key: it may be huge, and the piece is not.
		t, err := one(ctx, db, "end batch: sums", scanTally, `
			SELECT `+countStates+`,
				coalesce(sum(r.size + 1) FILTER (WHERE r.state = 'succeeded'), 0)::bigint,
				coalesce(sum(r.size + 1) FILTER (WHERE r.state <> 'succeeded'), 0)::bigint,
				coalesce(sum(l.input_tokens), 0)::bigint, coalesce(sum(l.output_tokens), 0)::bigint,
				coalesce(sum(l.cache_read_tokens), 0)::bigint, coalesce(sum(l.cache_write_tokens), 0)::bigint,
				coalesce(bool_or(l.usage_estimated), false), coalesce(sum(l.cost_nanos), 0)::bigint
			FROM batch_results r LEFT JOIN LATERAL (SELECT * FROM ledger l WHERE l.id = r.request_id OFFSET 0) l ON true
			WHERE r.batch_id = $1 AND r.n >= $2 AND r.n < $3`, nullable(id), from, from+pieceRows)
		if err != nil {
			return all, err
		}
		all = all.plus(t)
	}
	return all, nil
}

// end writes the end of a batch with the files of its results, unless it has ended or has an open request.
func (db *DB) end(ctx context.Context, id uuid.UUID, end gateway.BatchEnd, items int, t tally) (int64, error) {
	output, errs := fileID(t.output), fileID(t.errors)
	return db.exec(ctx, "end batch", `
		WITH ended AS (
			UPDATE batches b SET state = 'ended', ending = $2, open = false, total = $3, wait_reason = '', wait_until = NULL,
				succeeded = $4, errored = $5, canceled = $6, expired = $7, input_tokens = $8, output_tokens = $9,
				cache_read_tokens = $10, cache_write_tokens = $11, usage_estimated = $12, cost_nanos = $13,
				output_file = $14, error_file = $15, ended_at = now()
			WHERE b.id = $1 AND b.ended_at IS NULL AND NOT EXISTS (SELECT FROM intents i WHERE i.batch_id = $1)
			RETURNING b.id, b.subject
		), files AS (
			INSERT INTO files (id, subject, name, purpose, size, batch_id, created_at, finished_at)
			SELECT f.id, ended.subject, 'batch_' || translate($1::text, '-', '') || f.suffix, $16, f.size, ended.id, now(), now()
			FROM ended CROSS JOIN (VALUES ($14::uuid, $17::bigint, '_output.jsonl'), ($15::uuid, $18::bigint, '_error.jsonl')) f (id, size, suffix)
			WHERE f.id IS NOT NULL
		)
		SELECT FROM ended`, nullable(id), string(end), items, t.counts.Succeeded, t.counts.Errored, t.counts.Canceled, t.counts.Expired,
		t.usage.Input, t.usage.Output, t.usage.CacheRead, t.usage.CacheWrite, t.usage.Estimated, int64(t.cost),
		nullable(output), nullable(errs), gateway.FileOfBatch, t.output, t.errors)
}

// fileID is a new file's id; zero for one that would have nothing in it.
func fileID(size int64) uuid.UUID {
	if size == 0 {
		return uuid.Nil
	}
	return uuid.Must(uuid.NewV7())
}

func (t tally) plus(u tally) tally {
	return tally{
		counts: t.counts.Plus(u.counts), output: t.output + u.output, errors: t.errors + u.errors, cost: t.cost + u.cost,
		usage: gateway.Usage{
			Input: t.usage.Input + u.usage.Input, Output: t.usage.Output + u.usage.Output,
			CacheRead: t.usage.CacheRead + u.usage.CacheRead, CacheWrite: t.usage.CacheWrite + u.usage.CacheWrite,
			Estimated: t.usage.Estimated || u.usage.Estimated,
		},
	}
}

func scanTally(row pgx.CollectableRow) (t tally, err error) {
	err = row.Scan(&t.counts.Succeeded, &t.counts.Errored, &t.counts.Canceled, &t.counts.Expired, &t.output, &t.errors,
		&t.usage.Input, &t.usage.Output, &t.usage.CacheRead, &t.usage.CacheWrite, &t.usage.Estimated, &t.cost)
	return t, err
}
