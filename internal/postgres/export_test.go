package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// ExplainRequests runs the statement of Requests and answers how the server went about it, as its JSON.
func (db *DB) ExplainRequests(ctx context.Context, f gateway.RecordFilter, p gateway.Page) (plan string, err error) {
	sql, args := search(f, p)
	return one(ctx, db, "explain requests", pgx.RowTo[string], `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) `+sql, args...)
}

// Prepared is how many statements with a text in them are prepared on a connection of the pool.
func (db *DB) Prepared(ctx context.Context, text string) (int, error) {
	return one(ctx, db, "prepared", pgx.RowTo[int], `SELECT count(*) FROM pg_prepared_statements WHERE position($1 IN statement) > 0`, text)
}
