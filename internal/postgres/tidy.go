package postgres

import (
	"context"
	"fmt"
	"time"
)

// leaving are the batches o whose items and results are deleted.
const leaving = `(o.deleted_at IS NOT NULL OR o.archived_at IS NOT NULL) AND NOT o.emptied`

// deleteRows deletes rows of the owners o that meet the condition. It finds them by their key, whatever the
// server believes about how many there are; rows of these tables never move.
func deleteRows(table, key, owners, condition string) string {
	return fmt.Sprintf(`
		DELETE FROM %[1]s WHERE ctid = ANY (ARRAY(
			SELECT r.ctid FROM %[3]s o
			CROSS JOIN LATERAL (SELECT ctid FROM %[1]s WHERE %[2]s = o.id ORDER BY %[2]s, n LIMIT $1) r
			WHERE %[4]s LIMIT $1))`, table, key, owners, condition)
}

// none is a condition: the owner o has no rows in the table.
func none(table, key string) string {
	return fmt.Sprintf(`(SELECT n FROM %[1]s WHERE %[2]s = o.id ORDER BY %[2]s, n LIMIT 1) IS NULL`, table, key)
}

// TidyBatches ends the retention of batches and files: it gives up uploads that began more than uploadAge ago, archives
// batches that ended more than retention ago, and deletes what was discarded, deleted, archived or has expired, limit rows
// of each table at most. It answers how many rows it touched; none means that it is done.
func (db *DB) TidyBatches(ctx context.Context, uploadAge, retention time.Duration, limit int) (int64, error) {
	var touched int64
	for _, step := range []struct {
		op, sql string
		args    []any
	}{
		{"give up uploads of batches", `
			UPDATE batches SET deleted_at = now()
			WHERE ended_at IS NULL AND state = 'uploading' AND deleted_at IS NULL AND created_at < now() - $1::interval`, []any{uploadAge}},
		{"give up uploads of files", `
			UPDATE files SET deleted_at = now()
			WHERE deleted_at IS NULL AND (finished_at IS NULL AND created_at < now() - $1::interval OR expires_at <= now())`, []any{uploadAge}},
		{"archive batches", `
			WITH archived AS (
				UPDATE batches SET archived_at = now() WHERE archived_at IS NULL AND ended_at < now() - $1::interval RETURNING id
			), files AS (
				UPDATE files f SET deleted_at = now() FROM archived WHERE f.batch_id = archived.id AND f.deleted_at IS NULL
			)
			SELECT FROM archived`, []any{retention}},
		{"delete items", deleteRows("batch_items", "batch_id", "batches", leaving), []any{limit}},
		{"delete results", deleteRows("batch_results", "batch_id", "batches", leaving), []any{limit}},
		{"delete native batches", `
			DELETE FROM native_batches WHERE id IN (
				SELECT n.id FROM batches o JOIN native_batches n ON n.batch_id = o.id WHERE ` + leaving + ` LIMIT $1)`, []any{limit}},
		{"empty batches", `UPDATE batches o SET emptied = true WHERE ` + leaving +
			` AND ` + none("batch_items", "batch_id") + ` AND ` + none("batch_results", "batch_id"), nil},
		{"delete batches", `DELETE FROM batches WHERE deleted_at IS NOT NULL AND emptied`, nil},
		{"delete chunks of files", deleteRows("file_chunks", "file_id", "files", `o.deleted_at IS NOT NULL`), []any{limit}},
		{"delete files", `DELETE FROM files o WHERE o.deleted_at IS NOT NULL AND ` + none("file_chunks", "file_id"), nil},
	} {
		n, err := db.exec(ctx, step.op, step.sql, step.args...)
		touched += n
		if err != nil {
			return touched, err
		}
	}
	return touched, nil
}
