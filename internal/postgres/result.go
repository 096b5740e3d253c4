package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Results hands the lines of a batch's results to fn, in the order of the items and without their digests. It reads
// them a page at a time, and nothing waits in the database while fn works. An error of fn ends it and is answered.
func (db *DB) Results(ctx context.Context, id uuid.UUID, part gateway.Part, fn func(line gateway.Body) error) error {
	type result struct {
		n    int
		line gateway.Body
	}
	scan := func(row pgx.CollectableRow) (r result, err error) {
		err = row.Scan(&r.n, &r.line.Zstd, &r.line.Size)
		return r, err
	}
	last, err := one(ctx, db, "results: the last", pgx.RowTo[int], `SELECT coalesce(max(n), -1) FROM batch_results WHERE batch_id = $1`, nullable(id))
	for from := 0; err == nil && from <= last; {
		var page []result
		page, err = query(ctx, db, "results", scan, `
			SELECT n, zstd, size FROM (
				SELECT n, zstd, size, sum(octet_length(zstd)) OVER (ORDER BY n) AS read
				FROM batch_results
				WHERE batch_id = $1 AND n >= $2 AND n < $3 AND ($4 = 'all' OR (state = 'succeeded') = ($4 = 'output'))
				ORDER BY n LIMIT $5
			) page
			WHERE read <= $6 OR read = octet_length(zstd)
			ORDER BY n`, nullable(id), from, from+pieceRows, string(part), pageRows, int64(pageBytes))
		from += pieceRows // where there are none
		for _, r := range page {
			if err := fn(r.line); err != nil {
				return err
			}
			from = r.n + 1
		}
	}
	return err
}
