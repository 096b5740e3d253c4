package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// ReadBody puts a read on record and answers the bytes that it is of. The record is committed before they are asked for. If
// there are none, the error has [gateway.ErrNotFound] in its chain.
func (db *DB) ReadBody(ctx context.Context, r gateway.Read) (body gateway.Body, err error) {
	read, err := one(ctx, db, "begin read", pgx.RowTo[int64], `SELECT begin_read($1, $2, $3, $4, $5)`,
		nullable(r.Request), r.Kind, clean(r.Subject, maxKey), clean(r.User, maxText), clean(r.Reason, maxText))
	if err != nil {
		return body, err
	}
	return one(ctx, db, fmt.Sprintf("read body (%d)", read), func(row pgx.CollectableRow) (b gateway.Body, err error) {
		var digest []byte
		err = row.Scan(&b.Zstd, &b.Size, &digest)
		copy(b.Digest[:], digest)
		return b, err
	}, `SELECT zstd, size, digest FROM read_body($1)`, read)
}

// Reads answers which bodies were read, the newest first, limit of them after the read of an id: of one request, or of all
// if it is zero. An id of 0 is before all. It tells whether the list goes on.
func (db *DB) Reads(ctx context.Context, request uuid.UUID, after int64, limit int) (found []gateway.Read, more bool, err error) {
	if after == 0 {
		after = math.MaxInt64
	}
	where, args := `id < $1`, []any{after, limit + 1}
	if request != uuid.Nil {
		where, args = where+` AND request_id = $3`, append(args, nullable(request))
	}
	found, err = query(ctx, db, "reads", scanRead, `
		SELECT id, at, login, subject, user_name, request_id, kind, owner, owner_name, reason
		FROM reads WHERE `+where+` ORDER BY id DESC LIMIT $2`, args...)
	if more = len(found) > limit; more {
		found = found[:limit]
	}
	return found, more, err
}

func scanRead(row pgx.CollectableRow) (r gateway.Read, err error) {
	err = row.Scan(&r.ID, &r.At, &r.Login, &r.Subject, &r.User, &r.Request, &r.Kind, &r.Owner, &r.OwnerName, &r.Reason)
	r.At = r.At.UTC()
	return r, err
}
