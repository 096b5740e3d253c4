package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	batchColumns = `b.id, b.workflow_id, b.subject, b.user_name, b.tier, b.roles, b.groups, b.endpoint, b.state, b.ending, b.open,
		b.input_file, b.header, b.metadata, b.idempotency_key, b.input_digest, b.total, b.wait_reason, b.wait_until,
		b.input_errors, b.input_tokens, b.output_tokens, b.cache_read_tokens, b.cache_write_tokens, b.usage_estimated,
		b.cost_nanos, b.output_file, b.error_file, b.created_at, b.started_at, b.expires_at, b.cancel_requested_at,
		b.closing_at, b.ended_at, b.archived_at`

	// countStates counts results r by how their item ended.
	countStates = `count(*) FILTER (WHERE r.state = 'succeeded') AS succeeded, count(*) FILTER (WHERE r.state = 'errored') AS errored,
		count(*) FILTER (WHERE r.state = 'canceled') AS canceled, count(*) FILTER (WHERE r.state = 'expired') AS expired`

	// countedBatches are batches with how many of their items have ended in which way: as the batch itself says once
	// it has ended, as the results say before.
	countedBatches = `
		SELECT ` + batchColumns + `, b.succeeded + live.succeeded, b.errored + live.errored, b.canceled + live.canceled,
			b.expired + live.expired
		FROM batches b CROSS JOIN LATERAL (
			SELECT ` + countStates + `
			FROM batch_results r WHERE r.batch_id = b.id AND b.ended_at IS NULL
		) live`

	// shownBatch is a batch that its owner is shown.
	shownBatch = `b.state <> 'uploading' AND b.deleted_at IS NULL`
)

// Batch answers a batch, unless it is still uploaded or was deleted.
func (db *DB) Batch(ctx context.Context, id uuid.UUID) (gateway.Batch, error) {
	return one(ctx, db, "batch", scanBatch, countedBatches+` WHERE b.id = $1 AND `+shownBatch, nullable(id))
}

// BatchByKey answers the batch that a subject made with an idempotency key, also while it is uploaded.
func (db *DB) BatchByKey(ctx context.Context, subject, key string) (gateway.Batch, error) {
	return one(ctx, db, "batch by key", scanBatch, countedBatches+`
		WHERE b.subject = $1 AND b.idempotency_key = $2 AND b.idempotency_key <> '' AND b.deleted_at IS NULL`,
		clean(subject, maxKey), clean(key, maxKey))
}

// Batches answers a page of a subject's batches, of both dialects if d is "", and whether the list goes on.
func (db *DB) Batches(ctx context.Context, subject string, d gateway.Dialect, p gateway.Page) ([]gateway.Batch, bool, error) {
	return list(ctx, db, "batches", scanBatch, countedBatches+`
		WHERE b.subject = $3 AND ($4 = '' OR b.dialect = $4) AND `+shownBatch, "b.id", p, clean(subject, maxKey), string(d))
}

// UnendedBatches answers batches that were accepted and have not ended, the oldest first, without their Counts.
func (db *DB) UnendedBatches(ctx context.Context, limit int) ([]gateway.Batch, error) {
	return query(ctx, db, "unended batches", scanBatch, `
		SELECT `+batchColumns+`, b.succeeded, b.errored, b.canceled, b.expired
		FROM batches b WHERE b.ended_at IS NULL AND `+shownBatch+` ORDER BY b.id LIMIT $1`, limit)
}

