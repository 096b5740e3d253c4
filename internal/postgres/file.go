package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	fileColumns = `f.id, f.subject, f.name, f.purpose, f.size, f.batch_id, f.created_at, f.expires_at`

	// shownFile is a file that its owner is shown.
	shownFile = `f.finished_at IS NOT NULL AND f.deleted_at IS NULL AND (f.expires_at IS NULL OR f.expires_at > now())`

	pageChunks = 16 // of a file that are read at once
)

// CreateFile puts an upload on record that begins. Nobody is shown it before FinishFile.
func (db *DB) CreateFile(ctx context.Context, f *gateway.File) error {
	_, err := db.exec(ctx, "create file", `
		INSERT INTO files (id, subject, name, purpose, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO NOTHING`, nullable(f.ID), clean(f.Subject, maxKey), clean(f.Name, maxText), clean(f.Purpose, maxText),
		instant(f.CreatedAt), instant(f.ExpiresAt))
	return err
}

// AddFileChunk adds the n-th piece of an upload, from 0. To one that was finished or discarded the error has
// [gateway.ErrNotFound] in its chain.
func (db *DB) AddFileChunk(ctx context.Context, file uuid.UUID, n int, chunk gateway.Body) error {
	ctx, cancel := db.bounded(ctx)
	defer cancel()
	_, err := db.pool.Exec(ctx, `INSERT INTO file_chunks (file_id, n, zstd, size, digest) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		nullable(file), n, chunk.Zstd, chunk.Size, chunk.Digest[:])
	return unwelcome("add file chunk", err)
}

// FinishFile ends an upload of size bytes. It is an error if they are not all there.
func (db *DB) FinishFile(ctx context.Context, file uuid.UUID, size int64) error {
	n, err := db.exec(ctx, "finish file", `SELECT FROM finish_file($1, $2)`, nullable(file), size)
	if err != nil || n > 0 {
		return err
	}
	if f, err := db.File(ctx, file); err != nil || f.Size == size {
		return err
	}
	return fmt.Errorf("postgres: finish file %s: it does not have %d bytes", file, size)
}

// DiscardFile gives up an upload.
func (db *DB) DiscardFile(ctx context.Context, file uuid.UUID) error {
	_, err := db.exec(ctx, "discard file", `SELECT FROM delete_file($1)`, nullable(file))
	return err
}

// DeleteFile takes a file away from its owner. If it is the results of a batch, those stay the batch's.
func (db *DB) DeleteFile(ctx context.Context, id uuid.UUID) error {
	return db.found(ctx, "delete file", `SELECT FROM delete_file($1)`, nullable(id))
}

// File answers a file.
func (db *DB) File(ctx context.Context, id uuid.UUID) (gateway.File, error) {
	return one(ctx, db, "file", scanFile, `SELECT `+fileColumns+` FROM files f WHERE f.id = $1 AND `+shownFile, nullable(id))
}

// Files answers a page of a subject's files, of every purpose if that is "", and whether the list goes on.
func (db *DB) Files(ctx context.Context, subject, purpose string, p gateway.Page) ([]gateway.File, bool, error) {
	return list(ctx, db, "files", scanFile, `SELECT `+fileColumns+` FROM files f
		WHERE f.subject = $3 AND ($4 = '' OR f.purpose = $4) AND `+shownFile, "f.id", p, clean(subject, maxKey), clean(purpose, maxText))
}

// FileChunks hands the pieces of an upload to fn, in their order and from the given one on. It reads some at a time, and
// nothing waits in the database while fn works. An error of fn ends it and is answered. If the file is deleted while it is
// read the error has [gateway.ErrNotFound] in its chain.
func (db *DB) FileChunks(ctx context.Context, id uuid.UUID, from int, fn func(n int, chunk gateway.Body) error) error {
	scan := func(row pgx.CollectableRow) (b gateway.Body, err error) {
		var digest []byte
		err = row.Scan(&b.Zstd, &b.Size, &digest)
		copy(b.Digest[:], digest)
		return b, err
	}
	for n := from; ; {
		page, err := query(ctx, db, "file chunks", scan, `
			SELECT zstd, size, digest FROM file_chunks WHERE file_id = $1 AND n >= $2 AND n < $3 ORDER BY n`, nullable(id), n, n+pageChunks)
		if err != nil {
			return err
		}
		// Chunks go only after their file has: while that is there, none is missing.
		if _, err := db.File(ctx, id); err != nil {
			return err
		}
		for _, chunk := range page {
			if err := fn(n, chunk); err != nil {
				return err
			}
			n++
		}
		if len(page) < pageChunks {
			return nil
		}
	}
}

func scanFile(row pgx.CollectableRow) (f gateway.File, err error) {
	var (
		batch            pgtype.UUID
		created, expires pgtype.Timestamptz
	)
	err = row.Scan(&f.ID, &f.Subject, &f.Name, &f.Purpose, &f.Size, &batch, &created, &expires)
	f.Batch, f.CreatedAt, f.ExpiresAt = batch.Bytes, utc(created), utc(expires)
	return f, err
}