// BatchDetail answers how many items of a batch are admitted and have not ended, and how many failed in which way.
func (db *DB) BatchDetail(ctx context.Context, id uuid.UUID) (running int, failures map[string]int, err error) {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	rows, err := db.pool.Query(ctx, `
		SELECT '', running_items($1), false
		UNION ALL
		SELECT kind, count(*), true FROM batch_results WHERE batch_id = $1 AND state = 'errored' GROUP BY kind`, nullable(id))
	if err != nil {
		return 0, nil, fmt.Errorf("postgres: batch detail: %w", err)
	}
	failures = map[string]int{}
	var (
		kind   string
		n      int
		failed bool
	)
	_, err = pgx.ForEachRow(rows, []any{&kind, &n, &failed}, func() error {
		if failed {
			failures[kind] = n
		} else {
			running = n
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("postgres: batch detail: %w", err)
	}
	return running, failures, nil
}

// one runs a statement that answers a row, and has [gateway.ErrNotFound] in its error's chain if it answers none.
func one[T any](ctx context.Context, db *DB, op string, scan pgx.RowToFunc[T], sql string, args ...any) (found T, err error) {
	all, err := query(ctx, db, op, scan, sql, args...)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("postgres: %s: %w", op, gateway.ErrNotFound)
	}
	if err != nil {
		return found, err
	}
	return all[0], nil
}

// list answers a page of what a statement answers, and whether there is more in the page's direction. The statement ends in
// its WHERE clause, its parameters begin at $3, and id names the column that it is sorted by.
func list[T any](ctx context.Context, db *DB, op string, scan pgx.RowToFunc[T], sql, id string, p gateway.Page, args ...any) (found []T, more bool, err error) {
	sql, bounds := paged(sql, id, p)
	found, err = query(ctx, db, op, scan, sql, append(bounds, args...)...)
	if err != nil {
		return nil, false, err
	}
	if more = len(found) > p.Limit; more {
		found = found[:p.Limit]
	}
	if p.Before != uuid.Nil {
		slices.Reverse(found)
	}
	return found, more, nil
}

// paged is list's statement, which answers a row more than the page has, and the first two of its arguments. The last of
// what is before a row come in the other direction: they are the first of it.
func paged(sql, id string, p gateway.Page) (statement string, bounds []any) {
	order := "DESC"
	if p.Ascending != (p.Before != uuid.Nil) {
		order = "ASC"
	}
	above, below := p.Before, p.After
	if p.Ascending {
		above, below = p.After, p.Before
	}
	if below == uuid.Nil {
		below = uuid.Max
	}
	sql += fmt.Sprintf(" AND %[1]s > $1 AND %[1]s < $2 ORDER BY %[1]s %[2]s LIMIT %[3]d", id, order, p.Limit+1)
	return sql, []any{pgtype.UUID{Bytes: above, Valid: true}, nullable(below)}
}

func scanBatch(row pgx.CollectableRow) (b gateway.Batch, err error) {
	var (
		input, output, errors                                   pgtype.UUID
		until, created, started, expires, asked, closing, ended pgtype.Timestamptz
		archived                                                pgtype.Timestamptz
	)
	err = row.Scan(&b.ID, &b.WorkflowID, &b.Principal.Subject, &b.Principal.User, &b.Principal.Tier, &b.Principal.Roles, &b.Principal.Groups,
		&b.Endpoint, &b.State, &b.End, &b.Open, &input, &b.Header, &b.Metadata, &b.IdempotencyKey, &b.InputDigest, &b.Total,
		&b.Wait.Reason, &until, &b.InputErrors, &b.Usage.Input, &b.Usage.Output, &b.Usage.CacheRead, &b.Usage.CacheWrite,
		&b.Usage.Estimated, &b.Cost, &output, &errors, &created, &started, &expires, &asked, &closing, &ended, &archived,
		&b.Counts.Succeeded, &b.Counts.Errored, &b.Counts.Canceled, &b.Counts.Expired)
	b.InputFile, b.OutputFile, b.ErrorFile = input.Bytes, output.Bytes, errors.Bytes
	b.Wait.Until, b.CreatedAt, b.StartedAt, b.ExpiresAt = utc(until), utc(created), utc(started), utc(expires)
	b.CancelRequestedAt, b.ClosingAt, b.EndedAt, b.ArchivedAt = utc(asked), utc(closing), utc(ended), utc(archived)
	return b, err
}

func scanState(row pgx.CollectableRow) (s gateway.BatchState, err error) {
	err = row.Scan(&s)
	return s, err
}
